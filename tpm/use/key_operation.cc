// SPDX-License-Identifier: Apache-2.0
#include "tpm/use/key_operation.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace vtpm::tpm {

namespace {

void require(const KeyAt& key, crypto::KeyType type) {
  if (key.public_key.type() != type)
    throw Error(ErrorCode::kInvalidArgument, "the operation does not fit the type of the key");
}

}  // namespace

SecretBytes rsa_private(const KeyAt& key, ByteView block) {
  require(key, crypto::KeyType::kRsa);
  const Bytes& modulus = key.public_key.modulus();
  // libtpms returns TPM_RC_FAILURE for a block that is too large, which would cost a TPM2_GetTestResult.
  if (block.size() != modulus.size() ||
      !std::lexicographical_compare(block.begin(), block.end(), modulus.begin(), modulus.end()))
    throw Error(ErrorCode::kInvalidArgument, "the block is not below the RSA modulus");
  return key.tpm.rsa_decrypt(key.handle, key.auth, block);
}

Bytes ecdsa_sign(const KeyAt& key, ByteView digest) {
  require(key, crypto::KeyType::kEc);
  // FIPS 186-4, 6.4: the leftmost bits count, as many as the order has. Leading zeros then fill the digest up to the
  // size of a hash that the TPM knows, which does not change the number. The order of P-521 has 521 bits, so byte 66
  // would be cut within; the TPM's largest hash has 64 bytes, which excludes these digests anyway.
  const size_t bytes = crypto::curve_bytes(key.public_key.curve());
  const ByteView leftmost = digest.first(std::min(digest.size(), bytes));
  constexpr std::array<size_t, 4> kHashBytes = {20, 32, 48, 64};
  const auto size = std::lower_bound(kHashBytes.begin(), kHashBytes.end(), leftmost.size());
  if (size == kHashBytes.end())
    throw Error(ErrorCode::kInvalidArgument, "the digest has more than 64 bytes, which the TPM cannot sign");
  Bytes message(*size - leftmost.size(), 0);
  append(message, leftmost);
  return key.tpm.sign_ecdsa(key.handle, key.auth, message, bytes);
}

SecretBytes ecdh(const KeyAt& key, ByteView point) {
  require(key, crypto::KeyType::kEc);
  const size_t bytes = crypto::curve_bytes(key.public_key.curve());
  if (point.size() != 1 + 2 * bytes || point[0] != 0x04)
    throw Error(ErrorCode::kInvalidArgument, "the peer's point is not an uncompressed point of the key's curve");
  return key.tpm.ecdh_zgen(key.handle, key.auth, point.subspan(1, bytes), point.subspan(1 + bytes), bytes);
}

}  // namespace vtpm::tpm
