// SPDX-License-Identifier: Apache-2.0
// The raw private operations of crypto::PrivateKey with a key at a TPM handle.
#pragma once

#include "crypto/key/key.h"
#include "tpm/command/commands.h"

namespace vtpm::tpm {

/// A key that is loaded or persistent. Everything must outlive the call.
struct KeyAt {
  Commands& tpm;
  uint32_t handle;
  ByteView auth;
  const crypto::PublicKey& public_key;
};

/// As the functions of crypto::PrivateKey (crypto/key/key.h). They throw kInvalidArgument for a key of the wrong type,
/// a block that is not below the modulus, a point that is not on the curve, and a digest of more than 64 bytes, which
/// is the TPM's largest hash.
SecretBytes rsa_private(const KeyAt& key, ByteView block);
Bytes ecdsa_sign(const KeyAt& key, ByteView digest);
SecretBytes ecdh(const KeyAt& key, ByteView point);

}  // namespace vtpm::tpm
