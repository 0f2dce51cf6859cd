// SPDX-License-Identifier: Apache-2.0
// An active C_Sign or C_Verify of any mechanism (PKCS#11 3.2, 5.13 and 5.15). It accepts data in parts and ends with a
// signature, or with the result of a verification. The row of the mechanism determines its class.
//
// Not thread-safe; the mutex of the session guards it.
#pragma once

#include <memory>

#include "pkcs11/session/lookup.h"

namespace vtpm::pkcs11 {

class Signer {
 public:
  virtual ~Signer() = default;
  /// A copy with the same state.
  virtual std::unique_ptr<Signer> clone() const = 0;
  /// The length of the signature, in bytes.
  virtual size_t size() const = 0;
  /// Throws Refusal CKR_DATA_LEN_RANGE if the data exceed what the mechanism accepts.
  virtual void update(ByteView part) = 0;
  /// The signature. The operation has ended then. Throws Refusal: CKR_DATA_LEN_RANGE, CKR_DATA_INVALID.
  virtual Bytes finish() = 0;
  /// The state of the operation, without its key and parameter; nothing if the mechanism cannot save it.
  virtual std::optional<SecretBytes> save() const { return std::nullopt; }
  /// Restores a saved state in an operation that was just begun in the same way. Throws Error kInvalidArgument if the
  /// bytes cannot be its state.
  virtual void load(ByteView saved);
};

class Verifier {
 public:
  virtual ~Verifier() = default;
  virtual std::unique_ptr<Verifier> clone() const = 0;
  virtual size_t size() const = 0;
  /// Whether a signature may have this length, in bytes (SignatureScheme::takes_signature).
  virtual bool takes(size_t signature_bytes) const { return signature_bytes == size(); }
  virtual void update(ByteView part) = 0;
  /// Whether the signature is right. Its length is one that `takes` accepts. The operation has ended then. Throws as
  /// Signer::finish.
  virtual bool finish(ByteView signature) = 0;
  /// As Signer::save and Signer::load.
  virtual std::optional<SecretBytes> save() const { return std::nullopt; }
  virtual void load(ByteView saved);
};

/// Begins an operation with a key that fits the row (require_key_for). Throw Refusal: CKR_MECHANISM_PARAM_INVALID,
/// CKR_KEY_SIZE_RANGE.
std::unique_ptr<Signer> make_signer(const Session& session, const Mechanism& row, const CK_MECHANISM& mechanism,
                                    const Object& key);
std::unique_ptr<Verifier> make_verifier(const Session& session, const Mechanism& row, const CK_MECHANISM& mechanism,
                                        const Object& key);

}  // namespace vtpm::pkcs11
