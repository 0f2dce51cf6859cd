// SPDX-License-Identifier: Apache-2.0
// The master key, the keys that are derived from it, and the seals and MACs that they make.
//
//   HKDF-SHA-256(master key, salt = store UUID, info = purpose | epoch as eight bytes) -> 64 bytes for "seal",
//   32 for "clear", "digest", "index" and "cbc-mac", as many as the master key has for "cbc", 64 for "state".
//
// A sealed entry's data is, by the cipher that its `enc` names,
//   aes-256-siv: AES-256-SIV over UUID; the entry's bytes in front of the data, CRC bytes zero; its bytes behind the
//                data; the plain text;
//   aes-cbc:     AES-CBC with the random IV in `enc`, then 32 bytes HMAC-SHA-256 over UUID and the entry with CRC and
//                these bytes zero, which is checked first.
// A blob can therefore not be moved to another name, number, type or store. The `mac` of a clear entry is HMAC-SHA-256
// over the UUID and the entry with CRC and MAC bytes zero. See docs/format.md, "Sealing".
#pragma once

#include <optional>

#include "base/bytes.h"
#include "crypto/symmetric/aead.h"
#include "store/format/entry.h"
#include "store/format/store_cipher.h"

namespace vtpm::store {

/// A master key. It does not change, and any thread may use it at any time.
class MasterKey {
 public:
  /// `key`: 32 random bytes, or a raw key of 16, 24 or 32 bytes.
  MasterKey(SecretBytes key, const Uuid& uuid, uint64_t epoch);

  uint64_t epoch() const { return epoch_; }
  ByteView key() const { return key_; }
  /// 32 bytes that identify this key without revealing it; every key slot contains them.
  const Bytes& digest() const { return digest_; }

  /// The size of the data of a sealed entry with `plain` bytes of plain text (or capacity): padding and tag included.
  static size_t sealed_bytes(Cipher cipher, size_t plain);
  /// The attribute `enc` of an entry to be sealed under this key, with a new IV if the cipher has one.
  Attribute encryption(Cipher cipher) const;
  /// Fills in the data of an encoded entry. Everything else in it must be final, except the CRC.
  void seal(MutableByteView bytes, const EntryView& layout, ByteView plain) const;
  /// Returns the plain text, `realsize` bytes, or nothing if the seal is wrong.
  std::optional<SecretBytes> unseal(const EntryView& entry) const;

  /// Derives a key of `size` bytes for a purpose.
  SecretBytes derive(std::string_view purpose, size_t size) const;
  /// Returns the first eight bytes of HMAC-SHA-256("index", kind in eight bytes | value).
  uint64_t tag(uint64_t kind, ByteView value) const;

  void write_mac(MutableByteView bytes, const EntryView& layout) const;
  bool mac_matches(const EntryView& entry) const;

 private:
  Bytes mac_of(const EntryView& entry) const;
  Bytes siv_sealed(const EntryView& layout, ByteView plain) const;
  Bytes cbc_sealed(const EntryView& layout, ByteView plain) const;
  std::optional<SecretBytes> siv_unsealed(const EntryView& entry) const;
  std::optional<SecretBytes> cbc_unsealed(const EntryView& entry) const;
  Bytes cbc_tag(const EntryView& entry, ByteView box) const;

  SecretBytes key_;
  Uuid uuid_;
  uint64_t epoch_;
  crypto::Siv siv_;
  SecretBytes mac_key_, index_key_, cbc_key_, cbc_mac_key_;
  Bytes digest_;
};

/// A range of bytes: offset and length.
struct Stretch {
  size_t at = 0, bytes = 0;
};
/// Returns a copy of `bytes` in which the given ranges are zero. Empty ranges are ignored.
Bytes with_zeros(ByteView bytes, std::initializer_list<Stretch> zeros);

/// The associated data of a seal in an entry.
struct SealedContext {
  Bytes before, after;  // the entry's bytes around its data, CRC bytes zero
};
SealedContext sealed_context(const EntryView& entry);

}  // namespace vtpm::store
