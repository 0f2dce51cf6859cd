// SPDX-License-Identifier: Apache-2.0
// A running C_Encrypt or C_Decrypt, one direction of it, whatever the mechanism.
//
// Sizes of parts are known before anything is done, so that a size query changes nothing. Of a whole message the size
// is exact, or (RSA decryption, padding that is taken off) a bound.
#pragma once

#include <memory>

#include "crypto/symmetric/cipher.h"
#include "pkcs11/session/lookup.h"

namespace vtpm::pkcs11 {

class Crypt {
 public:
  virtual ~Crypt() = default;

  /// What a message of `in` bytes becomes, at most; exactly, when `exact()`.
  virtual size_t message_bytes(size_t in) const = 0;
  virtual bool exact() const = 0;
  /// The whole message at once, into at least `message_bytes`; returns how many bytes came. `in` and `out` may
  /// overlap. Throws Refusal: CKR_DATA_LEN_RANGE, CKR_ENCRYPTED_DATA_LEN_RANGE, CKR_ENCRYPTED_DATA_INVALID …
  virtual size_t message(ByteView in, MutableByteView out) = 0;

  /// Whether a message may come in parts; if not, the rest is not called.
  virtual bool takes_parts() const { return true; }
  virtual size_t update_bytes(size_t in) const = 0;
  /// `out` has `update_bytes`.
  virtual void update(ByteView in, MutableByteView out) = 0;
  virtual size_t finish_bytes() const = 0;
  /// `out` has `finish_bytes`.
  virtual void finish(MutableByteView out) = 0;

  /// What it has seen so far, without key and parameter; nothing where that cannot be had.
  virtual std::optional<SecretBytes> save() const { return std::nullopt; }
  /// What `save` gave, into one that was just begun in the same way. Throws Error kInvalidArgument for what no state of
  /// it can be.
  virtual void load(ByteView saved);
};

/// Throws Refusal CKR_FUNCTION_NOT_SUPPORTED for mechanisms that take the message in one part.
void require_parts(const Crypt& crypt);

/// For a key that fits the row (require_key_for). Throws Refusal: CKR_MECHANISM_PARAM_INVALID, CKR_KEY_SIZE_RANGE.
std::unique_ptr<Crypt> make_crypt(const Session& session, const Mechanism& row, const CK_MECHANISM& mechanism,
                                  const Object& key, crypto::Direction direction);

}  // namespace vtpm::pkcs11
