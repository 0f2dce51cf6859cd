// SPDX-License-Identifier: Apache-2.0
// Private keys that live in the TPM: made or imported there, kept outside as wrapped blobs, loaded when used.
#pragma once

#include "crypto/key/key.h"
#include "crypto/key/software_key.h"
#include "tpm/command/key_blob.h"
#include "tpm/engine/engine.h"

namespace vtpm::tpm {

struct RsaTemplate {
  unsigned bits = 2048;       // 1024, 2048, 3072
  uint32_t exponent = 65537;  // >= 65537
};

/// What the TPM can honour, so that a caller can decide before it tries.
bool can_hold_rsa(unsigned bits, ByteView exponent, bool imported);

/// Creates a key under the storage root key: fixedTPM, fixedParent, noDA, sign and decrypt, scheme NULL, random auth.
KeyBlob create_rsa(Engine& engine, const RsaTemplate& key);
KeyBlob create_ec(Engine& engine, crypto::Curve curve);
/// TPM2_Import: fixedTPM and fixedParent are clear. `rsa` needs modulus, exponent and prime1.
KeyBlob import_rsa(Engine& engine, const crypto::RsaNumbers& rsa);
KeyBlob import_ec(Engine& engine, const crypto::PublicKey& public_key, ByteView scalar);

crypto::PublicKey public_key_of(const KeyBlob& blob);

/// The operations of a wrapped key, on whichever instance of the engine is free. Hot keys stay loaded, as long as this
/// lives.
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
