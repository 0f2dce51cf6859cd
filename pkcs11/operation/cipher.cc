// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/operation/cipher.h"

#include <algorithm>

#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/mechanism/family_table.h"

namespace vtpm::pkcs11 {
namespace {

crypto::OaepParameters oaep_parameters(const CK_MECHANISM& mechanism, size_t size) {
  auto given = mechanism_parameter<CK_RSA_PKCS_OAEP_PARAMS>(mechanism);
  auto hash = hash_of_mechanism(given.hashAlg);
  auto mgf = hash_of_mgf(given.mgf);
  refuse_parameter_if(!hash || !mgf, "OAEP: unknown hash or mask generation function");
  // Several applications pass source 0 without data for "no label".
  refuse_parameter_if(given.source != CKZ_DATA_SPECIFIED && !(given.source == 0 && given.ulSourceDataLen == 0),
                      "OAEP: unknown source");
  refuse_if(2 * crypto::hash_bytes(*hash) + 2 > size, CKR_KEY_SIZE_RANGE, "OAEP: the key is too small for this hash");
  return {*hash, *mgf, parameter_bytes(given.pSourceData, given.ulSourceDataLen)};
}

bool below(ByteView block, ByteView modulus) {
  return std::lexicographical_compare(block.begin(), block.end(), modulus.begin(), modulus.end());
}

SecretBytes fitting(std::optional<SecretBytes> block) {
  refuse_if(!block, CKR_DATA_LEN_RANGE, "the data is too long for this mechanism and key");
  return std::move(*block);
}

SecretBytes encode_pkcs1(const crypto::OaepParameters&, ByteView message, ByteView modulus) {
  return fitting(crypto::pkcs1_encrypt_encode(message, modulus.size()));
}
SecretBytes encode_oaep(const crypto::OaepParameters& oaep, ByteView message, ByteView modulus) {
  return fitting(crypto::oaep_encode(message, modulus.size(), oaep));
}
SecretBytes encode_raw(const crypto::OaepParameters&, ByteView message, ByteView modulus) {
  refuse_if(message.size() > modulus.size(), CKR_DATA_LEN_RANGE, "the data is longer than the modulus");
  SecretBytes block(modulus.size() - message.size());
  block.append(message);
  refuse_if(!below(block, modulus), CKR_DATA_INVALID, "the data is not below the modulus");
  return block;
}

std::optional<SecretBytes> decode_pkcs1(const crypto::OaepParameters&, SecretBytes block) {
  return crypto::pkcs1_encrypt_decode(block);
}
std::optional<SecretBytes> decode_oaep(const crypto::OaepParameters& oaep, SecretBytes block) {
  return crypto::oaep_decode(block, oaep);
}
std::optional<SecretBytes> decode_raw(const crypto::OaepParameters&, SecretBytes block) { return block; }

crypto::OaepParameters no_parameter(const CK_MECHANISM&, size_t) { return {}; }

}  // namespace

/// What CipherScheme's functions do for a family.
struct CipherMaker {
  crypto::OaepParameters (*read)(const CK_MECHANISM& mechanism, size_t block_bytes) = nullptr;
  SecretBytes (*encode)(const crypto::OaepParameters& oaep, ByteView message, ByteView modulus) = nullptr;
  std::optional<SecretBytes> (*decode)(const crypto::OaepParameters& oaep, SecretBytes block) = nullptr;
};

namespace {

// The families of RSA; crypt.cc has every family that encrypts.
constexpr FamilyTable<CipherMaker> kMakers({
    {Family::kRsaPkcs, {no_parameter, encode_pkcs1, decode_pkcs1}},
    {Family::kRsaOaep, {oaep_parameters, encode_oaep, decode_oaep}},
    {Family::kRsaX509, {no_parameter, encode_raw, decode_raw}},
});
static_assert(kMakers.covers(CKF_ENCRYPT | CKF_DECRYPT, &CipherMaker::read, &Mechanism::of_pairs));
static_assert(kMakers.covers(CKF_ENCRYPT, &CipherMaker::encode, &Mechanism::of_pairs));
static_assert(kMakers.covers(CKF_DECRYPT, &CipherMaker::decode, &Mechanism::of_pairs));

}  // namespace

CipherScheme::CipherScheme(const Mechanism& row, const CK_MECHANISM& mechanism, const crypto::PublicKey& key)
    : public_(key), by_(&kMakers[row.family]) {
  refuse_if(key.bits() < row.min_size || key.bits() > row.max_size, CKR_KEY_SIZE_RANGE,
            "the key's size is outside the mechanism's range");
  oaep_ = by_->read(mechanism, block_bytes());
}

Bytes CipherScheme::encrypt(ByteView message) const {
  std::optional<Bytes> encrypted = public_.rsa_public(by_->encode(oaep_, message, public_.modulus()));
  refuse_if(!encrypted, CKR_DATA_INVALID, "the data is not below the modulus");
  return *encrypted;
}

SecretBytes CipherScheme::decrypt(crypto::PrivateKey& key, ByteView encrypted) const {
  refuse_if(encrypted.size() != block_bytes(), CKR_ENCRYPTED_DATA_LEN_RANGE,
            "the encrypted data does not have the length of the modulus");
  refuse_if(!below(encrypted, public_.modulus()), CKR_ENCRYPTED_DATA_INVALID,
            "the encrypted data is not below the modulus");
  std::optional<SecretBytes> message = by_->decode(oaep_, key.rsa_private(encrypted));
  refuse_if(!message, CKR_ENCRYPTED_DATA_INVALID, "the encrypted data or its padding is wrong");
  return std::move(*message);
}

}  // namespace vtpm::pkcs11
