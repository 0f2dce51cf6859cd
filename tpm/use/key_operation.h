// SPDX-License-Identifier: Apache-2.0
// The raw private operations, as crypto::PrivateKey has them, with a key that is loaded at a handle.
#pragma once

#include "crypto/key/key.h"
#include "tpm/command/commands.h"

namespace vtpm::tpm {

struct KeyAt {
  Commands& tpm;
  uint32_t handle;
  ByteView auth;
  const crypto::PublicKey& public_key;
};

/// Throw kInvalidArgument for a key of the other type and for input that cannot be (a block that is not below the
/// modulus, a point that is not one of the curve, a digest of more than 64 bytes, which no TPM hash has).
SecretBytes rsa_private(const KeyAt& key, ByteView block);
Bytes ecdsa_sign(const KeyAt& key, ByteView digest);
SecretBytes ecdh(const KeyAt& key, ByteView point);

}  // namespace vtpm::tpm
