#include "pkcs11/mechanism.h"

#include <cstring>

#include "pkcs11/refusal.h"

namespace vtpm::pkcs11 {
namespace {

using crypto::Hash;
using F = Family;

constexpr CK_FLAGS kSignVerify = CKF_HW | CKF_SIGN | CKF_VERIFY;
constexpr CK_FLAGS kCrypt = CKF_HW | CKF_ENCRYPT | CKF_DECRYPT;
constexpr CK_FLAGS kCurves = CKF_EC_F_P | CKF_EC_NAMEDCURVE | CKF_EC_UNCOMPRESS;

#define M(type) type, #type
constexpr Mechanism kTable[] = {
    {M(CKM_RSA_PKCS_KEY_PAIR_GEN), F::kRsaKeyPair, {}, 1024, 8192, CKF_HW | CKF_GENERATE_KEY_PAIR},
    {M(CKM_EC_KEY_PAIR_GEN), F::kEcKeyPair, {}, 256, 521, CKF_HW | CKF_GENERATE_KEY_PAIR | kCurves},

    {M(CKM_RSA_PKCS), F::kRsaPkcs, {}, 1024, 8192, kSignVerify | kCrypt},
    {M(CKM_SHA1_RSA_PKCS), F::kRsaPkcs, Hash::kSha1, 1024, 8192, kSignVerify},
    {M(CKM_SHA224_RSA_PKCS), F::kRsaPkcs, Hash::kSha224, 1024, 8192, kSignVerify},
    {M(CKM_SHA256_RSA_PKCS), F::kRsaPkcs, Hash::kSha256, 1024, 8192, kSignVerify},
    {M(CKM_SHA384_RSA_PKCS), F::kRsaPkcs, Hash::kSha384, 1024, 8192, kSignVerify},
    {M(CKM_SHA512_RSA_PKCS), F::kRsaPkcs, Hash::kSha512, 1024, 8192, kSignVerify},
    {M(CKM_RSA_X_509), F::kRsaX509, {}, 1024, 8192, kSignVerify | kCrypt},
    {M(CKM_RSA_PKCS_OAEP), F::kRsaOaep, {}, 1024, 8192, kCrypt},
    {M(CKM_RSA_PKCS_PSS), F::kRsaPss, {}, 1024, 8192, kSignVerify},
    {M(CKM_SHA1_RSA_PKCS_PSS), F::kRsaPss, Hash::kSha1, 1024, 8192, kSignVerify},
    {M(CKM_SHA224_RSA_PKCS_PSS), F::kRsaPss, Hash::kSha224, 1024, 8192, kSignVerify},
    {M(CKM_SHA256_RSA_PKCS_PSS), F::kRsaPss, Hash::kSha256, 1024, 8192, kSignVerify},
    {M(CKM_SHA384_RSA_PKCS_PSS), F::kRsaPss, Hash::kSha384, 1024, 8192, kSignVerify},
    {M(CKM_SHA512_RSA_PKCS_PSS), F::kRsaPss, Hash::kSha512, 1024, 8192, kSignVerify},

    {M(CKM_ECDSA), F::kEcdsa, {}, 256, 521, kSignVerify | kCurves},
    {M(CKM_ECDSA_SHA1), F::kEcdsa, Hash::kSha1, 256, 521, kSignVerify | kCurves},
    {M(CKM_ECDSA_SHA224), F::kEcdsa, Hash::kSha224, 256, 521, kSignVerify | kCurves},
    {M(CKM_ECDSA_SHA256), F::kEcdsa, Hash::kSha256, 256, 521, kSignVerify | kCurves},
    {M(CKM_ECDSA_SHA384), F::kEcdsa, Hash::kSha384, 256, 521, kSignVerify | kCurves},
    {M(CKM_ECDSA_SHA512), F::kEcdsa, Hash::kSha512, 256, 521, kSignVerify | kCurves},

    {M(CKM_SHA_1), F::kDigest, Hash::kSha1, 0, 0, CKF_DIGEST},
    {M(CKM_SHA224), F::kDigest, Hash::kSha224, 0, 0, CKF_DIGEST},
    {M(CKM_SHA256), F::kDigest, Hash::kSha256, 0, 0, CKF_DIGEST},
    {M(CKM_SHA384), F::kDigest, Hash::kSha384, 0, 0, CKF_DIGEST},
    {M(CKM_SHA512), F::kDigest, Hash::kSha512, 0, 0, CKF_DIGEST},
};
#undef M

}  // namespace

std::span<const Mechanism> mechanisms() { return kTable; }

const Mechanism* find_mechanism(CK_MECHANISM_TYPE type) {
  for (const Mechanism& row : kTable) {
    if (row.type == type) return &row;
  }
  return nullptr;
}

const Mechanism& require_mechanism(const CK_MECHANISM* mechanism, CK_FLAGS use) {
  refuse_if(!mechanism, CKR_ARGUMENTS_BAD, "the mechanism is a null pointer");
  const Mechanism* row = find_mechanism(mechanism->mechanism);
  if (!row || !(row->flags & use)) {
    refuse(CKR_MECHANISM_INVALID, row ? std::string(row->name) + " does not offer this operation"
                                      : "mechanism " + std::to_string(mechanism->mechanism) + " is not known here");
  }
  refuse_if(!mechanism->pParameter && mechanism->ulParameterLen, CKR_MECHANISM_PARAM_INVALID,
            "the mechanism's parameter has a length but a null pointer");
  return *row;
}

void require_no_parameter(const CK_MECHANISM& mechanism) {
  // A pointer without a length is harmless, and some applications pass one.
  refuse_if(mechanism.ulParameterLen != 0, CKR_MECHANISM_PARAM_INVALID, "this mechanism takes no parameter");
}

template <typename T>
T mechanism_parameter(const CK_MECHANISM& mechanism) {
  refuse_if(!mechanism.pParameter || mechanism.ulParameterLen != sizeof(T), CKR_MECHANISM_PARAM_INVALID,
            "the mechanism's parameter is missing or has a wrong size");
  T parameter;
  std::memcpy(&parameter, mechanism.pParameter, sizeof parameter);
  return parameter;
}
template CK_RSA_PKCS_PSS_PARAMS mechanism_parameter(const CK_MECHANISM&);
template CK_RSA_PKCS_OAEP_PARAMS mechanism_parameter(const CK_MECHANISM&);

std::optional<Hash> hash_of_mechanism(CK_MECHANISM_TYPE type) {
  const Mechanism* row = find_mechanism(type);
  return row && row->family == Family::kDigest ? row->hash : std::nullopt;
}

std::optional<Hash> hash_of_mgf(CK_ULONG mgf) {
  switch (mgf) {
    case CKG_MGF1_SHA1:
      return Hash::kSha1;
    case CKG_MGF1_SHA224:
      return Hash::kSha224;
    case CKG_MGF1_SHA256:
      return Hash::kSha256;
    case CKG_MGF1_SHA384:
      return Hash::kSha384;
    case CKG_MGF1_SHA512:
      return Hash::kSha512;
    default:
      return std::nullopt;
  }
}

}  // namespace vtpm::pkcs11
