// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/object/secret_key.h"

#include "crypto/library/constant_time.h"
#include "crypto/library/random.h"
#include "crypto/symmetric/cipher.h"
#include "pkcs11/cryptoki/limits.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/mechanism/mechanism_table.h"

namespace vtpm::pkcs11 {
namespace {

constexpr size_t kCheckBytes = 3;

constexpr SecretKeyType hmac_key(CK_KEY_TYPE type) { return {type, 1, kMostSecret, 1, false, true}; }

constexpr SecretKeyType kTypes[] = {
    {CKK_GENERIC_SECRET, 1, kMostSecret, 1, false, true},
    {CKK_HKDF, 1, kMostSecret, 1, false, false},
    {CKK_AES, 16, 32, 8, true, true},
    {CKK_CAMELLIA, 16, 32, 8, true, false},
    {CKK_ARIA, 16, 32, 8, true, false},
    {CKK_AES_XTS, 32, 64, 32, true, false},
    {CKK_CHACHA20, 32, 32, 1, true, false},
    hmac_key(CKK_SHA_1_HMAC),
    hmac_key(CKK_SHA224_HMAC),
    hmac_key(CKK_SHA256_HMAC),
    hmac_key(CKK_SHA384_HMAC),
    hmac_key(CKK_SHA512_HMAC),
    hmac_key(CKK_SHA512_224_HMAC),
    hmac_key(CKK_SHA512_256_HMAC),
    hmac_key(CKK_SHA512_T_HMAC),
    hmac_key(CKK_SHA3_224_HMAC),
    hmac_key(CKK_SHA3_256_HMAC),
    hmac_key(CKK_SHA3_384_HMAC),
    hmac_key(CKK_SHA3_512_HMAC),
    hmac_key(CKK_BLAKE2B_160_HMAC),
    hmac_key(CKK_BLAKE2B_256_HMAC),
    hmac_key(CKK_BLAKE2B_384_HMAC),
    hmac_key(CKK_BLAKE2B_512_HMAC),
};

constexpr bool is_secret(CK_KEY_TYPE type) {
  if (type == kAnySecretKey || type == kNoKey) return true;
  for (const SecretKeyType& row : kTypes) {
    if (row.type == type) return true;
  }
  return false;
}

constexpr bool mechanisms_have_known_key_types() {
  for (const Mechanism& row : kMechanisms) {
    if (row.works_with_secret_keys() && !(is_secret(row.key_type) && is_secret(row.other_key_type))) return false;
  }
  return true;
}
static_assert(mechanisms_have_known_key_types(),
              "the key types of a mechanism that works with secret keys have rows in kTypes");

const SecretKeyType& type_of(const Attributes& object) {
  for (const SecretKeyType& row : kTypes) {
    if (object.number(CKA_KEY_TYPE) == row.type) return row;
  }
  refuse(CKR_ATTRIBUTE_VALUE_INVALID, "this token has no secret keys of that type");
}

/// CKA_CHECK_VALUE (PKCS#11 3.2, 4.11): the first bytes of a block of zeros, encrypted by the cipher of the type; for
/// types whose sections require it (generic secrets, ChaCha20 …), of the SHA-1 of the value. For AES-XTS the tweak is
/// zero too.
Bytes check_value(CK_KEY_TYPE type, ByteView value) {
  constexpr uint8_t kZeros[16] = {};
  Bytes result(sizeof kZeros);
  const auto encrypt = [&](const crypto::CipherParameters& parameters) {
    crypto::Cipher cipher(parameters, value, crypto::Direction::kEncrypt);
    const size_t bytes = cipher.update(kZeros, result).bytes;
    cipher.finish(MutableByteView(result).subspan(bytes));
  };
  if (const auto block_cipher = block_cipher_of(type)) {
    encrypt({crypto::CipherMode::kEcb, {}, 0, *block_cipher});
  } else if (type == CKK_AES_XTS) {
    encrypt({crypto::CipherMode::kXts, kZeros});
  } else {
    result = crypto::digest(crypto::Hash::kSha1, value);
  }
  result.resize(kCheckBytes);
  return result;
}

void default_use(Attributes& object, CK_ATTRIBUTE_TYPE use, bool able) {
  if (!object.has(use)) object.set_flag(use, able);
}

/// Imported keys can wrap and unwrap by default if their type has a mechanism for it.
bool wraps(CK_KEY_TYPE type) { return block_cipher_of(type).has_value(); }

bool derives(CK_KEY_TYPE type) { return type == CKK_GENERIC_SECRET || type == CKK_HKDF; }

void finish(Draft& draft, const SecretKeyType& type, const Origin& origin) {
  Attributes& shown = draft.shown;
  refuse_if(shown.flag(CKA_VTPM_RESIDENT), CKR_TEMPLATE_INCONSISTENT,
            "CKA_VTPM_RESIDENT of a secret key must be CK_FALSE: secret keys do not live in the TPM");
  const ByteView value = draft.secret.get(CKA_VALUE);
  shown.set_flag(CKA_VTPM_RESIDENT, false);
  default_use(shown, CKA_ENCRYPT, type.encrypts);
  default_use(shown, CKA_DECRYPT, type.encrypts);
  default_use(shown, CKA_SIGN, type.signs);
  default_use(shown, CKA_VERIFY, type.signs);
  default_use(shown, CKA_DERIVE, derives(type.type));
  default_use(shown, CKA_WRAP, false);
  default_use(shown, CKA_UNWRAP, false);
  if (!shown.has(CKA_ID)) shown.set(CKA_ID, {});
  shown.set_number(CKA_VALUE_LEN, value.size());
  // An empty value in the template means that the key has no check value.
  const Bytes check = check_value(type.type, value);
  const ByteView given = shown.get(CKA_CHECK_VALUE);
  refuse_if(!given.empty() && !equal(given, check), CKR_ATTRIBUTE_VALUE_INVALID,
            "CKA_CHECK_VALUE does not match the key");
  if (!shown.has(CKA_CHECK_VALUE)) shown.set(CKA_CHECK_VALUE, check);
  shown.set_flag(CKA_LOCAL, origin.local);
  shown.set_number(CKA_KEY_GEN_MECHANISM, origin.local ? origin.mechanism : CK_UNAVAILABLE_INFORMATION);
  shown.set_flag(CKA_ALWAYS_SENSITIVE, origin.kept_secret && shown.flag(CKA_SENSITIVE));
  shown.set_flag(CKA_NEVER_EXTRACTABLE, origin.kept_inside && !shown.flag(CKA_EXTRACTABLE));
}

/// The two keys of XTS must differ (IEEE 1619-2018, 5.1; FIPS 140-3 IG C.I).
bool has_equal_halves(ByteView value) {
  const size_t half = value.size() / 2;
  return crypto::constant_time_equal(value.first(half), value.last(half));
}

size_t wanted_bytes(const Mechanism& mechanism, const SecretKeyType& type, const Attributes& object) {
  if (auto given = object.number(CKA_VALUE_LEN)) return *given;
  if (type.least == type.most) return type.least;
  refuse_if(!mechanism.hash, CKR_TEMPLATE_INCOMPLETE, "CKA_VALUE_LEN is missing");
  return crypto::hash_bytes(*mechanism.hash);
}

}  // namespace

std::span<const SecretKeyType> secret_key_types() { return kTypes; }

void import_secret_key(Draft& draft) {
  const SecretKeyType& type = type_of(draft.shown);
  const ByteView value = draft.secret.get(CKA_VALUE);
  refuse_if(!type.takes(value.size()), CKR_ATTRIBUTE_VALUE_INVALID, "CKA_VALUE has a wrong length for this key type");
  refuse_if(type.type == CKK_AES_XTS && has_equal_halves(value), CKR_ATTRIBUTE_VALUE_INVALID,
            "the two halves of an XTS key must differ");
  default_use(draft.shown, CKA_WRAP, wraps(type.type));
  default_use(draft.shown, CKA_UNWRAP, wraps(type.type));
  finish(draft, type, {});
}

Draft generate_secret_key(const Mechanism& mechanism, const Template& object, Who who) {
  refuse_if(object.number(CKA_CLASS).value_or(CKO_SECRET_KEY) != CKO_SECRET_KEY ||
                object.number(CKA_KEY_TYPE).value_or(mechanism.key_type) != mechanism.key_type,
            CKR_TEMPLATE_INCONSISTENT, "CKA_CLASS or CKA_KEY_TYPE is not what the mechanism makes");
  Draft draft = make_draft(Schema::of(CKO_SECRET_KEY, mechanism.key_type), Making::kGenerate, object, who);
  draft.shown.set_number(CKA_CLASS, CKO_SECRET_KEY);
  draft.shown.set_number(CKA_KEY_TYPE, mechanism.key_type);
  const SecretKeyType& type = type_of(draft.shown);
  const size_t bytes = wanted_bytes(mechanism, type, draft.shown);
  refuse_if(!type.takes(bytes), CKR_ATTRIBUTE_VALUE_INVALID, "CKA_VALUE_LEN is not a length of this key type");
  SecretBytes value(bytes);
  do crypto::random_fill(value.span());
  while (type.type == CKK_AES_XTS && has_equal_halves(value));
  draft.secret.set(CKA_VALUE, value);
  finish(draft, type, {true, mechanism.type, true, true});
  return draft;
}

SecretKeyPlan::SecretKeyPlan(const Template& object, Making making, Who who, CK_KEY_TYPE type_if_absent) {
  refuse_if(object.number(CKA_CLASS).value_or(CKO_SECRET_KEY) != CKO_SECRET_KEY, CKR_TEMPLATE_INCONSISTENT,
            "CKA_CLASS must be CKO_SECRET_KEY");
  const CK_KEY_TYPE type = object.number(CKA_KEY_TYPE).value_or(type_if_absent);
  draft_ = make_draft(Schema::of(CKO_SECRET_KEY, type), making, object, who);
  draft_.shown.set_number(CKA_CLASS, CKO_SECRET_KEY);
  draft_.shown.set_number(CKA_KEY_TYPE, type);
  type_ = &type_of(draft_.shown);
  refuse_if(draft_.shown.flag(CKA_VTPM_RESIDENT), CKR_TEMPLATE_INCONSISTENT,
            "CKA_VTPM_RESIDENT of a secret key must be CK_FALSE: secret keys do not live in the TPM");
  const std::optional<size_t> bytes = this->size();
  refuse_if(bytes && !takes(*bytes), CKR_TEMPLATE_INCONSISTENT, "CKA_VALUE_LEN is not a length of this key type");
}

std::optional<size_t> SecretKeyPlan::size() const {
  if (auto given = draft_.shown.number(CKA_VALUE_LEN)) return *given;
  if (type_->least == type_->most) return type_->least;
  return std::nullopt;
}

size_t SecretKeyPlan::bytes_or(size_t natural) const {
  if (auto wanted = size()) return *wanted;
  refuse_if(!takes(natural), CKR_TEMPLATE_INCOMPLETE, "CKA_VALUE_LEN is missing");
  return natural;
}

Draft SecretKeyPlan::make(ByteView value, const Origin& origin) && {
  refuse_if(!takes(value.size()), CKR_ATTRIBUTE_VALUE_INVALID, "the value has a wrong length for this key type");
  refuse_if(type_->type == CKK_AES_XTS && has_equal_halves(value), CKR_ATTRIBUTE_VALUE_INVALID,
            "the two halves of an XTS key must differ");
  draft_.secret.set(CKA_VALUE, value);
  finish(draft_, *type_, origin);
  return std::move(draft_);
}

}  // namespace vtpm::pkcs11
