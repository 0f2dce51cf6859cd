// SPDX-License-Identifier: Apache-2.0
// Resident keys: private keys that are created in the TPM or imported into it, stored outside as wrapped blobs, and
// loaded when they are used.
//
// The functions that take an Engine run commands on one of its devices. They must not be called inside Engine::use.
// They store nothing in the permanent state.
#pragma once

#include "crypto/key/key.h"
#include "crypto/key/software_key.h"
#include "tpm/command/key_blob.h"
#include "tpm/engine/engine.h"

namespace vtpm::tpm {

struct RsaTemplate {
  unsigned bits = 2048;       // 1024, 2048 or 3072
  uint32_t exponent = 65537;  // at least 65537
};

/// Whether the TPM can hold such an RSA key. `exponent`: big-endian; `imported`: the key was not created in the TPM,
/// which allows smaller exponents.
bool can_hold_rsa(unsigned bits, ByteView exponent, bool imported);

/// Creates a key under the storage root key (TPM2_Create: Part 3, 12.1): fixedTPM, fixedParent, noDA, sign and decrypt,
/// scheme NULL, a random auth value.
KeyBlob create_rsa(Engine& engine, const RsaTemplate& key);
KeyBlob create_ec(Engine& engine, crypto::Curve curve);
/// Imports a key (TPM2_Import: Part 3, 13.3) with the same attributes, except that fixedTPM and fixedParent are clear.
/// `rsa` must contain modulus, exponent and prime1; `scalar` is big-endian. Throws kInvalidArgument if the halves do
/// not belong together.
KeyBlob import_rsa(Engine& engine, const crypto::RsaNumbers& rsa);
KeyBlob import_ec(Engine& engine, const crypto::PublicKey& public_key, ByteView scalar);

/// Throws kUnsupported unless the key is RSA or on a supported NIST curve.
crypto::PublicKey public_key_of(const KeyBlob& blob);

/// The operations of a wrapped key, on any free device of the engine. The key may stay loaded there until this is
/// destroyed. Thread-safe. Must not be used inside Engine::use.
class ResidentKey : public crypto::PrivateKey {
 public:
  ResidentKey(std::shared_ptr<Engine> engine, KeyBlob blob);
  ~ResidentKey() override;

  SecretBytes rsa_private(ByteView block) override;
  Bytes ecdsa_sign(ByteView digest) override;
  SecretBytes ecdh(ByteView point) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vtpm::tpm
