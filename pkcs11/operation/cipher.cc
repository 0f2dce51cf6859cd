// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/operation/cipher.h"

#include <algorithm>

#include "pkcs11/cryptoki/refusal.h"

namespace vtpm::pkcs11 {
namespace {

crypto::OaepParameters oaep_parameters(const CK_MECHANISM& mechanism, size_t size) {
  auto given = mechanism_parameter<CK_RSA_PKCS_OAEP_PARAMS>(mechanism);
  auto hash = hash_of_mechanism(given.hashAlg);
  auto mgf = hash_of_mgf(given.mgf);
  refuse_parameter_if(!hash || !mgf, "OAEP: unknown hash or mask generation function");
  // Source 0 without data is what several applications send for "no label".
  refuse_parameter_if(given.source != CKZ_DATA_SPECIFIED && !(given.source == 0 && given.ulSourceDataLen == 0),
                      "OAEP: unknown source");
  refuse_if(2 * crypto::hash_octets(*hash) + 2 > size, CKR_KEY_SIZE_RANGE, "OAEP: the key is too small for this hash");
  return {*hash, *mgf, parameter_octets(given.pSourceData, given.ulSourceDataLen)};
}

bool below(ByteView block, ByteView modulus) {
  return std::lexicographical_compare(block.begin(), block.end(), modulus.begin(), modulus.end());
}

}  // namespace

CipherScheme::CipherScheme(const Mechanism& row, const CK_MECHANISM& mechanism, const crypto::PublicKey& key)
    : row_(&row), public_(key) {
  refuse_if(key.bits() < row.min_size || key.bits() > row.max_size, CKR_KEY_SIZE_RANGE,
            "the key's size is outside the mechanism's range");
  if (row.family == Family::kRsaOaep) oaep_ = oaep_parameters(mechanism, block_octets());
}

Bytes CipherScheme::encrypt(ByteView message) const {
  std::optional<SecretBytes> block;
  switch (row_->family) {
    case Family::kRsaPkcs:
      block = crypto::pkcs1_encrypt_encode(message, block_octets());
      break;
    case Family::kRsaOaep:
      block = crypto::oaep_encode(message, block_octets(), oaep_);
      break;
    default:  // CKM_RSA_X_509
      refuse_if(message.size() > block_octets(), CKR_DATA_LEN_RANGE, "the data is longer than the modulus");
      block = SecretBytes(block_octets() - message.size());
      block->append(message);
      refuse_if(!below(*block, public_.modulus()), CKR_DATA_INVALID, "the data is not below the modulus");
  }
  refuse_if(!block, CKR_DATA_LEN_RANGE, "the data is too long for this mechanism and key");
  std::optional<Bytes> encrypted = public_.rsa_public(*block);
  refuse_if(!encrypted, CKR_DATA_INVALID, "the data is not below the modulus");
  return *encrypted;
}

SecretBytes CipherScheme::decrypt(crypto::PrivateKey& key, ByteView encrypted) const {
  refuse_if(encrypted.size() != block_octets(), CKR_ENCRYPTED_DATA_LEN_RANGE,
            "the encrypted data is not as long as the modulus");
  refuse_if(!below(encrypted, public_.modulus()), CKR_ENCRYPTED_DATA_INVALID,
            "the encrypted data is not below the modulus");
  SecretBytes block = key.rsa_private(encrypted);
  std::optional<SecretBytes> message;
  switch (row_->family) {
    case Family::kRsaPkcs:
      message = crypto::pkcs1_encrypt_decode(block);
      break;
    case Family::kRsaOaep:
      message = crypto::oaep_decode(block, oaep_);
      break;
    default:
      return block;
  }
  refuse_if(!message, CKR_ENCRYPTED_DATA_INVALID, "the encrypted data does not decrypt");
  return std::move(*message);
}

}  // namespace vtpm::pkcs11
