// SPDX-License-Identifier: Apache-2.0
// An active C_Encrypt or C_Decrypt, in one direction, of any mechanism (PKCS#11 3.2, 5.8 and 5.10).
//
// The size of the output of a part is known before the part is processed, so that a size query changes nothing. The
// size of the output of a whole message is exact, or a bound (RSA decryption, and ciphers that remove a padding).
//
// Not thread-safe; the mutex of the session guards it.
#pragma once

#include <memory>

#include "crypto/symmetric/cipher.h"
#include "pkcs11/session/lookup.h"

namespace vtpm::pkcs11 {

class Crypt {
 public:
  virtual ~Crypt() = default;

  /// The length of the output for a message of `in` bytes, at most; exactly that if `exact()`.
  virtual size_t message_bytes(size_t in) const = 0;
  virtual bool exact() const = 0;
  /// Processes the whole message, into at least `message_bytes` bytes, and returns the length of the output. `in` and
  /// `out` may overlap. Throws Refusal: CKR_DATA_LEN_RANGE, CKR_ENCRYPTED_DATA_LEN_RANGE, CKR_ENCRYPTED_DATA_INVALID …;
  /// then the operation must not be used further.
  virtual size_t message(ByteView in, MutableByteView out) = 0;

  /// Whether the mechanism accepts a message in parts; if not, the functions below must not be called.
  virtual bool takes_parts() const { return true; }
  /// The length of the output for the next part, exactly.
  virtual size_t update_bytes(size_t in) const = 0;
  /// Processes a part. `out` has `update_bytes` bytes. Throws as `message`.
  virtual void update(ByteView in, MutableByteView out) = 0;
  /// The length of the output at the end, exactly.
  virtual size_t finish_bytes() const = 0;
  /// Ends the message. `out` has `finish_bytes` bytes. Throws as `message`.
  virtual void finish(MutableByteView out) = 0;

  /// The state of the operation, without its key and parameter; nothing if the mechanism cannot save it.
  virtual std::optional<SecretBytes> save() const { return std::nullopt; }
  /// Restores a saved state in an operation that was just begun in the same way. Throws Error kInvalidArgument if the
  /// bytes cannot be its state.
  virtual void load(ByteView saved);
};

/// Throws Refusal CKR_FUNCTION_NOT_SUPPORTED if the mechanism accepts a message in one part only.
void require_parts(const Crypt& crypt);

/// Begins an operation with a key that fits the row (require_key_for). Throws Refusal: CKR_MECHANISM_PARAM_INVALID,
/// CKR_KEY_SIZE_RANGE.
std::unique_ptr<Crypt> make_crypt(const Session& session, const Mechanism& row, const CK_MECHANISM& mechanism,
                                  const Object& key, crypto::Direction direction);

}  // namespace vtpm::pkcs11
