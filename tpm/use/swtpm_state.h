// SPDX-License-Identifier: Apache-2.0
// The state directory of swtpm 0.7, which runs libtpms for virtual machines.
//
// The directory contains `tpm2-00.permall`, which is the permanent state, and `tpm2-00.volatilestate` or
// `tpm2-00.savestate` while a machine is suspended. A running swtpm holds a POSIX lock on `.lock`.
//
// A file consists of a header of ten bytes (version 2, least version 1, header size, flags, total size) and fields
// (tag, 32-bit length, bytes), all big-endian. An encrypted file has three fields: AES-CBC cipher text, HMAC-SHA-256
// over cipher text and IV under the same key, and the IV. swtpm makes the IV as long as the key, and AES uses its first
// 16 bytes. The padding is that of PKCS #7, to a multiple of the size of the key. Some versions of swtpm wrote the
// state without a header, which can be read too.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/descriptor.h"

namespace vtpm::tpm {

/// How swtpm derives a key from a passphrase (its option kdf=).
enum class SwtpmKdf { kPbkdf2, kSha512 };
/// Derives the key. `bytes`: 16 for aes-cbc, 32 for aes-256-cbc.
SecretBytes swtpm_key(ByteView passphrase, SwtpmKdf kdf, size_t bytes);
/// Reads a key of 32 or 64 hexadecimal digits, with an optional 0x in front and white space behind. Throws
/// kInvalidArgument, which names the position.
SecretBytes swtpm_hex_key(ByteView text);

/// Returns the permanent state in the contents of a file. `key`: empty if there is none. Throws Error: kCorrupt (wrong
/// structure), kAuthFailed (the key is wrong, or the file was changed), kLocked (the file is encrypted and there is no
/// key), kInvalidArgument (there is a key, but the file is not encrypted), kUnsupported (a TPM 1.2, migration data, or
/// a newer format).
SecretBytes unwrap_swtpm(ByteView file, ByteView key);
/// The same for the other files, whose contents are not interpreted. A file without a header is kCorrupt.
SecretBytes unwrap_swtpm_suspended(ByteView file, ByteView key);
/// Returns the contents of a file with the state, encrypted if there is a key. `key`: empty, or 16 or 32 bytes.
Bytes wrap_swtpm(ByteView state, ByteView key);

/// What a suspended machine needs besides its permanent state: the blobs that swtpm wrote.
struct SuspendedState {
  std::optional<SecretBytes> volatile_state, save_state;
  bool empty() const { return !volatile_state && !save_state; }
};

/// A state directory, which is locked against swtpm until this is destroyed. Not thread-safe.
class SwtpmDirectory {
 public:
  enum class Mode { kRead, kWrite };
  /// kRead changes nothing: it does not create a missing lock file, and the directory may be on a read-only medium or
  /// another user's. kWrite creates the directory (mode 0700) and the lock file if they are missing; the lock file
  /// belongs to the owner of the directory. Throws Error: kNotFound, kIo, kLocked (swtpm runs on it), kUnsupported (it
  /// contains a TPM 1.2).
  SwtpmDirectory(std::string path, Mode mode);

  /// Returns the contents of tpm2-00.permall, for `unwrap_swtpm`. Throws kNotFound, kIo.
  Bytes permanent() const;
  /// Whether a machine is suspended: it can go on only with tpm2-00.volatilestate or tpm2-00.savestate.
  bool suspended() const;
  /// Returns these blobs, decrypted. Throws what `unwrap_swtpm_suspended` throws.
  SuspendedState suspended_state(ByteView key) const;
  /// Replaces the machine in the directory. Needs kWrite.
  ///
  /// First the new files are written and synced beside the old ones, with the owner, mode and access control list of
  /// the permanent state that they replace; if there is none, they belong to the directory's owner, with mode 0600.
  /// Then `before_replacing` runs. If it throws, or anything before it has failed, the directory is unchanged. Then the
  /// files are renamed. At no time does the directory contain a volatile state beside another machine's permanent
  /// state.
  ///
  /// Throws Error: kExists unless `overwrite`, kNoSpace, kIo (for instance if the owner cannot be kept), and what
  /// `before_replacing` throws.
  void write(ByteView state, const SuspendedState& suspended, ByteView key, bool overwrite,
             const std::function<void()>& before_replacing = {});

 private:
  /// Owner, mode and access control list of a file.
  struct Access {
    uid_t owner;
    gid_t group;
    mode_t mode;
    std::vector<uint8_t> list;  // system.posix_acl_access; empty: none
  };
  void lock_to_read();
  void lock_to_write();
  void set_lock(short type);
  Access access_of_new_files() const;
  void prepare(const char* name, ByteView contents, const Access& access) const;
  void rename_or_throw(const std::string& from, const std::string& to) const;
  void sync() const;
  std::optional<Bytes> read(const char* name) const;
  bool holds(const char* name) const;
  const std::string path_;
  bool made_ = false;
  Descriptor directory_, lock_;
};

}  // namespace vtpm::tpm
