// SPDX-License-Identifier: Apache-2.0
// The state directory of swtpm 0.7, which runs the same libtpms for virtual machines.
//
// A directory holds `tpm2-00.permall` (the permanent state, the same bytes as ours), and `tpm2-00.volatilestate` or
// `tpm2-00.savestate` while a machine is suspended; `.lock`, a POSIX lock on which a running swtpm holds. A file is a
// header of ten bytes (version 2, least version 1, header size, flags, total size) and fields (tag, 32-bit length,
// bytes), big-endian. Encrypted, it has three fields: AES-CBC cipher text, HMAC-SHA-256 over cipher text and IV under
// the same key, and the IV, which swtpm makes as long as the key and of which AES uses the first 16 bytes. The padding
// is PKCS#7's, to a multiple of the key's size. Some versions wrote the bare state; that is read too.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/descriptor.h"

namespace vtpm::tpm {

/// How swtpm makes a key from a passphrase (its option kdf=).
enum class SwtpmKdf { kPbkdf2, kSha512 };
/// `bytes`: 16 for aes-cbc, 32 for aes-256-cbc.
SecretBytes swtpm_key(ByteView passphrase, SwtpmKdf kdf, size_t bytes);
/// Hexadecimal with an optional 0x, white space at the end; 32 or 64 digits. Throws kInvalidArgument that names the
/// place.
SecretBytes swtpm_hex_key(ByteView text);

/// The state inside of a file. `key`: empty for none. Throws Error: kCorrupt (structure), kAuthFailed (wrong key, or
/// changed), kLocked (it is encrypted and there is no key), kInvalidArgument (a key, but it is not encrypted),
/// kUnsupported (TPM 1.2, migration data, something newer).
SecretBytes unwrap_swtpm(ByteView file, ByteView key);
/// The same for the other files, whose contents nobody here looks into; without a header they are kCorrupt.
SecretBytes unwrap_swtpm_suspended(ByteView file, ByteView key);
/// A file with the state; encrypted if there is a key of 16 or 32 bytes.
Bytes wrap_swtpm(ByteView state, ByteView key);

/// What a suspended machine needs besides its permanent state, each where swtpm wrote it.
struct SuspendedState {
  std::optional<SecretBytes> volatile_state, save_state;
  bool empty() const { return !volatile_state && !save_state; }
};

/// A state directory, locked against swtpm while this lives.
class SwtpmDirectory {
 public:
  enum class Mode { kRead, kWrite };
  /// kRead changes nothing: a lock file that does not exist is not made, and the directory may be on a read-only medium
  /// or another user's. kWrite makes the directory (0700) if need be, and a lock file that belongs to the owner of the
  /// directory. Throws Error: kNotFound, kIo, kLocked (swtpm runs on it), kUnsupported (it holds a TPM 1.2).
  SwtpmDirectory(std::string path, Mode mode);

  /// tpm2-00.permall. Throws kNotFound.
  Bytes permanent() const;
  /// A machine was suspended: its state goes on only together with tpm2-00.volatilestate or tpm2-00.savestate.
  bool suspended() const;
  SuspendedState suspended_state(ByteView key) const;
  /// Replaces the machine. The new files are written whole and synced beside the old ones, with the owner, mode and
  /// access control list of the permanent state that they replace (without one: of the directory's owner, 0600). Then
  /// `before_replacing` runs; when it throws, or anything before it failed, the directory is as it was. Then the files
  /// change by rename: at no time does a volatile state stand beside the permanent state of another. Throws Error:
  /// kExists unless `overwrite`, kNoSpace, kIo (the owner cannot be kept, among others), and what `before_replacing`
  /// throws.
  void write(ByteView state, const SuspendedState& suspended, ByteView key, bool overwrite,
             const std::function<void()>& before_replacing = {});

 private:
  /// Who may use a file.
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
