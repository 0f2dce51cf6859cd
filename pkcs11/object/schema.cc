// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/object/schema.h"

#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/object/secret_key.h"

namespace vtpm::pkcs11 {
namespace {

using D = Default;

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
// CKA_PRIVATE alone differs by class: what is secret by nature is private unless the caller says otherwise.
constexpr Rule kPublicByDefault[] = {{CKA_PRIVATE, kCopyChange, D::kFalse}};
constexpr Rule kPrivateByDefault[] = {{CKA_PRIVATE, kCopyChange, D::kPrivate}};

constexpr Rule kData[] = {
    {CKA_APPLICATION, kModify, D::kEmpty},     {CKA_OBJECT_ID, kModify, D::kEmpty},
    {CKA_VALUE, kModify, D::kEmpty},           {CKA_VTPM_NV_INDEX, kOptional, D::kNone},
    {CKA_VTPM_NV_TYPE, kOptional, D::kNone},   {CKA_VTPM_NV_ATTRIBUTES, kOptional, D::kNone},
    {CKA_VTPM_NV_VALUE, kNotCreate, D::kNone}, {CKA_VTPM_AUTH, kSecret | kModify | kOptional, D::kNone},
};

// Monotonic counters (4.5.2) are NV indices: always of the token, always private, as the TPM's state is.
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
    {CKA_ID, kModify, D::kNone},  // that of the key, when nobody gives one
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

// Trust in the uses of a certificate (3.2, 4.7).
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
    {CKA_ID, kModify, D::kNone},  // that of the key, when nobody gives one
    {CKA_START_DATE, kModify, D::kEmpty},
    {CKA_END_DATE, kModify, D::kEmpty},
    {CKA_LOCAL, kNotCreate | kNotGenerate, D::kNone},
    {CKA_KEY_GEN_MECHANISM, kNotCreate | kNotGenerate, D::kNone},
    {CKA_ALLOWED_MECHANISMS, kOptional, D::kNone},
    {CKA_OBJECT_VALIDATION_FLAGS, kNotGenerate, D::kNone},  // none is ever set
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
    // Fixed for life: a key that asks for the PIN at each use must not be talked out of it.
    {CKA_ALWAYS_AUTHENTICATE, 0, D::kFalse},
    {CKA_UNWRAP_TEMPLATE, kOptional, D::kNone},
    {CKA_DERIVE_TEMPLATE, kOptional, D::kNone},
    {CKA_DECAPSULATE_TEMPLATE, kOptional, D::kNone},
    {CKA_VTPM_RESIDENT, kOptional, D::kNone},
    {CKA_VTPM_AUTH, kNotCreate | kNotGenerate | kSecret | kModify, D::kNone},  // of a persistent key
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

// SENSITIVE is false unless the template says so (2.40, 4.10); what is not EXTRACTABLE is not shown all the same.
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

void set_default(const Rule& rule, Who who, Attributes& object) {
  switch (rule.value) {
    case D::kNone:
      return;
    case D::kEmpty:
      return object.set(rule.type, {});
    case D::kFalse:
      return object.set_flag(rule.type, false);
    case D::kTrue:
      return object.set_flag(rule.type, true);
    case D::kZero:
      return object.set_number(rule.type, 0);
    case D::kPrivate:
      // CKA_TOKEN stands before CKA_PRIVATE in every schema.
      return object.set_flag(rule.type, private_by_default(object.flag(CKA_TOKEN), who));
  }
}

/// 4.6: "Trusted certificates cannot be modified." Who could change the name or the number of one would have the SO
/// vouch for what the SO has never seen.
bool vouched_for(const Attributes& object, Changing changing, const Template& changes) {
  if (object.number(CKA_CLASS) != CKO_CERTIFICATE || !object.flag(CKA_TRUSTED)) return false;
  return changing == Changing::kSet || changes.flag(CKA_TRUSTED, true);
}

/// 4.1.1: invalid is what the specification does not describe; of what it does, not all can be said of every object.
[[noreturn]] void refuse_stranger(CK_ATTRIBUTE_TYPE type) {
  if (!is_attribute(type)) refuse(CKR_ATTRIBUTE_TYPE_INVALID, attribute_name(type) + " is not known here");
  refuse(CKR_TEMPLATE_INCONSISTENT, attribute_name(type) + " does not belong to an object of this class");
}

[[noreturn]] void refuse_change(const Rule& rule) {
  refuse(CKR_ATTRIBUTE_READ_ONLY, attribute_name(rule.type) + " of this object can not be changed like that");
}

/// Whether the object has this very value. No CKA_ALLOWED_MECHANISMS reads as an empty list.
bool shows(const Attributes& shown, CK_ATTRIBUTE_TYPE type, ByteView value) {
  if (!shown.has(type)) return type == CKA_ALLOWED_MECHANISMS && value.empty();
  return same_value(type, shown.get(type), value);
}

/// The SO alone vouches; anyone may take the mark away.
void check_so_only(const Rule& rule, ByteView value, Who who) {
  if ((rule.marks & kSoOnly) && value[0] != CK_FALSE && who != Who::kSo) {
    refuse(CKR_ATTRIBUTE_READ_ONLY, attribute_name(rule.type) + " can be set to CK_TRUE by the SO only");
  }
}

}  // namespace

struct SchemaTable {
  const Schema data{CKO_DATA, 0, {kStorage, kPublicByDefault, kData}};
  const Schema certificate{CKO_CERTIFICATE, CKC_X_509, {kStorage, kPublicByDefault, kCertificate, kX509}};
  const Schema attribute_certificate{
      CKO_CERTIFICATE, CKC_X_509_ATTR_CERT, {kStorage, kPublicByDefault, kCertificate, kAttributeCertificate}};
  const Schema rsa_public{CKO_PUBLIC_KEY, CKK_RSA, {kStorage, kPublicByDefault, kKey, kPublicKey, kRsaPublic}};
  const Schema rsa_private{CKO_PRIVATE_KEY, CKK_RSA, {kStorage, kPrivateByDefault, kKey, kPrivateKey, kRsaPrivate}};
  const Schema ec_public{CKO_PUBLIC_KEY, CKK_EC, {kStorage, kPublicByDefault, kKey, kPublicKey, kEcPublic}};
  const Schema ec_private{CKO_PRIVATE_KEY, CKK_EC, {kStorage, kPrivateByDefault, kKey, kPrivateKey, kEcPrivate}};
  const Schema edwards_public{
      CKO_PUBLIC_KEY, CKK_EC_EDWARDS, {kStorage, kPublicByDefault, kKey, kPublicKey, kEcPublic}};
  const Schema edwards_private{
      CKO_PRIVATE_KEY, CKK_EC_EDWARDS, {kStorage, kPrivateByDefault, kKey, kPrivateKey, kEcPrivate}};
  const Schema montgomery_public{
      CKO_PUBLIC_KEY, CKK_EC_MONTGOMERY, {kStorage, kPublicByDefault, kKey, kPublicKey, kEcPublic}};
  const Schema montgomery_private{
      CKO_PRIVATE_KEY, CKK_EC_MONTGOMERY, {kStorage, kPrivateByDefault, kKey, kPrivateKey, kEcPrivate}};
  const Schema dsa_public{CKO_PUBLIC_KEY, CKK_DSA, {kStorage, kPublicByDefault, kKey, kPublicKey, kDsaPublic}};
  const Schema dsa_private{CKO_PRIVATE_KEY, CKK_DSA, {kStorage, kPrivateByDefault, kKey, kPrivateKey, kDsaPrivate}};
  const Schema dh_public{CKO_PUBLIC_KEY, CKK_DH, {kStorage, kPublicByDefault, kKey, kPublicKey, kDhPublic}};
  const Schema dh_private{CKO_PRIVATE_KEY, CKK_DH, {kStorage, kPrivateByDefault, kKey, kPrivateKey, kDhPrivate}};
  const Schema dsa_domain{CKO_DOMAIN_PARAMETERS, CKK_DSA, {kStorage, kPublicByDefault, kDomain, kDsaDomain}};
  const Schema dh_domain{CKO_DOMAIN_PARAMETERS, CKK_DH, {kStorage, kPublicByDefault, kDomain}};
  const Schema trust{CKO_TRUST, 0, {kStorage, kPublicByDefault, kTrust}};
  const Schema counter{CKO_HW_FEATURE, CKH_MONOTONIC_COUNTER, {kMonotonicCounter}};
  const Schema* all[19] = {&data,
                           &attribute_certificate,
                           &trust,
                           &counter,
                           &certificate,
                           &rsa_public,
                           &rsa_private,
                           &ec_public,
                           &ec_private,
                           &edwards_public,
                           &edwards_private,
                           &dsa_public,
                           &dsa_private,
                           &dh_public,
                           &dh_private,
                           &montgomery_public,
                           &montgomery_private,
                           &dsa_domain,
                           &dh_domain};

  // All secret keys have the same rules; their types differ in the values they take.
  std::vector<Schema> secret_keys;

  SchemaTable() {
    for (const SecretKeyType& row : secret_key_types()) {
      secret_keys.push_back(Schema(CKO_SECRET_KEY, row.type, {kStorage, kPrivateByDefault, kKey, kSecretKey}));
    }
  }
  static const SchemaTable& get() {
    static const SchemaTable* table = new SchemaTable;  // never destroyed: nothing of ours runs at exit
    return *table;
  }
  static const Schema* find(CK_OBJECT_CLASS object_class, CK_ULONG type) {
    for (const Schema* schema : get().all) {
      if (schema->class_ == object_class && schema->type_ == type) return schema;
    }
    for (const Schema& schema : get().secret_keys) {
      if (schema.class_ == object_class && schema.type_ == type) return &schema;
    }
    return nullptr;
  }
};

Schema::Schema(CK_OBJECT_CLASS object_class, CK_ULONG type, std::initializer_list<std::span<const Rule>> parts)
    : class_(object_class), type_(type) {
  for (std::span<const Rule> part : parts) rules_.insert(rules_.end(), part.begin(), part.end());
}

const Rule* Schema::rule(CK_ATTRIBUTE_TYPE type) const {
  for (const Rule& rule : rules_) {
    if (rule.type == type) return &rule;
  }
  return nullptr;
}

namespace {

/// The attribute that says which kind of a class an object is; 0 for classes of one kind.
CK_ATTRIBUTE_TYPE kind_attribute(CK_OBJECT_CLASS object_class) {
  switch (object_class) {
    case CKO_CERTIFICATE:
      return CKA_CERTIFICATE_TYPE;
    case CKO_PUBLIC_KEY:
    case CKO_PRIVATE_KEY:
    case CKO_SECRET_KEY:
    case CKO_DOMAIN_PARAMETERS:
      return CKA_KEY_TYPE;
    case CKO_HW_FEATURE:
      return CKA_HW_FEATURE_TYPE;
    default:
      return 0;
  }
}

}  // namespace

const Schema& Schema::of(CK_OBJECT_CLASS object_class, CK_ULONG type) {
  const Schema* schema = SchemaTable::find(object_class, type);
  if (!schema) {
    refuse(CKR_ATTRIBUTE_VALUE_INVALID, "this token has no objects of class " + std::to_string(object_class) +
                                            (type ? " and type " + std::to_string(type) : ""));
  }
  return *schema;
}

const Schema& Schema::of(const Template& object) {
  auto object_class = object.number(CKA_CLASS);
  refuse_if(!object_class, CKR_TEMPLATE_INCOMPLETE, "CKA_CLASS is missing");
  CK_ATTRIBUTE_TYPE kind = kind_attribute(*object_class);
  if (!kind) return of(*object_class);
  auto type = object.number(kind);
  if (!type) refuse(CKR_TEMPLATE_INCOMPLETE, attribute_name(kind) + " is missing");
  return of(*object_class, *type);
}

const Schema* Schema::find(const Attributes& object) {
  auto object_class = object.number(CKA_CLASS);
  if (!object_class) return nullptr;
  CK_ATTRIBUTE_TYPE kind = kind_attribute(*object_class);
  return SchemaTable::find(*object_class, kind ? object.number(kind).value_or(CK_UNAVAILABLE_INFORMATION) : 0);
}

bool private_by_default(bool on_token, Who who) { return on_token || who != Who::kNobody; }

Draft make_draft(const Schema& schema, Making making, const Template& object, Who who) {
  const uint32_t need = making == Making::kCreate ? +kNeedCreate : making == Making::kGenerate ? +kNeedGenerate : 0u;
  const uint32_t must_not = making == Making::kCreate ? kNotCreate : kNotGenerate;
  Draft draft;
  for (const Template::Row& row : object) {
    const Rule* rule = schema.rule(row.type);
    if (!rule) refuse_stranger(row.type);
    if (rule->marks & must_not && !(making == Making::kMake && rule->marks & kMayMake)) {
      refuse(CKR_ATTRIBUTE_READ_ONLY, attribute_name(row.type) + " is set by the token, not by a template");
    }
    check_so_only(*rule, row.value, who);
    if (row.type == CKA_ALLOWED_MECHANISMS && row.value.empty()) continue;
    if (rule->marks & kSecret) {
      draft.secret.set(row.type, row.value);
    } else {
      draft.shown.set(row.type, row.value);
    }
  }
  for (const Rule& rule : schema) {
    if (draft.shown.has(rule.type) || draft.secret.has(rule.type)) continue;
    if (rule.marks & need) refuse(CKR_TEMPLATE_INCOMPLETE, attribute_name(rule.type) + " is missing");
    set_default(rule, who, draft.shown);
  }
  return draft;
}

Attributes with_defaults(const Schema& schema, Attributes object) {
  for (const Rule& rule : schema) {
    if (!object.has(rule.type)) set_default(rule, Who::kUser, object);
  }
  return object;
}

void apply_changes(const Schema& schema, Changing changing, const Template& changes, Who who, Draft& object) {
  const uint32_t allowed = changing == Changing::kSet ? kModify : kModify | kCopyChange;
  const bool vouched = vouched_for(object.shown, changing, changes);
  for (const Template::Row& row : changes) {
    const Rule* rule = schema.rule(row.type);
    if (!rule) refuse_stranger(row.type);
    const bool changeable = rule->marks & (allowed | kDecided | kErasable);
    const bool secret = rule->marks & kSecret || object.secret.has(row.type);
    // What says what already is does no harm in a copy, nor where the attribute may be changed; 4.2 wants "any attempt"
    // at the name of an object to fail.
    const bool says_what_is = !secret && row.type != CKA_UNIQUE_ID && shows(object.shown, row.type, row.value);
    if (says_what_is && (changeable || changing == Changing::kCopy)) continue;
    const bool wrong_way =
        (rule->marks & kOnlyUp && row.value[0] == CK_FALSE) || (rule->marks & kOnlyDown && row.value[0] != CK_FALSE);
    const bool erased = rule->marks & kErasable && row.value.empty();
    if (rule->marks & kDecided && !erased) {
      refuse(CKR_ATTRIBUTE_VALUE_INVALID, attribute_name(row.type) + " is not of this key");
    }
    if ((!(rule->marks & allowed) && !erased) || wrong_way) refuse_change(*rule);
    if (vouched && !(rule->marks & kCopyChange)) refuse_change(*rule);
    check_so_only(*rule, row.value, who);
    if (secret) {
      object.secret.set(row.type, row.value);
    } else {
      object.shown.set(row.type, row.value);
    }
  }
}

bool reveals_secrets(const Attributes& object) {
  return !object.flag(CKA_SENSITIVE, false) && object.flag(CKA_EXTRACTABLE, true);
}

}  // namespace vtpm::pkcs11
