// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/object/key_factory.h"

#include "base/der.h"
#include "base/numbers.h"
#include "crypto/hash/digest.h"
#include "crypto/library/constant_time.h"
#include "crypto/library/random.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/mechanism/family_table.h"
#include "pkcs11/object/key_kind.h"
#include "pkcs11/object/tpm_object.h"

namespace vtpm::pkcs11 {
namespace {

using crypto::PublicKey;
using crypto::SoftwareKey;

constexpr uint8_t kDefaultExponent[] = {0x01, 0x00, 0x01};

CK_ULONG bit_length(ByteView number) {
  number = without_leading_zeros(number);
  CK_ULONG bits = 8 * number.size();
  for (unsigned mask = 0x80; !number.empty() && !(number[0] & mask); mask >>= 1) --bits;
  return bits;
}

bool fits_the_tpm(crypto::Curve curve) {
  return curve == crypto::Curve::kP256 || curve == crypto::Curve::kP384 || curve == crypto::Curve::kP521;
}

// --- attributes that the key itself decides ---

void default_use(Attributes& object, CK_ATTRIBUTE_TYPE use, bool able) {
  if (!object.has(use)) object.set_flag(use, able);
}

/// The default uses of keys that applications generate or import: pkcs11-tool, NSS and Java wrap and unwrap with RSA
/// keys whose template does not allow it.
void default_uses_of_users(const KeyKind& kind, Attributes& object) {
  if (object_class_row(object).key == KeyPart::kPublic) {
    default_use(object, CKA_WRAP, kind.encrypts);
    default_use(object, CKA_VERIFY_RECOVER, kind.encrypts);
  } else {
    default_use(object, CKA_UNWRAP, kind.encrypts);
  }
}

}  // namespace

void describe_public_key(const PublicKey& key, Attributes& object) {
  const KeyKind& kind = kind_of(key.type());
  kind.show(key, object);
  kind.show_public(key, object);
  object.set(CKA_PUBLIC_KEY_INFO, key.spki());
  default_use(object, CKA_ENCRYPT, kind.encrypts);
  default_use(object, CKA_VERIFY, kind.signs);
  default_use(object, CKA_DERIVE, kind.derives);
  default_use(object, CKA_WRAP, false);
  default_use(object, CKA_VERIFY_RECOVER, false);
  if (!object.has(CKA_ID)) object.set(CKA_ID, default_key_id(key));
}

void describe_private_key(const PublicKey& key, Attributes& object) {
  const KeyKind& kind = kind_of(key.type());
  kind.show(key, object);
  object.set(CKA_PUBLIC_KEY_INFO, key.spki());
  default_use(object, CKA_DECRYPT, kind.encrypts);
  default_use(object, CKA_SIGN, kind.signs);
  default_use(object, CKA_DERIVE, kind.derives);
  default_use(object, CKA_UNWRAP, false);
  if (!object.has(CKA_ID)) object.set(CKA_ID, default_key_id(key));
}

namespace {

/// Checks CKA_PUBLIC_KEY_INFO of the template, if it has one. `refusal`: the code; PKCS#11 3.2, 4.10 requires
/// CKR_ATTRIBUTE_VALUE_INVALID for private keys, and in a template for a public key the numbers contradict each other.
void check_public_key_info(const Attributes& object, const PublicKey& key, CK_RV refusal) {
  const ByteView given = object.get(CKA_PUBLIC_KEY_INFO);
  if (given.empty()) return;
  const std::optional<PublicKey> named = PublicKey::from_spki(given);
  refuse_if(!named || named->spki() != key.spki(), refusal, "CKA_PUBLIC_KEY_INFO does not match the key");
}

/// Checks CKA_EC_POINT of the template in either encoding, if it has one.
void check_point(const Attributes& object, const PublicKey& key) {
  const ByteView given = object.get(CKA_EC_POINT);
  refuse_if(!given.empty() && !same_value(CKA_EC_POINT, given, shown_point(key)), CKR_TEMPLATE_INCONSISTENT,
            "CKA_EC_POINT does not match the key");
}

void describe_origin(Attributes& object, bool local, CK_ULONG mechanism) {
  object.set_flag(CKA_LOCAL, local);
  object.set_number(CKA_KEY_GEN_MECHANISM, local ? mechanism : CK_UNAVAILABLE_INFORMATION);
}

// --- the rule ---

/// Whether the key must be made in the TPM. `able`: the TPM supports keys of this type and size. Throws Refusal
/// CKR_TEMPLATE_INCONSISTENT if the TPM is demanded and cannot honour the template.
bool choose_resident(const Attributes& object, bool able, const KeyMaking& making) {
  const bool honours = able && making.engine && object.flag(CKA_SENSITIVE) && !object.flag(CKA_EXTRACTABLE);
  const bool demanded = object.flag(CKA_VTPM_RESIDENT) || making.placement == Placement::kTpmOnly;
  refuse_if(demanded && !honours, CKR_TEMPLATE_INCONSISTENT,
            "the key must live in the TPM (CKA_VTPM_RESIDENT or placement), but the TPM cannot honour its template");
  const bool declined = object.has(CKA_VTPM_RESIDENT) && !object.flag(CKA_VTPM_RESIDENT);
  return demanded || (honours && !declined && making.placement != Placement::kSoftware);
}

void check_always_authenticate(const Draft& draft) {
  refuse_if(draft.shown.flag(CKA_ALWAYS_AUTHENTICATE) && !draft.is_private(), CKR_TEMPLATE_INCONSISTENT,
            "CKA_ALWAYS_AUTHENTICATE requires CKA_PRIVATE to be CK_TRUE");
}

void finish_private_key(Draft& draft, const PublicKey& key, bool resident, bool local, CK_ULONG mechanism) {
  describe_private_key(key, draft.shown);
  describe_origin(draft.shown, local, mechanism);
  draft.shown.set_flag(CKA_ALWAYS_SENSITIVE, local && draft.shown.flag(CKA_SENSITIVE));
  draft.shown.set_flag(CKA_NEVER_EXTRACTABLE, local && !draft.shown.flag(CKA_EXTRACTABLE));
  draft.shown.set_flag(CKA_VTPM_RESIDENT, resident);
}

struct MadeKey {
  PublicKey public_key;
  bool resident;
};

/// Tests a key that the TPM has just made, and keeps it; software keys test themselves.
MadeKey keep_in_tpm(tpm::KeyBlob blob, Draft& draft, const KeyMaking& making) {
  const PublicKey half = tpm::public_key_of(blob);
  keep_blob(blob, draft.secret);
  tpm::ResidentKey key(making.engine, std::move(blob));
  Bytes challenge = crypto::random_bytes(half.type() == crypto::KeyType::kRsa ? half.modulus().size() : 32);
  bool works;
  if (half.type() == crypto::KeyType::kRsa) {
    challenge[0] = 0;
    const std::optional<Bytes> sealed = half.rsa_public(challenge);
    works = sealed && crypto::constant_time_equal(key.rsa_private(*sealed), challenge);
  } else {
    works = half.ecdsa_verify(challenge, key.ecdsa_sign(challenge));
  }
  if (!works) throw Error(ErrorCode::kTpmFailure, "a key that the TPM has made failed its self-test");
  return {half, true};
}

MadeKey keep_in_software(const SoftwareKey& key, Draft& draft) {
  kind_of(key.public_key().type()).hide(key, draft.secret);
  return {key.public_key(), false};
}

MadeKey make_rsa(const Mechanism&, Draft& public_draft, Draft& private_draft, const KeyMaking& making) {
  const CK_ULONG bits = public_draft.shown.number(CKA_MODULUS_BITS).value_or(0);
  refuse_if(bits < 1024 || bits > 8192, CKR_ATTRIBUTE_VALUE_INVALID,
            "CKA_MODULUS_BITS: length out of range (1024 to 8192 bits)");
  ByteView exponent = without_leading_zeros(public_draft.shown.get(CKA_PUBLIC_EXPONENT));
  if (!public_draft.shown.has(CKA_PUBLIC_EXPONENT)) exponent = kDefaultExponent;
  // With e = 1 nothing is encrypted, and an even e has no inverse. OpenSSL and verifiers reject exponents of more than
  // 64 bits.
  refuse_if(
      exponent.empty() || exponent.size() > 8 || !(exponent.back() & 1) || (exponent.size() == 1 && exponent[0] < 3),
      CKR_TEMPLATE_INCONSISTENT, "CKA_PUBLIC_EXPONENT must be odd and at least 3, of no more than 64 bits");
  const bool able = tpm::can_hold_rsa(static_cast<unsigned>(bits), exponent, /*imported=*/false);
  if (choose_resident(private_draft.shown, able, making)) {
    const auto number = static_cast<uint32_t>(read_be(exponent));
    return keep_in_tpm(tpm::create_rsa(*making.engine, {static_cast<unsigned>(bits), number}), private_draft, making);
  }
  return keep_in_software(*SoftwareKey::generate_rsa(static_cast<unsigned>(bits), exponent), private_draft);
}

MadeKey make_on_curve(const Mechanism& row, Draft& public_draft, Draft& private_draft, const KeyMaking& making) {
  const CK_KEY_TYPE type = row.key_type;
  const crypto::Curve curve = require_curve(public_draft.shown.get(CKA_EC_PARAMS), type);
  // Some applications repeat the parameters in the private template.
  if (const ByteView repeated = private_draft.shown.get(CKA_EC_PARAMS); !repeated.empty()) {
    refuse_if(require_curve(repeated, type) != curve, CKR_TEMPLATE_INCONSISTENT,
              "the two templates name different curves");
  }
  if (choose_resident(private_draft.shown, fits_the_tpm(curve), making)) {
    return keep_in_tpm(tpm::create_ec(*making.engine, curve), private_draft, making);
  }
  return keep_in_software(*SoftwareKey::generate_ec(curve), private_draft);
}

/// Sets CKA_VALUE_BITS of a DH key.
void show_value_bits(const SoftwareKey& key, Attributes& object) {
  object.set_number(CKA_VALUE_BITS, bit_length(key.private_value()));
}

std::unique_ptr<SoftwareKey> generate_dh(const crypto::DomainParameters& domain, std::optional<CK_ULONG> value_bits) {
  if (!value_bits) return SoftwareKey::generate_dh(domain, 0);
  constexpr const char* kReason = "CKA_VALUE_BITS is too small, or not less than the length of the prime";
  refuse_if(*value_bits == 0 || *value_bits > 8 * domain.prime.size(), CKR_ATTRIBUTE_VALUE_INVALID, kReason);
  try {
    return SoftwareKey::generate_dh(domain, static_cast<unsigned>(*value_bits));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInvalidArgument) throw;
    SoftwareKey::generate_dh(domain, 0);  // throws too if the domain parameters are wrong
    refuse(CKR_ATTRIBUTE_VALUE_INVALID, kReason);
  }
}

MadeKey make_in_field(const Mechanism& row, Draft& public_draft, Draft& private_draft, const KeyMaking& making) {
  const CK_KEY_TYPE type = row.key_type;
  choose_resident(private_draft.shown, /*able=*/false, making);
  const crypto::DomainParameters domain = domain_of(public_draft.shown);
  const CK_ULONG bits = bit_length(domain.prime);
  refuse_if(bits < row.min_size || bits > row.max_size, CKR_DOMAIN_PARAMS_INVALID,
            "CKA_PRIME is outside the mechanism's range");
  const auto key = refusing_invalid(CKR_DOMAIN_PARAMS_INVALID, [&] {
    crypto::check_domain_numbers(domain);
    return type == CKK_DSA ? SoftwareKey::generate_dsa(domain)
                           : generate_dh(domain, private_draft.shown.number(CKA_VALUE_BITS));
  });
  if (type == CKK_DH && !private_draft.shown.has(CKA_VALUE_BITS)) show_value_bits(*key, private_draft.shown);
  return keep_in_software(*key, private_draft);
}

using PairMaker = MadeKey (*)(const Mechanism& row, Draft& public_draft, Draft& private_draft, const KeyMaking& making);
constexpr FamilyTable<PairMaker> kPairMakers({
    {Family::kRsaKeyPair, make_rsa},
    {Family::kEcKeyPair, make_on_curve},
    {Family::kFieldKeyPair, make_in_field},
});
static_assert(kPairMakers.covers(CKF_GENERATE_KEY_PAIR));

/// The default length of the subprime (PKCS#11 3.2, 6.2.5).
CK_ULONG default_subprime_bits(CK_ULONG prime_bits) {
  return prime_bits <= 1024 ? 160 : prime_bits <= 2048 ? 224 : 256;
}

void require_class(const Template& object, CK_OBJECT_CLASS object_class, CK_KEY_TYPE type) {
  refuse_if(object.number(CKA_CLASS).value_or(object_class) != object_class ||
                object.number(CKA_KEY_TYPE).value_or(type) != type,
            CKR_TEMPLATE_INCONSISTENT, "CKA_CLASS or CKA_KEY_TYPE is not what the mechanism makes");
}

Draft generated_draft(CK_OBJECT_CLASS object_class, CK_KEY_TYPE type, const Template& object, Who who) {
  require_class(object, object_class, type);
  // PKCS#11 3.2, 4.10: "If it does not support the attribute, the command SHALL return CKR_ATTRIBUTE_TYPE_INVALID."
  refuse_if(object.has(CKA_PUBLIC_KEY_INFO), CKR_ATTRIBUTE_TYPE_INVALID,
            "CKA_PUBLIC_KEY_INFO cannot be known before the key is made");
  Draft draft = make_draft(Schema::of(object_class, type), Making::kGenerate, object, who);
  draft.shown.set_number(CKA_CLASS, object_class);
  draft.shown.set_number(CKA_KEY_TYPE, type);
  return draft;
}

}  // namespace

KeyPairDraft generate_key_pair(const Mechanism& mechanism, const Template& public_template,
                               const Template& private_template, const KeyMaking& making) {
  const CK_KEY_TYPE type = mechanism.key_type;
  KeyPairDraft pair{generated_draft(CKO_PUBLIC_KEY, type, public_template, making.who),
                    generated_draft(CKO_PRIVATE_KEY, type, private_template, making.who)};
  Attributes& public_shown = pair.public_key.shown;
  Attributes& private_shown = pair.private_key.shown;
  check_always_authenticate(pair.private_key);
  // Both halves get the same CKA_ID, whichever template has it.
  if (!private_shown.has(CKA_ID) && public_shown.has(CKA_ID)) private_shown.set(CKA_ID, public_shown.get(CKA_ID));
  if (!public_shown.has(CKA_ID) && private_shown.has(CKA_ID)) public_shown.set(CKA_ID, private_shown.get(CKA_ID));
  default_uses_of_users(kind_of(type), public_shown);
  default_uses_of_users(kind_of(type), private_shown);

  const MadeKey key = kPairMakers[mechanism.family](mechanism, pair.public_key, pair.private_key, making);
  describe_public_key(key.public_key, public_shown);
  describe_origin(public_shown, /*local=*/true, mechanism.type);
  finish_private_key(pair.private_key, key.public_key, key.resident, /*local=*/true, mechanism.type);
  return pair;
}

Draft generate_domain(const Mechanism& mechanism, const Template& wanted, Who who) {
  Draft draft = generated_draft(CKO_DOMAIN_PARAMETERS, mechanism.key_type, wanted, who);
  Attributes& shown = draft.shown;
  const CK_ULONG bits = shown.number(CKA_PRIME_BITS).value_or(0);
  refuse_if(bits < mechanism.min_size || bits > mechanism.max_size, CKR_ATTRIBUTE_VALUE_INVALID,
            "CKA_PRIME_BITS is outside the mechanism's range");
  std::optional<crypto::DomainParameters> domain;
  if (mechanism.key_type == CKK_DH) {
    domain = crypto::dh_group(("ffdhe" + std::to_string(bits)).c_str());
    refuse_if(!domain, CKR_ATTRIBUTE_VALUE_INVALID, "there are groups of 2048, 3072, 4096, 6144 and 8192 bits");
  } else {
    const CK_ULONG subprime = shown.number(CKA_SUB_PRIME_BITS).value_or(default_subprime_bits(bits));
    refuse_if(subprime > UINT16_MAX, CKR_ATTRIBUTE_VALUE_INVALID,
              "CKA_SUB_PRIME_BITS: length out of range (at most 65535 bits)");
    domain = refusing_invalid(CKR_ATTRIBUTE_VALUE_INVALID, [&] {
      return crypto::generate_dsa_domain(static_cast<unsigned>(bits), static_cast<unsigned>(subprime));
    });
    shown.set(CKA_SUBPRIME, domain->subprime);
    shown.set_number(CKA_SUB_PRIME_BITS, subprime);
  }
  shown.set(CKA_PRIME, domain->prime);
  shown.set(CKA_BASE, domain->base);
  shown.set_flag(CKA_LOCAL, true);
  return draft;
}

void complete_domain(Draft& draft) {
  Attributes& shown = draft.shown;
  const auto bits = [&](CK_ATTRIBUTE_TYPE type) {
    const CK_ULONG count = bit_length(shown.get(type));
    refuse_if(count == 0, CKR_ATTRIBUTE_VALUE_INVALID, "a domain parameter is zero");
    return count;
  };
  bits(CKA_BASE);
  shown.set_number(CKA_PRIME_BITS, bits(CKA_PRIME));
  if (shown.number(CKA_KEY_TYPE) == CKK_DSA) shown.set_number(CKA_SUB_PRIME_BITS, bits(CKA_SUBPRIME));
  shown.set_flag(CKA_LOCAL, false);
}

namespace {

/// CKM_PUB_KEY_FROM_PRIV_KEY: the attributes of the private key that are the defaults of the public key (PKCS#11 3.2,
/// 6.43; CKA_ENCAPSULATE by analogy).
constexpr struct {
  CK_ATTRIBUTE_TYPE to, from;
} kOfPrivateKeys[] = {{CKA_ENCRYPT, CKA_DECRYPT},
                      {CKA_VERIFY, CKA_SIGN},
                      {CKA_VERIFY_RECOVER, CKA_SIGN_RECOVER},
                      {CKA_WRAP, CKA_UNWRAP},
                      {CKA_DERIVE, CKA_DERIVE},
                      {CKA_ENCAPSULATE, CKA_DECAPSULATE},
                      {CKA_ID, CKA_ID},
                      {CKA_START_DATE, CKA_START_DATE},
                      {CKA_END_DATE, CKA_END_DATE},
                      {CKA_SUBJECT, CKA_SUBJECT},
                      {CKA_ALLOWED_MECHANISMS, CKA_ALLOWED_MECHANISMS}};

}  // namespace

Draft public_half_of(const Object& private_key, const Template& wanted, Who who) {
  const CK_KEY_TYPE type = *private_key.shown.number(CKA_KEY_TYPE);
  require_class(wanted, CKO_PUBLIC_KEY, type);
  Draft draft = make_draft(Schema::of(CKO_PUBLIC_KEY, type), Making::kMake, wanted, who);
  draft.shown.set_number(CKA_CLASS, CKO_PUBLIC_KEY);
  draft.shown.set_number(CKA_KEY_TYPE, type);
  for (const auto& [to, from] : kOfPrivateKeys) {
    if (!wanted.has(to) && private_key.shown.has(from)) draft.shown.set(to, private_key.shown.get(from));
  }
  check_public_key_info(draft.shown, *public_key_of(private_key), CKR_TEMPLATE_INCONSISTENT);
  check_point(draft.shown, *public_key_of(private_key));
  describe_public_key(*public_key_of(private_key), draft.shown);
  describe_origin(draft.shown, /*local=*/false, 0);
  if (const auto mechanism = private_key.shown.number(CKA_KEY_GEN_MECHANISM)) {
    draft.shown.set_number(CKA_KEY_GEN_MECHANISM, *mechanism);
  }
  return draft;
}

void complete_public_key(Draft& draft) {
  const PublicKey key =
      refusing_invalid(CKR_ATTRIBUTE_VALUE_INVALID, [&] { return kind_of(draft.shown).public_key(draft.shown); });
  check_public_key_info(draft.shown, key, CKR_TEMPLATE_INCONSISTENT);
  default_uses_of_users(kind_of(draft.shown), draft.shown);
  describe_public_key(key, draft.shown);
  describe_origin(draft.shown, /*local=*/false, 0);
}

namespace {

bool fits_the_tpm(const PublicKey& key) {
  if (key.type() == crypto::KeyType::kRsa) {
    return tpm::can_hold_rsa(static_cast<unsigned>(key.bits()), key.exponent(), /*imported=*/true);
  }
  return key.type() == crypto::KeyType::kEc && fits_the_tpm(key.curve());
}

tpm::KeyBlob import_into_tpm(const SoftwareKey& key, tpm::Engine& engine) {
  if (key.public_key().type() == crypto::KeyType::kRsa) return tpm::import_rsa(engine, key.rsa_numbers());
  return tpm::import_ec(engine, key.public_key(), key.ec_scalar());
}

}  // namespace

bool is_of_type(const SoftwareKey& key, CK_KEY_TYPE type) { return kind_of(key.public_key().type()).type == type; }

void place_private_key(Draft& draft, const SoftwareKey& key, const KeyMaking& making) {
  const PublicKey& half = key.public_key();
  check_always_authenticate(draft);
  check_public_key_info(draft.shown, half, CKR_ATTRIBUTE_VALUE_INVALID);
  check_point(draft.shown, half);
  draft.secret = {};
  const bool resident = choose_resident(draft.shown, fits_the_tpm(half), making);
  if (resident) {
    keep_blob(import_into_tpm(key, *making.engine), draft.secret);
  } else {
    keep_in_software(key, draft);
    if (half.type() == crypto::KeyType::kDh) show_value_bits(key, draft.shown);
  }
  finish_private_key(draft, half, resident, /*local=*/false, 0);
}

void import_private_key(Draft& draft, const KeyMaking& making) {
  const KeyKind& kind = kind_of(draft.shown);
  default_uses_of_users(kind, draft.shown);
  refuse_if(kind.type == CKK_RSA && !draft.shown.has(CKA_PUBLIC_EXPONENT), CKR_TEMPLATE_INCOMPLETE,
            "CKA_PUBLIC_EXPONENT is missing");
  // The software key computes missing CRT numbers and checks that all numbers belong together.
  const auto key =
      refusing_invalid(CKR_ATTRIBUTE_VALUE_INVALID, [&] { return kind.private_key(draft.shown, draft.secret); });
  place_private_key(draft, *key, making);
}

void keep_blob(const tpm::KeyBlob& blob, SecretAttributes& secret) {
  secret.set(kFieldTpmPublic, blob.public_area);
  secret.set(kFieldTpmPrivate, blob.private_area);
  secret.set(kFieldTpmAuth, blob.auth);
  if (blob.creation_data.empty()) return;
  secret.set(kFieldCreationData, blob.creation_data);
  secret.set(kFieldCreationHash, blob.creation_hash);
  secret.set(kFieldCreationTicket, blob.creation_ticket);
}

tpm::KeyBlob blob_of(const SecretAttributes& secret) {
  tpm::KeyBlob blob;
  blob.public_area = to_bytes(secret.get(kFieldTpmPublic));
  blob.private_area = to_bytes(secret.get(kFieldTpmPrivate));
  blob.auth = SecretBytes(secret.get(kFieldTpmAuth));
  blob.creation_data = to_bytes(secret.get(kFieldCreationData));
  blob.creation_hash = to_bytes(secret.get(kFieldCreationHash));
  blob.creation_ticket = to_bytes(secret.get(kFieldCreationTicket));
  return blob;
}

std::shared_ptr<crypto::PrivateKey> open_private_key(const Object& object, const SecretAttributes& secret,
                                                     const std::shared_ptr<tpm::Engine>& engine) {
  if (object.shown.has(CKA_VTPM_HANDLE)) return open_persistent_key(object.shown, secret.get(CKA_VTPM_AUTH), engine);
  if (object.shown.flag(CKA_VTPM_RESIDENT)) {
    refuse_if(!engine, CKR_USER_NOT_LOGGED_IN, "keys in the TPM can be used after login only");
    return std::make_shared<tpm::ResidentKey>(engine, blob_of(secret));
  }
  return kind_of(object.shown).private_key(object.shown, secret);
}

Bytes default_key_id(const PublicKey& key) {
  constexpr auto kBitString = static_cast<DerTag>(0x03);
  const Bytes info = key.spki();
  DerReader outer(info);
  DerReader fields(outer.next(DerTag::kSequence).value().contents);
  fields.next(DerTag::kSequence);  // AlgorithmIdentifier
  // The first byte counts unused bits; the rest is the RSAPublicKey, or the point.
  return crypto::digest(crypto::Hash::kSha1, fields.next(kBitString).value().contents.subspan(1));
}

}  // namespace vtpm::pkcs11
