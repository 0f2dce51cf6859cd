// SPDX-License-Identifier: Apache-2.0
// A running C_Sign or C_Verify, whatever the mechanism: it takes data in parts and ends with a signature, or with an
// opinion about one. Which class does it follows from the mechanism's row.
#pragma once

#include <memory>

#include "pkcs11/session/lookup.h"

namespace vtpm::pkcs11 {

class Signer {
 public:
  virtual ~Signer() = default;
  /// The same, as far as it has come.
  virtual std::unique_ptr<Signer> clone() const = 0;
  /// Of the signature, exactly.
  virtual size_t size() const = 0;
  /// Throws Refusal CKR_DATA_LEN_RANGE beyond what the mechanism takes.
  virtual void update(ByteView part) = 0;
  /// Throws Refusal: CKR_DATA_LEN_RANGE, CKR_DATA_INVALID.
  virtual Bytes finish() = 0;
  /// What it has seen so far, without key and parameter; nothing where that cannot be had.
  virtual std::optional<SecretBytes> save() const { return std::nullopt; }
  /// What `save` gave, into one that was just begun in the same way. Throws Error kInvalidArgument for what no state of
  /// it can be.
  virtual void load(ByteView saved);
};

class Verifier {
 public:
  virtual ~Verifier() = default;
  virtual std::unique_ptr<Verifier> clone() const = 0;
  virtual size_t size() const = 0;
  /// Whether a signature may have that length: `size()`; of ECDSA less, too.
  virtual bool takes(size_t signature_bytes) const { return signature_bytes == size(); }
  virtual void update(ByteView part) = 0;
  /// `signature` is one that it takes. Throws as Signer::finish.
  virtual bool finish(ByteView signature) = 0;
  /// As of a Signer.
  virtual std::optional<SecretBytes> save() const { return std::nullopt; }
  virtual void load(ByteView saved);
};

/// For a key that fits the row (require_key_for). Throw Refusal: CKR_MECHANISM_PARAM_INVALID, CKR_KEY_SIZE_RANGE.
std::unique_ptr<Signer> make_signer(const Session& session, const Mechanism& row, const CK_MECHANISM& mechanism,
                                    const Object& key);
std::unique_ptr<Verifier> make_verifier(const Session& session, const Mechanism& row, const CK_MECHANISM& mechanism,
                                        const Object& key);

}  // namespace vtpm::pkcs11
