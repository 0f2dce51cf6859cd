// SPDX-License-Identifier: Apache-2.0
// Derivation by key agreement (PKCS#11 3.2, 6.3 ECDH, 6.4 Diffie-Hellman).
#include "crypto/kdf/agreement_kdf.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/keys/derive/derive.h"
#include "pkcs11/object/key_kind.h"

namespace vtpm::pkcs11 {
namespace {

using crypto::Hash;

using Kdf = SecretBytes (*)(Hash, ByteView secret, ByteView shared_data, size_t size);

struct KdfRow {
  CK_ULONG number;
  Kdf kdf;
  Hash hash;
};
// The functions with BLAKE2b are those of SP 800-56A, despite their names (PKCS#11 3.2, 6.3, "CK_EC_KDF_TYPE").
constexpr KdfRow kKdfs[] = {
    {CKD_SHA1_KDF, crypto::x963_kdf, Hash::kSha1},
    {CKD_SHA224_KDF, crypto::x963_kdf, Hash::kSha224},
    {CKD_SHA256_KDF, crypto::x963_kdf, Hash::kSha256},
    {CKD_SHA384_KDF, crypto::x963_kdf, Hash::kSha384},
    {CKD_SHA512_KDF, crypto::x963_kdf, Hash::kSha512},
    {CKD_SHA3_224_KDF, crypto::x963_kdf, Hash::kSha3_224},
    {CKD_SHA3_256_KDF, crypto::x963_kdf, Hash::kSha3_256},
    {CKD_SHA3_384_KDF, crypto::x963_kdf, Hash::kSha3_384},
    {CKD_SHA3_512_KDF, crypto::x963_kdf, Hash::kSha3_512},
    {CKD_BLAKE2B_160_KDF, crypto::concat_kdf, Hash::kBlake2b160},
    {CKD_BLAKE2B_256_KDF, crypto::concat_kdf, Hash::kBlake2b256},
    {CKD_BLAKE2B_384_KDF, crypto::concat_kdf, Hash::kBlake2b384},
    {CKD_BLAKE2B_512_KDF, crypto::concat_kdf, Hash::kBlake2b512},
    {CKD_SHA1_KDF_SP800, crypto::concat_kdf, Hash::kSha1},
    {CKD_SHA224_KDF_SP800, crypto::concat_kdf, Hash::kSha224},
    {CKD_SHA256_KDF_SP800, crypto::concat_kdf, Hash::kSha256},
    {CKD_SHA384_KDF_SP800, crypto::concat_kdf, Hash::kSha384},
    {CKD_SHA512_KDF_SP800, crypto::concat_kdf, Hash::kSha512},
    {CKD_SHA3_224_KDF_SP800, crypto::concat_kdf, Hash::kSha3_224},
    {CKD_SHA3_256_KDF_SP800, crypto::concat_kdf, Hash::kSha3_256},
    {CKD_SHA3_384_KDF_SP800, crypto::concat_kdf, Hash::kSha3_384},
    {CKD_SHA3_512_KDF_SP800, crypto::concat_kdf, Hash::kSha3_512},
};

/// Runs an agreement. An invalid value of the peer returns CKR_MECHANISM_PARAM_INVALID, because it is part of the
/// parameter.
template <typename F>
auto agree(F&& operation) {
  return refusing_invalid(CKR_MECHANISM_PARAM_INVALID, std::forward<F>(operation));
}

}  // namespace

Derivable apply_kdf(CK_ULONG kdf, ByteView shared_data, SecretBytes secret) {
  if (kdf == CKD_NULL) {
    refuse_parameter_if(!shared_data.empty(), "CKD_NULL must not have shared data");
    return end_of(std::move(secret));
  }
  for (const KdfRow& row : kKdfs) {
    if (row.number != kdf) continue;
    auto held = std::make_shared<std::pair<SecretBytes, Bytes>>(std::move(secret), to_bytes(shared_data));
    Derivable result;
    result.natural = crypto::hash_bytes(row.hash);
    result.bytes = [held, &row](size_t size) { return row.kdf(row.hash, held->first, held->second, size); };
    return result;
  }
  refuse(CKR_MECHANISM_PARAM_INVALID, "the key derivation function is not supported");
}

Derivable derive_agreement(const DeriveCall& call) {
  const size_t bits = public_key_of(call.base)->bits();
  refuse_if(bits < call.row.min_size || bits > call.row.max_size, CKR_KEY_SIZE_RANGE,
            "the key's size is outside the mechanism's range");
  const std::shared_ptr<crypto::PrivateKey> key = call.session.token->catalogue().private_key(call.base);
  if (public_key_of(call.base)->type() == crypto::KeyType::kDh) {
    refuse_parameter_if(!call.mechanism.pParameter, "the peer's public value is missing");
    const Bytes value = parameter_bytes(call.mechanism.pParameter, call.mechanism.ulParameterLen);
    return end_of(agree([&] { return key->dh(value); }));
  }
  const auto given = mechanism_parameter<CK_ECDH1_DERIVE_PARAMS>(call.mechanism);
  const Bytes shared_data = parameter_bytes(given.pSharedData, given.ulSharedDataLen);
  const Bytes sent = parameter_bytes(given.pPublicData, given.ulPublicDataLen);
  const crypto::Curve curve = public_key_of(call.base)->curve();
  const std::optional<Bytes> point = agree([&] { return read_peer_point(sent, curve); });
  refuse_parameter_if(!point, "the peer's public data does not have the length of a point of the curve");
  // The cofactor of every curve here is 1, or part of the definition of X25519 and X448. Therefore both mechanisms
  // agree on the same secret.
  return apply_kdf(given.kdf, shared_data, agree([&] { return key->ecdh(*point); }));
}

}  // namespace vtpm::pkcs11
