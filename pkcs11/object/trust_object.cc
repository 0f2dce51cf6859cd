// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/object/trust_object.h"

#include "crypto/hash/digest.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/mechanism/mechanism.h"

namespace vtpm::pkcs11 {
namespace {

constexpr CK_ATTRIBUTE_TYPE kTrusts[] = {CKA_TRUST_SERVER_AUTH,      CKA_TRUST_CLIENT_AUTH, CKA_TRUST_CODE_SIGNING,
                                         CKA_TRUST_EMAIL_PROTECTION, CKA_TRUST_IPSEC_IKE,   CKA_TRUST_TIME_STAMPING,
                                         CKA_TRUST_OCSP_SIGNING};

}  // namespace

void check_trust(const Attributes& shown, CK_RV unsaid) {
  bool vouches = false;
  for (const CK_ATTRIBUTE_TYPE use : kTrusts) {
    const CK_TRUST trust = shown.number(use).value_or(CKT_TRUST_UNKNOWN);
    refuse_if(trust > CKT_TRUST_MUST_VERIFY_TRUST, CKR_ATTRIBUTE_VALUE_INVALID, "a trust attribute is out of range");
    vouches = vouches || (trust != CKT_TRUST_UNKNOWN && trust != CKT_NOT_TRUSTED);
  }
  const auto algorithm = shown.number(CKA_NAME_HASH_ALGORITHM);
  const auto hash = digest_of_mechanism(algorithm.value_or(CKM_SHA_1));
  const size_t bytes = shown.get(CKA_HASH_OF_CERTIFICATE).size();
  refuse_if(vouches && (bytes == 0 || !algorithm), unsaid,
            "trust in a certificate needs CKA_HASH_OF_CERTIFICATE and CKA_NAME_HASH_ALGORITHM");
  refuse_if(!hash || (bytes != 0 && bytes != crypto::hash_bytes(*hash)), CKR_ATTRIBUTE_VALUE_INVALID,
            "CKA_HASH_OF_CERTIFICATE is not a digest by CKA_NAME_HASH_ALGORITHM");
}

}  // namespace vtpm::pkcs11
