// SPDX-License-Identifier: Apache-2.0
// The two tables of attributes: kAttributes describes each attribute, and the rules of a class say which objects have
// it. kSchemas combines the rules for each class and type.
//
// A new attribute is one row in kAttributes and one row among the rules of each class that has it.
#include "pkcs11/object/attribute_tables.h"

#include <iterator>

namespace vtpm::pkcs11 {
namespace {

using D = Default;

// --- what each attribute is ---

#define ROW(type, form) \
  { type, #type, Form::form }
constexpr AttributeRow kAttributes[] = {
    ROW(CKA_CLASS, kUlong),
    ROW(CKA_TOKEN, kBool),
    ROW(CKA_PRIVATE, kBool),
    ROW(CKA_LABEL, kBytes),
    ROW(CKA_UNIQUE_ID, kBytes),
    ROW(CKA_APPLICATION, kBytes),
    ROW(CKA_VALUE, kBytes),
    ROW(CKA_OBJECT_ID, kBytes),
    ROW(CKA_CERTIFICATE_TYPE, kUlong),
    ROW(CKA_ISSUER, kBytes),
    ROW(CKA_SERIAL_NUMBER, kBytes),
    ROW(CKA_OWNER, kBytes),
    ROW(CKA_AC_ISSUER, kBytes),
    ROW(CKA_ATTR_TYPES, kBytes),
    ROW(CKA_TRUSTED, kBool),
    ROW(CKA_CERTIFICATE_CATEGORY, kUlong),
    ROW(CKA_JAVA_MIDP_SECURITY_DOMAIN, kUlong),
    ROW(CKA_URL, kBytes),
    ROW(CKA_HASH_OF_SUBJECT_PUBLIC_KEY, kBytes),
    ROW(CKA_HASH_OF_ISSUER_PUBLIC_KEY, kBytes),
    ROW(CKA_NAME_HASH_ALGORITHM, kUlong),
    ROW(CKA_CHECK_VALUE, kBytes),
    ROW(CKA_KEY_TYPE, kUlong),
    ROW(CKA_SUBJECT, kBytes),
    ROW(CKA_ID, kBytes),
    ROW(CKA_SENSITIVE, kBool),
    ROW(CKA_ENCRYPT, kBool),
    ROW(CKA_DECRYPT, kBool),
    ROW(CKA_WRAP, kBool),
    ROW(CKA_UNWRAP, kBool),
    ROW(CKA_SIGN, kBool),
    ROW(CKA_SIGN_RECOVER, kBool),
    ROW(CKA_VERIFY, kBool),
    ROW(CKA_VERIFY_RECOVER, kBool),
    ROW(CKA_DERIVE, kBool),
    ROW(CKA_ENCAPSULATE, kBool),
    ROW(CKA_DECAPSULATE, kBool),
    ROW(CKA_START_DATE, kDate),
    ROW(CKA_END_DATE, kDate),
    ROW(CKA_MODULUS, kBytes),
    ROW(CKA_MODULUS_BITS, kUlong),
    ROW(CKA_PUBLIC_EXPONENT, kBytes),
    ROW(CKA_PRIVATE_EXPONENT, kBytes),
    ROW(CKA_PRIME_1, kBytes),
    ROW(CKA_PRIME_2, kBytes),
    ROW(CKA_EXPONENT_1, kBytes),
    ROW(CKA_EXPONENT_2, kBytes),
    ROW(CKA_COEFFICIENT, kBytes),
    ROW(CKA_PUBLIC_KEY_INFO, kBytes),
    ROW(CKA_VALUE_LEN, kUlong),
    ROW(CKA_EXTRACTABLE, kBool),
    ROW(CKA_LOCAL, kBool),
    ROW(CKA_NEVER_EXTRACTABLE, kBool),
    ROW(CKA_ALWAYS_SENSITIVE, kBool),
    ROW(CKA_KEY_GEN_MECHANISM, kUlong),
    ROW(CKA_MODIFIABLE, kBool),
    ROW(CKA_COPYABLE, kBool),
    ROW(CKA_DESTROYABLE, kBool),
    ROW(CKA_EC_PARAMS, kBytes),
    ROW(CKA_EC_POINT, kBytes),
    ROW(CKA_ALWAYS_AUTHENTICATE, kBool),
    ROW(CKA_WRAP_WITH_TRUSTED, kBool),
    ROW(CKA_ALLOWED_MECHANISMS, kUlongArray),
    ROW(CKA_WRAP_TEMPLATE, kTemplate),
    ROW(CKA_UNWRAP_TEMPLATE, kTemplate),
    ROW(CKA_DERIVE_TEMPLATE, kTemplate),
    ROW(CKA_ENCAPSULATE_TEMPLATE, kTemplate),
    ROW(CKA_DECAPSULATE_TEMPLATE, kTemplate),
    ROW(CKA_PRIME, kBytes),
    ROW(CKA_SUBPRIME, kBytes),
    ROW(CKA_BASE, kBytes),
    ROW(CKA_PRIME_BITS, kUlong),
    ROW(CKA_SUB_PRIME_BITS, kUlong),
    ROW(CKA_VALUE_BITS, kUlong),
    ROW(CKA_VTPM_RESIDENT, kBool),
    ROW(CKA_VTPM_NV_INDEX, kUlong),
    ROW(CKA_VTPM_BOUND, kBool),
    ROW(CKA_VTPM_NV_VALUE, kBytes),
    ROW(CKA_VTPM_NV_ATTRIBUTES, kUlong),
    ROW(CKA_VTPM_NV_TYPE, kUlong),
    ROW(CKA_VTPM_AUTH, kBytes),
    ROW(CKA_VTPM_HANDLE, kUlong),
    ROW(CKA_VTPM_PUBLIC, kBytes),
    ROW(CKA_VTPM_CERTIFY_INFO, kBytes),
    ROW(CKA_VTPM_CERTIFY_SIGNATURE, kBytes),
    ROW(CKA_VTPM_CREATION_INFO, kBytes),
    ROW(CKA_VTPM_CREATION_SIGNATURE, kBytes),
    ROW(CKA_VTPM_CREATION_DATA, kBytes),
    ROW(CKA_VTPM_ATTESTATION_PUBLIC, kBytes),
    ROW(CKA_VTPM_ATTESTATION_CERTIFICATE, kBytes),
    ROW(CKA_VTPM_ENDORSEMENT_CERTIFICATE, kBytes),
    ROW(CKA_HW_FEATURE_TYPE, kUlong),
    ROW(CKA_RESET_ON_INIT, kBool),
    ROW(CKA_HAS_RESET, kBool),
    ROW(CKA_MECHANISM_TYPE, kUlong),
    ROW(CKA_PROFILE_ID, kUlong),
    ROW(CKA_OBJECT_VALIDATION_FLAGS, kUlong),
    ROW(CKA_VALIDATION_TYPE, kUlong),
    ROW(CKA_VALIDATION_VERSION, kBytes),
    ROW(CKA_VALIDATION_LEVEL, kUlong),
    ROW(CKA_VALIDATION_MODULE_ID, kBytes),
    ROW(CKA_VALIDATION_FLAG, kUlong),
    ROW(CKA_VALIDATION_AUTHORITY_TYPE, kUlong),
    ROW(CKA_VALIDATION_COUNTRY, kBytes),
    ROW(CKA_VALIDATION_CERTIFICATE_IDENTIFIER, kBytes),
    ROW(CKA_VALIDATION_CERTIFICATE_URI, kBytes),
    ROW(CKA_VALIDATION_VENDOR_URI, kBytes),
    ROW(CKA_VALIDATION_PROFILE, kBytes),
    ROW(CKA_TRUST_SERVER_AUTH, kUlong),
    ROW(CKA_TRUST_CLIENT_AUTH, kUlong),
    ROW(CKA_TRUST_CODE_SIGNING, kUlong),
    ROW(CKA_TRUST_EMAIL_PROTECTION, kUlong),
    ROW(CKA_TRUST_IPSEC_IKE, kUlong),
    ROW(CKA_TRUST_TIME_STAMPING, kUlong),
    ROW(CKA_TRUST_OCSP_SIGNING, kUlong),
    ROW(CKA_HASH_OF_CERTIFICATE, kBytes),
    ROW(kFieldSlotNumber, kUlong),
};
#undef ROW

/// Attributes of PKCS#11 3.2 (annex of definitions) that no object of this token has.
constexpr AttributeRange kElsewhere[] = {{CKA_OTP_FORMAT, CKA_OTP_PIN_REQUIREMENT},
                                         {CKA_OTP_USER_IDENTIFIER, CKA_OTP_TIME},
                                         {CKA_GOSTR3410_PARAMS, CKA_GOST28147_PARAMS},
                                         {CKA_PIXEL_X, CKA_BITS_PER_PIXEL},
                                         {CKA_CHAR_SETS, CKA_MIME_TYPES},
                                         {CKA_REQUIRED_CMS_ATTRIBUTES, CKA_SUPPORTED_CMS_ATTRIBUTES},
                                         {0x602, 0x612},   // CKA_X2RATCHET_…
                                         {0x617, 0x61d},   // CKA_HSS_LEVELS … CKA_PARAMETER_SET
                                         {0x636, 0x637}};  // CKA_PUBLIC_CRC64_VALUE, CKA_SEED

// --- which objects have it ---

constexpr Rule kStorage[] = {
    {CKA_CLASS, kNeedCreate, D::kNone},
    {CKA_TOKEN, kCopyChange, D::kFalse},
    {CKA_MODIFIABLE, kCopyChange, D::kTrue},
    {CKA_COPYABLE, kModify | kOnlyDown, D::kTrue},
    {CKA_DESTROYABLE, kCopyChange, D::kTrue},
    {CKA_LABEL, kModify, D::kEmpty},
    {CKA_UNIQUE_ID, kNotCreate | kNotGenerate, D::kNone},
    {CKA_VTPM_BOUND, kNotCreate | kNotGenerate, D::kNone},
};
// Only CKA_PRIVATE differs by class: objects that are secret by nature are private unless the template says otherwise.
constexpr Rule kPublicByDefault[] = {{CKA_PRIVATE, kCopyChange, D::kFalse}};
constexpr Rule kPrivateByDefault[] = {{CKA_PRIVATE, kCopyChange, D::kPrivate}};

constexpr Rule kData[] = {
    {CKA_APPLICATION, kModify, D::kEmpty},     {CKA_OBJECT_ID, kModify, D::kEmpty},
    {CKA_VALUE, kModify, D::kEmpty},           {CKA_VTPM_NV_INDEX, kOptional, D::kNone},
    {CKA_VTPM_NV_TYPE, kOptional, D::kNone},   {CKA_VTPM_NV_ATTRIBUTES, kOptional, D::kNone},
    {CKA_VTPM_NV_VALUE, kNotCreate, D::kNone}, {CKA_VTPM_AUTH, kSecret | kModify | kOptional, D::kNone},
};

// Monotonic counters (PKCS#11 3.2, 4.5.2) are NV indices: they are always token objects, and always private, because
// the TPM's state is sealed.
constexpr Rule kMonotonicCounter[] = {
    {CKA_CLASS, kNeedCreate, D::kNone},
    {CKA_HW_FEATURE_TYPE, kNeedCreate, D::kNone},
    {CKA_TOKEN, 0, D::kTrue},
    {CKA_PRIVATE, 0, D::kTrue},
    {CKA_MODIFIABLE, 0, D::kTrue},
    {CKA_COPYABLE, 0, D::kFalse},
    {CKA_DESTROYABLE, 0, D::kTrue},
    {CKA_LABEL, kModify, D::kEmpty},
    {CKA_UNIQUE_ID, kNotCreate, D::kNone},
    {CKA_VTPM_BOUND, kNotCreate, D::kNone},
    {CKA_RESET_ON_INIT, kNotCreate, D::kFalse},
    {CKA_HAS_RESET, kNotCreate, D::kFalse},
    {CKA_VALUE, kNotCreate, D::kNone},
    {CKA_VTPM_NV_INDEX, kOptional, D::kNone},
    {CKA_VTPM_NV_TYPE, kNotCreate, D::kNone},
    {CKA_VTPM_NV_ATTRIBUTES, kOptional, D::kNone},
    {CKA_VTPM_NV_VALUE, kNotCreate, D::kNone},
    {CKA_VTPM_AUTH, kSecret | kModify | kOptional, D::kNone},
};

constexpr Rule kCertificate[] = {
    {CKA_CERTIFICATE_TYPE, kNeedCreate, D::kNone},
    {CKA_TRUSTED, kModify | kSoOnly, D::kFalse},
    {CKA_CERTIFICATE_CATEGORY, 0, D::kZero},
    {CKA_CHECK_VALUE, kOptional, D::kNone},
    {CKA_START_DATE, 0, D::kEmpty},
    {CKA_END_DATE, 0, D::kEmpty},
    {CKA_PUBLIC_KEY_INFO, 0, D::kEmpty},
};
constexpr Rule kX509[] = {
    {CKA_SUBJECT, kNeedCreate, D::kNone},
    {CKA_ID, kModify, D::kNone},  // the default is derived from the key
    {CKA_ISSUER, kModify, D::kEmpty},
    {CKA_SERIAL_NUMBER, kModify, D::kEmpty},
    {CKA_VALUE, kNeedCreate, D::kEmpty},
    {CKA_URL, 0, D::kEmpty},
    {CKA_HASH_OF_SUBJECT_PUBLIC_KEY, 0, D::kEmpty},
    {CKA_HASH_OF_ISSUER_PUBLIC_KEY, 0, D::kEmpty},
    {CKA_JAVA_MIDP_SECURITY_DOMAIN, 0, D::kZero},
    {CKA_NAME_HASH_ALGORITHM, kOptional, D::kNone},
};
constexpr Rule kAttributeCertificate[] = {
    {CKA_OWNER, kNeedCreate, D::kNone},   {CKA_AC_ISSUER, kModify, D::kEmpty}, {CKA_SERIAL_NUMBER, kModify, D::kEmpty},
    {CKA_ATTR_TYPES, kModify, D::kEmpty}, {CKA_VALUE, kNeedCreate, D::kNone},
};

// Trust in the uses of a certificate (PKCS#11 3.2, 4.7).
constexpr Rule kTrust[] = {
    {CKA_ISSUER, kNeedCreate, D::kNone},         {CKA_SERIAL_NUMBER, kNeedCreate, D::kNone},
    {CKA_HASH_OF_CERTIFICATE, 0, D::kEmpty},     {CKA_NAME_HASH_ALGORITHM, kOptional, D::kNone},
    {CKA_TRUST_SERVER_AUTH, kModify, D::kZero},  {CKA_TRUST_CLIENT_AUTH, kModify, D::kZero},
    {CKA_TRUST_CODE_SIGNING, kModify, D::kZero}, {CKA_TRUST_EMAIL_PROTECTION, kModify, D::kZero},
    {CKA_TRUST_IPSEC_IKE, kModify, D::kZero},    {CKA_TRUST_TIME_STAMPING, kModify, D::kZero},
    {CKA_TRUST_OCSP_SIGNING, kModify, D::kZero},
};

constexpr Rule kKey[] = {
    {CKA_KEY_TYPE, kNeedCreate, D::kNone},
    {CKA_ID, kModify, D::kNone},  // the default is derived from the key
    {CKA_START_DATE, kModify, D::kEmpty},
    {CKA_END_DATE, kModify, D::kEmpty},
    {CKA_LOCAL, kNotCreate | kNotGenerate, D::kNone},
    {CKA_KEY_GEN_MECHANISM, kNotCreate | kNotGenerate, D::kNone},
    {CKA_ALLOWED_MECHANISMS, kOptional, D::kNone},
    {CKA_OBJECT_VALIDATION_FLAGS, kNotGenerate, D::kNone},  // always 0
};
constexpr Rule kPublicKey[] = {
    {CKA_SUBJECT, kModify, D::kEmpty},
    {CKA_PUBLIC_KEY_INFO, 0, D::kNone},
    {CKA_ENCRYPT, kModify, D::kNone},
    {CKA_VERIFY, kModify, D::kNone},
    {CKA_VERIFY_RECOVER, kModify, D::kNone},
    {CKA_WRAP, kModify, D::kNone},
    {CKA_DERIVE, kModify, D::kNone},
    {CKA_TRUSTED, kModify | kSoOnly, D::kFalse},
    {CKA_WRAP_TEMPLATE, kOptional, D::kNone},
    {CKA_ENCAPSULATE, kModify, D::kFalse},
    {CKA_ENCAPSULATE_TEMPLATE, kOptional, D::kNone},
};
constexpr Rule kPrivateKey[] = {
    {CKA_SUBJECT, kModify, D::kEmpty},
    {CKA_PUBLIC_KEY_INFO, kDecided, D::kNone},
    {CKA_SENSITIVE, kModify | kOnlyUp, D::kTrue},
    {CKA_EXTRACTABLE, kModify | kOnlyDown, D::kFalse},
    {CKA_DECRYPT, kModify, D::kNone},
    {CKA_SIGN, kModify, D::kNone},
    {CKA_DERIVE, kModify, D::kNone},
    {CKA_SIGN_RECOVER, kModify, D::kFalse},
    {CKA_UNWRAP, kModify, D::kNone},
    {CKA_DECAPSULATE, kModify, D::kFalse},
    {CKA_ALWAYS_SENSITIVE, kNotCreate | kNotGenerate, D::kNone},
    {CKA_NEVER_EXTRACTABLE, kNotCreate | kNotGenerate, D::kNone},
    {CKA_WRAP_WITH_TRUSTED, kModify | kOnlyUp, D::kFalse},
    // CKA_ALWAYS_AUTHENTICATE cannot be changed: otherwise a session could remove the protection of a key that needs
    // the PIN for each use.
    {CKA_ALWAYS_AUTHENTICATE, 0, D::kFalse},
    {CKA_UNWRAP_TEMPLATE, kOptional, D::kNone},
    {CKA_DERIVE_TEMPLATE, kOptional, D::kNone},
    {CKA_DECAPSULATE_TEMPLATE, kOptional, D::kNone},
    {CKA_VTPM_RESIDENT, kOptional, D::kNone},
    {CKA_VTPM_AUTH, kNotCreate | kNotGenerate | kSecret | kModify, D::kNone},  // persistent keys only
    {CKA_VTPM_PUBLIC, kNotCreate | kNotGenerate, D::kNone},
    {CKA_VTPM_CERTIFY_INFO, kNotCreate | kNotGenerate, D::kNone},
    {CKA_VTPM_CERTIFY_SIGNATURE, kNotCreate | kNotGenerate, D::kNone},
    {CKA_VTPM_CREATION_INFO, kNotCreate | kNotGenerate, D::kNone},
    {CKA_VTPM_CREATION_SIGNATURE, kNotCreate | kNotGenerate, D::kNone},
    {CKA_VTPM_CREATION_DATA, kNotCreate | kNotGenerate, D::kNone},
    {CKA_VTPM_ATTESTATION_PUBLIC, kNotCreate | kNotGenerate, D::kNone},
    {CKA_VTPM_ATTESTATION_CERTIFICATE, kNotCreate | kNotGenerate, D::kNone},
    {CKA_VTPM_ENDORSEMENT_CERTIFICATE, kNotCreate | kNotGenerate, D::kNone},
};

// The default of CKA_SENSITIVE is CK_FALSE (PKCS#11 3.2, 4.11); a key that is not extractable is not shown either.
constexpr Rule kSecretKey[] = {
    {CKA_SENSITIVE, kModify | kOnlyUp, D::kFalse},
    {CKA_EXTRACTABLE, kModify | kOnlyDown, D::kFalse},
    {CKA_ENCRYPT, kModify, D::kNone},
    {CKA_DECRYPT, kModify, D::kNone},
    {CKA_SIGN, kModify, D::kNone},
    {CKA_VERIFY, kModify, D::kNone},
    {CKA_WRAP, kModify, D::kNone},
    {CKA_UNWRAP, kModify, D::kNone},
    {CKA_DERIVE, kModify, D::kNone},
    {CKA_TRUSTED, kModify | kSoOnly, D::kFalse},
    {CKA_WRAP_WITH_TRUSTED, kModify | kOnlyUp, D::kFalse},
    {CKA_ALWAYS_SENSITIVE, kNotCreate | kNotGenerate, D::kNone},
    {CKA_NEVER_EXTRACTABLE, kNotCreate | kNotGenerate, D::kNone},
    {CKA_CHECK_VALUE, kOptional | kDecided | kErasable, D::kNone},
    {CKA_VALUE, kNeedCreate | kNotGenerate | kSecret, D::kNone},
    {CKA_VALUE_LEN, kNotCreate, D::kNone},
    {CKA_WRAP_TEMPLATE, kOptional, D::kNone},
    {CKA_UNWRAP_TEMPLATE, kOptional, D::kNone},
    {CKA_DERIVE_TEMPLATE, kOptional, D::kNone},
    {CKA_VTPM_RESIDENT, kOptional, D::kNone},
};

constexpr Rule kRsaPublic[] = {
    {CKA_MODULUS, kNeedCreate | kNotGenerate, D::kNone},
    {CKA_MODULUS_BITS, kNotCreate | kNeedGenerate, D::kNone},
    {CKA_PUBLIC_EXPONENT, kNeedCreate, D::kNone},
};
constexpr Rule kRsaPrivate[] = {
    {CKA_MODULUS, kNeedCreate | kNotGenerate, D::kNone},
    {CKA_PUBLIC_EXPONENT, kNotGenerate, D::kNone},
    {CKA_PRIVATE_EXPONENT, kNeedCreate | kNotGenerate | kSecret, D::kNone},
    {CKA_PRIME_1, kNotGenerate | kSecret, D::kNone},
    {CKA_PRIME_2, kNotGenerate | kSecret, D::kNone},
    {CKA_EXPONENT_1, kNotGenerate | kSecret, D::kNone},
    {CKA_EXPONENT_2, kNotGenerate | kSecret, D::kNone},
    {CKA_COEFFICIENT, kNotGenerate | kSecret, D::kNone},
};
constexpr Rule kEcPublic[] = {
    {CKA_EC_PARAMS, kNeedCreate | kNeedGenerate, D::kNone},
    {CKA_EC_POINT, kNeedCreate | kNotGenerate | kMayMake, D::kNone},
};
constexpr Rule kEcPrivate[] = {
    {CKA_EC_PARAMS, kNeedCreate, D::kNone},
    {CKA_EC_POINT, kNotGenerate | kMayMake, D::kNone},
    {CKA_VALUE, kNeedCreate | kNotGenerate | kSecret, D::kNone},
};

constexpr Rule kDsaPublic[] = {
    {CKA_PRIME, kNeedCreate | kNeedGenerate, D::kNone},
    {CKA_SUBPRIME, kNeedCreate | kNeedGenerate, D::kNone},
    {CKA_BASE, kNeedCreate | kNeedGenerate, D::kNone},
    {CKA_VALUE, kNeedCreate | kNotGenerate, D::kNone},
};
constexpr Rule kDhPublic[] = {
    {CKA_PRIME, kNeedCreate | kNeedGenerate, D::kNone},
    {CKA_BASE, kNeedCreate | kNeedGenerate, D::kNone},
    {CKA_VALUE, kNeedCreate | kNotGenerate, D::kNone},
};
constexpr Rule kDsaPrivate[] = {
    {CKA_PRIME, kNeedCreate | kNotGenerate, D::kNone},
    {CKA_SUBPRIME, kNeedCreate | kNotGenerate, D::kNone},
    {CKA_BASE, kNeedCreate | kNotGenerate, D::kNone},
    {CKA_VALUE, kNeedCreate | kNotGenerate | kSecret, D::kNone},
};
constexpr Rule kDhPrivate[] = {
    {CKA_PRIME, kNeedCreate | kNotGenerate, D::kNone},
    {CKA_BASE, kNeedCreate | kNotGenerate, D::kNone},
    {CKA_VALUE, kNeedCreate | kNotGenerate | kSecret, D::kNone},
    {CKA_VALUE_BITS, kNotCreate, D::kNone},
};
constexpr Rule kDomain[] = {
    {CKA_KEY_TYPE, kNeedCreate, D::kNone},
    {CKA_LOCAL, kNotCreate | kNotGenerate, D::kNone},
    {CKA_PRIME, kNeedCreate | kNotGenerate, D::kNone},
    {CKA_BASE, kNeedCreate | kNotGenerate, D::kNone},
    {CKA_PRIME_BITS, kNotCreate | kNeedGenerate, D::kNone},
};
constexpr Rule kDsaDomain[] = {
    {CKA_SUBPRIME, kNeedCreate | kNotGenerate, D::kNone},
    {CKA_SUB_PRIME_BITS, kNotCreate, D::kNone},
};

// --- the classes, and the types within them ---

constexpr SchemaRow kSchemas[] = {
    {CKO_DATA, 0, {kStorage, kPublicByDefault, kData}},
    {CKO_CERTIFICATE, CKC_X_509, {kStorage, kPublicByDefault, kCertificate, kX509}},
    {CKO_CERTIFICATE, CKC_X_509_ATTR_CERT, {kStorage, kPublicByDefault, kCertificate, kAttributeCertificate}},
    {CKO_PUBLIC_KEY, CKK_RSA, {kStorage, kPublicByDefault, kKey, kPublicKey, kRsaPublic}},
    {CKO_PRIVATE_KEY, CKK_RSA, {kStorage, kPrivateByDefault, kKey, kPrivateKey, kRsaPrivate}},
    {CKO_PUBLIC_KEY, CKK_EC, {kStorage, kPublicByDefault, kKey, kPublicKey, kEcPublic}},
    {CKO_PRIVATE_KEY, CKK_EC, {kStorage, kPrivateByDefault, kKey, kPrivateKey, kEcPrivate}},
    {CKO_PUBLIC_KEY, CKK_EC_EDWARDS, {kStorage, kPublicByDefault, kKey, kPublicKey, kEcPublic}},
    {CKO_PRIVATE_KEY, CKK_EC_EDWARDS, {kStorage, kPrivateByDefault, kKey, kPrivateKey, kEcPrivate}},
    {CKO_PUBLIC_KEY, CKK_EC_MONTGOMERY, {kStorage, kPublicByDefault, kKey, kPublicKey, kEcPublic}},
    {CKO_PRIVATE_KEY, CKK_EC_MONTGOMERY, {kStorage, kPrivateByDefault, kKey, kPrivateKey, kEcPrivate}},
    {CKO_PUBLIC_KEY, CKK_DSA, {kStorage, kPublicByDefault, kKey, kPublicKey, kDsaPublic}},
    {CKO_PRIVATE_KEY, CKK_DSA, {kStorage, kPrivateByDefault, kKey, kPrivateKey, kDsaPrivate}},
    {CKO_PUBLIC_KEY, CKK_DH, {kStorage, kPublicByDefault, kKey, kPublicKey, kDhPublic}},
    {CKO_PRIVATE_KEY, CKK_DH, {kStorage, kPrivateByDefault, kKey, kPrivateKey, kDhPrivate}},
    {CKO_DOMAIN_PARAMETERS, CKK_DSA, {kStorage, kPublicByDefault, kDomain, kDsaDomain}},
    {CKO_DOMAIN_PARAMETERS, CKK_DH, {kStorage, kPublicByDefault, kDomain}},
    {CKO_TRUST, 0, {kStorage, kPublicByDefault, kTrust}},
    {CKO_HW_FEATURE, CKH_MONOTONIC_COUNTER, {kMonotonicCounter}},
    {CKO_SECRET_KEY, kEverySecretKeyType, {kStorage, kPrivateByDefault, kKey, kSecretKey}},
};

// --- what the compiler checks of the tables ---

constexpr bool every_attribute_has_one_row() {
  for (const AttributeRow& row : kAttributes) {
    for (const AttributeRow* other = &row + 1; other != std::end(kAttributes); ++other) {
      if (other->type == row.type) return false;
    }
  }
  return true;
}
static_assert(every_attribute_has_one_row(), "kAttributes has two rows for one attribute");

constexpr bool is_described(CK_ATTRIBUTE_TYPE type) {
  for (const AttributeRow& row : kAttributes) {
    if (row.type == type) return true;
  }
  return false;
}

constexpr size_t rules_for(const SchemaRow& schema, CK_ATTRIBUTE_TYPE type) {
  size_t count = 0;
  for (const std::span<const Rule> part : schema.parts()) {
    for (const Rule& rule : part) count += rule.type == type ? 1 : 0;
  }
  return count;
}

constexpr bool every_rule_is_of_an_attribute() {
  for (const SchemaRow& schema : kSchemas) {
    for (const std::span<const Rule> part : schema.parts()) {
      for (const Rule& rule : part) {
        if (!is_described(rule.type) || rules_for(schema, rule.type) != 1) return false;
      }
    }
  }
  return true;
}
static_assert(every_rule_is_of_an_attribute(),
              "each rule of a class is of an attribute with a row in kAttributes, and no attribute has two rules");

constexpr bool every_default_of_private_follows_token() {
  for (const SchemaRow& schema : kSchemas) {
    bool has_token = false;
    for (const std::span<const Rule> part : schema.parts()) {
      for (const Rule& rule : part) {
        if (rule.type == CKA_TOKEN) has_token = true;
        if (rule.value == D::kPrivate && !has_token) return false;
      }
    }
  }
  return true;
}
static_assert(every_default_of_private_follows_token(),
              "Default::kPrivate depends on CKA_TOKEN, whose rule is before it");

}  // namespace

std::span<const AttributeRow> attribute_rows() { return kAttributes; }
std::span<const AttributeRange> attributes_of_no_object() { return kElsewhere; }
std::span<const SchemaRow> schema_rows() { return kSchemas; }

}  // namespace vtpm::pkcs11
