#include "pkcs11/key_factory.h"

#include "crypto/digest.h"
#include "pkcs11/refusal.h"
#include "pkcs11/tpm_object.h"
#include "store/der.h"

namespace vtpm::pkcs11 {
namespace {

using crypto::PublicKey;
using crypto::SoftwareKey;

constexpr uint8_t kDefaultExponent[] = {0x01, 0x00, 0x01};

ByteView without_leading_zeros(ByteView number) {
  while (!number.empty() && number[0] == 0) number = number.subspan(1);
  return number;
}

// --- points: CKA_EC_POINT is a DER OCTET STRING (PKCS#11 2.40, 2.3.3) ---

Bytes wrap_point(ByteView point) {
  Bytes der;
  store::write_der(der, store::Tag::kOctetString, point);
  return der;
}

/// Accepts the DER form and, as several applications send it, the raw point.
ByteView unwrap_point(ByteView value, size_t point_octets) {
  if (value.size() == point_octets) return value;
  store::DerReader reader(value);
  auto string = reader.next(store::Tag::kOctetString);
  if (string && reader.empty() && string->contents.size() == point_octets) return string->contents;
  refuse(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_EC_POINT is not an uncompressed point of the curve");
}

crypto::Curve curve_of(ByteView parameters) {
  auto curve = crypto::curve_from_parameters(parameters);
  // Those that the TPM can hold. crypto/ knows more of them than the mechanism table offers so far.
  const bool offered = curve == crypto::Curve::kP256 || curve == crypto::Curve::kP384 || curve == crypto::Curve::kP521;
  refuse_if(!offered, CKR_CURVE_NOT_SUPPORTED, "CKA_EC_PARAMS names no curve of this token (P-256, P-384, P-521)");
  return *curve;
}

// --- attributes that the key itself decides ---

void describe_public_numbers(const PublicKey& key, Attributes& object) {
  if (key.type() == crypto::KeyType::kRsa) {
    object.set(CKA_MODULUS, key.modulus());
    object.set(CKA_PUBLIC_EXPONENT, key.exponent());
  } else {
    object.set(CKA_EC_PARAMS, crypto::curve_oid(key.curve()));
    object.set(CKA_EC_POINT, wrap_point(key.point()));
  }
  object.set(CKA_PUBLIC_KEY_INFO, key.spki());
}

void default_use(Attributes& object, CK_ATTRIBUTE_TYPE use, bool able) {
  if (!object.has(use)) object.set_flag(use, able);
}

}  // namespace

void describe_public_key(const PublicKey& key, Attributes& object) {
  const bool rsa = key.type() == crypto::KeyType::kRsa;
  describe_public_numbers(key, object);
  if (rsa) object.set_number(CKA_MODULUS_BITS, key.bits());
  default_use(object, CKA_ENCRYPT, rsa);
  default_use(object, CKA_VERIFY, true);
  default_use(object, CKA_DERIVE, !rsa);
  if (object.get(CKA_ID).empty()) object.set(CKA_ID, default_key_id(key));
}

void describe_private_key(const PublicKey& key, Attributes& object) {
  const bool rsa = key.type() == crypto::KeyType::kRsa;
  describe_public_numbers(key, object);
  default_use(object, CKA_DECRYPT, rsa);
  default_use(object, CKA_SIGN, true);
  default_use(object, CKA_DERIVE, !rsa);
  if (object.get(CKA_ID).empty()) object.set(CKA_ID, default_key_id(key));
}

namespace {

void describe_origin(Attributes& object, bool local, CK_ULONG mechanism) {
  object.set_flag(CKA_LOCAL, local);
  object.set_number(CKA_KEY_GEN_MECHANISM, local ? mechanism : CK_UNAVAILABLE_INFORMATION);
}

// --- secret parts ---

void keep_software_key(const SoftwareKey& key, SecretAttributes& secret) {
  if (key.public_key().type() == crypto::KeyType::kEc) {
    secret.set(CKA_VALUE, key.ec_scalar());
    return;
  }
  crypto::RsaNumbers numbers = key.rsa_numbers();
  secret.set(CKA_PRIVATE_EXPONENT, numbers.private_exponent);
  secret.set(CKA_PRIME_1, numbers.prime1);
  secret.set(CKA_PRIME_2, numbers.prime2);
  secret.set(CKA_EXPONENT_1, numbers.exponent1);
  secret.set(CKA_EXPONENT_2, numbers.exponent2);
  secret.set(CKA_COEFFICIENT, numbers.coefficient);
}

crypto::RsaNumbers numbers_of(const Attributes& shown, const SecretAttributes& secret) {
  crypto::RsaNumbers numbers;
  numbers.modulus = to_bytes(shown.get(CKA_MODULUS));
  numbers.public_exponent = to_bytes(shown.get(CKA_PUBLIC_EXPONENT));
  numbers.private_exponent = SecretBytes(secret.get(CKA_PRIVATE_EXPONENT));
  numbers.prime1 = SecretBytes(secret.get(CKA_PRIME_1));
  numbers.prime2 = SecretBytes(secret.get(CKA_PRIME_2));
  numbers.exponent1 = SecretBytes(secret.get(CKA_EXPONENT_1));
  numbers.exponent2 = SecretBytes(secret.get(CKA_EXPONENT_2));
  numbers.coefficient = SecretBytes(secret.get(CKA_COEFFICIENT));
  return numbers;
}

// --- the rule ---

/// `able`: the TPM knows keys of this type and size. Throws when someone insists on what can not be.
bool choose_resident(const Attributes& object, bool able, const KeyMaking& making) {
  const bool honours = able && making.engine && object.flag(CKA_SENSITIVE) && !object.flag(CKA_EXTRACTABLE);
  const bool demanded = object.flag(CKA_VTPM_RESIDENT) || making.placement == Placement::kTpmOnly;
  refuse_if(demanded && !honours, CKR_TEMPLATE_INCONSISTENT,
            "the key must live in the TPM (CKA_VTPM_RESIDENT or placement), but the TPM can not honour its template");
  const bool declined = object.has(CKA_VTPM_RESIDENT) && !object.flag(CKA_VTPM_RESIDENT);
  return demanded || (honours && !declined && making.placement != Placement::kSoftware);
}

void check_always_authenticate(const Draft& draft) {
  refuse_if(draft.shown.flag(CKA_ALWAYS_AUTHENTICATE) && !draft.is_private(), CKR_TEMPLATE_INCONSISTENT,
            "CKA_ALWAYS_AUTHENTICATE is for keys with CKA_PRIVATE CK_TRUE (4.9)");
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

MadeKey make_rsa(Draft& public_draft, Draft& private_draft, const KeyMaking& making) {
  const CK_ULONG bits = public_draft.shown.number(CKA_MODULUS_BITS).value_or(0);
  refuse_if(bits < 1024 || bits > 8192, CKR_KEY_SIZE_RANGE, "RSA keys have 1024 to 8192 bits");
  refuse_if(bits % 8 != 0, CKR_KEY_SIZE_RANGE, "the modulus must be a whole number of octets");
  ByteView exponent = without_leading_zeros(public_draft.shown.get(CKA_PUBLIC_EXPONENT));
  if (!public_draft.shown.has(CKA_PUBLIC_EXPONENT)) exponent = kDefaultExponent;
  // e = 1 would be no encryption at all; an even e has no inverse. Beyond 64 bits OpenSSL and every verifier refuse.
  refuse_if(
      exponent.empty() || exponent.size() > 8 || !(exponent.back() & 1) || (exponent.size() == 1 && exponent[0] < 3),
      CKR_ATTRIBUTE_VALUE_INVALID, "CKA_PUBLIC_EXPONENT must be odd and at least 3");
  const bool able = tpm::can_hold_rsa(static_cast<unsigned>(bits), exponent, /*imported=*/false);
  if (choose_resident(private_draft.shown, able, making)) {
    uint32_t number = 0;
    for (uint8_t octet : exponent) number = number << 8 | octet;
    tpm::KeyBlob blob = tpm::create_rsa(*making.engine, {static_cast<unsigned>(bits), number});
    keep_blob(blob, private_draft.secret);
    return {tpm::public_key_of(blob), true};
  }
  auto key = SoftwareKey::generate_rsa(static_cast<unsigned>(bits), exponent);
  keep_software_key(*key, private_draft.secret);
  return {key->public_key(), false};
}

MadeKey make_ec(Draft& public_draft, Draft& private_draft, const KeyMaking& making) {
  const crypto::Curve curve = curve_of(public_draft.shown.get(CKA_EC_PARAMS));
  // Some applications repeat the parameters in the private template.
  if (private_draft.shown.has(CKA_EC_PARAMS) && curve_of(private_draft.shown.get(CKA_EC_PARAMS)) != curve) {
    refuse(CKR_TEMPLATE_INCONSISTENT, "the two templates name different curves");
  }
  if (choose_resident(private_draft.shown, /*able=*/true, making)) {
    tpm::KeyBlob blob = tpm::create_ec(*making.engine, curve);
    keep_blob(blob, private_draft.secret);
    return {tpm::public_key_of(blob), true};
  }
  auto key = SoftwareKey::generate_ec(curve);
  keep_software_key(*key, private_draft.secret);
  return {key->public_key(), false};
}

void require_class(const Template& object, CK_OBJECT_CLASS object_class, CK_KEY_TYPE type) {
  refuse_if(object.number(CKA_CLASS).value_or(object_class) != object_class ||
                object.number(CKA_KEY_TYPE).value_or(type) != type,
            CKR_TEMPLATE_INCONSISTENT, "CKA_CLASS or CKA_KEY_TYPE is not what the mechanism makes");
}

Draft generated_draft(CK_OBJECT_CLASS object_class, CK_KEY_TYPE type, const Template& object, bool so) {
  require_class(object, object_class, type);
  Draft draft = make_draft(Schema::of(object_class, type), Making::kGenerate, object, so);
  draft.shown.set_number(CKA_CLASS, object_class);
  draft.shown.set_number(CKA_KEY_TYPE, type);
  return draft;
}

}  // namespace

KeyPairDraft generate_key_pair(const Mechanism& mechanism, const Template& public_template,
                               const Template& private_template, const KeyMaking& making) {
  const bool rsa = mechanism.family == Family::kRsaKeyPair;
  const CK_KEY_TYPE type = rsa ? CKK_RSA : CKK_EC;
  KeyPairDraft pair{generated_draft(CKO_PUBLIC_KEY, type, public_template, making.so),
                    generated_draft(CKO_PRIVATE_KEY, type, private_template, making.so)};
  Attributes& public_shown = pair.public_key.shown;
  Attributes& private_shown = pair.private_key.shown;
  check_always_authenticate(pair.private_key);
  // One CKA_ID for both halves, whichever template gives it.
  if (private_shown.get(CKA_ID).empty()) private_shown.set(CKA_ID, public_shown.get(CKA_ID));
  if (public_shown.get(CKA_ID).empty()) public_shown.set(CKA_ID, private_shown.get(CKA_ID));

  MadeKey key =
      rsa ? make_rsa(pair.public_key, pair.private_key, making) : make_ec(pair.public_key, pair.private_key, making);
  describe_public_key(key.public_key, public_shown);
  describe_origin(public_shown, /*local=*/true, mechanism.type);
  finish_private_key(pair.private_key, key.public_key, key.resident, /*local=*/true, mechanism.type);
  return pair;
}

void complete_public_key(Draft& draft) {
  std::optional<PublicKey> key;
  try {
    if (draft.shown.number(CKA_KEY_TYPE) == CKK_RSA) {
      key = PublicKey::rsa(draft.shown.get(CKA_MODULUS), draft.shown.get(CKA_PUBLIC_EXPONENT));
    } else {
      const crypto::Curve curve = curve_of(draft.shown.get(CKA_EC_PARAMS));
      key = PublicKey::ec(curve, unwrap_point(draft.shown.get(CKA_EC_POINT), 1 + 2 * crypto::curve_octets(curve)));
    }
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInvalidArgument) throw;
    refuse(CKR_ATTRIBUTE_VALUE_INVALID, error.sentence());
  }
  ByteView info = draft.shown.get(CKA_PUBLIC_KEY_INFO);
  refuse_if(!info.empty() && !equal(info, key->spki()), CKR_TEMPLATE_INCONSISTENT,
            "CKA_PUBLIC_KEY_INFO is not of this key");
  describe_public_key(*key, draft.shown);
  describe_origin(draft.shown, /*local=*/false, 0);
}

namespace {

MadeKey import_rsa(Draft& draft, const KeyMaking& making) {
  // SoftwareKey completes what the template left out (CRT numbers) and checks that the numbers belong together.
  auto key = SoftwareKey::import_rsa(numbers_of(draft.shown, draft.secret));
  const PublicKey& public_key = key->public_key();
  const bool able = tpm::can_hold_rsa(static_cast<unsigned>(public_key.bits()), public_key.exponent(), true);
  draft.secret = {};
  if (choose_resident(draft.shown, able, making)) {
    keep_blob(tpm::import_rsa(*making.engine, key->rsa_numbers()), draft.secret);
    return {public_key, true};
  }
  keep_software_key(*key, draft.secret);
  return {public_key, false};
}

MadeKey import_ec(Draft& draft, const KeyMaking& making) {
  const crypto::Curve curve = curve_of(draft.shown.get(CKA_EC_PARAMS));
  auto key = SoftwareKey::import_ec(curve, draft.secret.get(CKA_VALUE));
  if (ByteView point = draft.shown.get(CKA_EC_POINT); !point.empty()) {
    refuse_if(!equal(unwrap_point(point, 1 + 2 * crypto::curve_octets(curve)), key->public_key().point()),
              CKR_TEMPLATE_INCONSISTENT, "CKA_EC_POINT is not the point of CKA_VALUE");
  }
  draft.secret = {};
  if (choose_resident(draft.shown, /*able=*/true, making)) {
    keep_blob(tpm::import_ec(*making.engine, key->public_key(), key->ec_scalar()), draft.secret);
    return {key->public_key(), true};
  }
  keep_software_key(*key, draft.secret);
  return {key->public_key(), false};
}

}  // namespace

void import_private_key(Draft& draft, const KeyMaking& making) {
  const bool rsa = draft.shown.number(CKA_KEY_TYPE) == CKK_RSA;
  refuse_if(rsa && !draft.shown.has(CKA_PUBLIC_EXPONENT), CKR_TEMPLATE_INCOMPLETE, "CKA_PUBLIC_EXPONENT is missing");
  check_always_authenticate(draft);
  try {
    MadeKey key = rsa ? import_rsa(draft, making) : import_ec(draft, making);
    finish_private_key(draft, key.public_key, key.resident, /*local=*/false, 0);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInvalidArgument) throw;
    refuse(CKR_ATTRIBUTE_VALUE_INVALID, error.sentence());
  }
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
    refuse_if(!engine, CKR_USER_NOT_LOGGED_IN, "keys in the TPM work after login only");
    return std::make_shared<tpm::ResidentKey>(engine, blob_of(secret));
  }
  if (object.shown.number(CKA_KEY_TYPE) == CKK_RSA) return SoftwareKey::import_rsa(numbers_of(object.shown, secret));
  return SoftwareKey::import_ec(curve_of(object.shown.get(CKA_EC_PARAMS)), secret.get(CKA_VALUE));
}

Bytes default_key_id(const PublicKey& key) {
  constexpr auto kBitString = static_cast<store::Tag>(0x03);
  const Bytes info = key.spki();
  store::DerReader outer(info);
  store::DerReader fields(outer.next(store::Tag::kSequence).value().contents);
  fields.next(store::Tag::kSequence);  // AlgorithmIdentifier
  // The first octet counts unused bits; the rest is the RSAPublicKey, or the point.
  return crypto::digest(crypto::Hash::kSha1, fields.next(kBitString).value().contents.subspan(1));
}

}  // namespace vtpm::pkcs11
