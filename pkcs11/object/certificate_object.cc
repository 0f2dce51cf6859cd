// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/object/certificate_object.h"

#include "base/der.h"
#include "crypto/certificate/certificate.h"
#include "crypto/hash/digest.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/mechanism/mechanism.h"
#include "pkcs11/object/key_factory.h"

namespace vtpm::pkcs11 {
namespace {

constexpr size_t kCheckBytes = 3;

void set_if_empty(Attributes& object, CK_ATTRIBUTE_TYPE type, ByteView value) {
  if (object.get(type).empty() && !value.empty()) object.set(type, value);
}

/// A certificate may begin, or end, in a year that a CK_DATE cannot have (3.4); then it is left open.
void set_date_if_empty(Attributes& object, CK_ATTRIBUTE_TYPE type, ByteView date) {
  if (well_formed(*attribute_row(type), date)) set_if_empty(object, type, date);
}

void check_choices(const Attributes& shown) {
  // CKA_CERTIFICATE_CATEGORY: 0 unspecified, 1 token user, 2 authority, 3 other entity. CKA_JAVA_MIDP_SECURITY_DOMAIN:
  // 0 unspecified, 1 manufacturer, 2 operator, 3 third party.
  for (const CK_ATTRIBUTE_TYPE type : {CKA_CERTIFICATE_CATEGORY, CKA_JAVA_MIDP_SECURITY_DOMAIN}) {
    if (shown.number(type).value_or(0) > 3) refuse(CKR_ATTRIBUTE_VALUE_INVALID, attribute_name(type) + " is 0 to 3");
  }
}

/// Footnotes 3 and 4 of the table of X.509 certificates: a certificate at a URL is identified by the hashes of its
/// keys.
void check_place(const Attributes& shown) {
  const bool elsewhere = !shown.get(CKA_URL).empty();
  refuse_if(shown.get(CKA_VALUE).empty() && !elsewhere, CKR_TEMPLATE_INCOMPLETE,
            "a certificate needs a CKA_VALUE or a CKA_URL");
  const auto hash = digest_of_mechanism(shown.number(CKA_NAME_HASH_ALGORITHM).value_or(CKM_SHA_1));
  refuse_if(!hash, CKR_ATTRIBUTE_VALUE_INVALID, "CKA_NAME_HASH_ALGORITHM must be a digest mechanism");
  for (const CK_ATTRIBUTE_TYPE type : {CKA_HASH_OF_SUBJECT_PUBLIC_KEY, CKA_HASH_OF_ISSUER_PUBLIC_KEY}) {
    const size_t bytes = shown.get(type).size();
    if (elsewhere && bytes == 0) refuse(CKR_TEMPLATE_INCOMPLETE, "a CKA_URL needs " + attribute_name(type));
    if (bytes != 0 && bytes != crypto::hash_bytes(*hash)) {
      refuse(CKR_ATTRIBUTE_VALUE_INVALID, attribute_name(type) + " is not a digest by CKA_NAME_HASH_ALGORITHM");
    }
  }
}

/// Checks or sets CKA_CHECK_VALUE: the first bytes of the SHA-1 of CKA_VALUE. It cannot be checked if the certificate
/// is at a URL.
void check_check_value(const Attributes& shown) {
  const ByteView given = shown.get(CKA_CHECK_VALUE);
  if (given.empty()) return;
  if (shown.get(CKA_VALUE).empty()) {
    refuse_if(given.size() != kCheckBytes, CKR_ATTRIBUTE_VALUE_INVALID, "CKA_CHECK_VALUE must have three bytes");
    return;
  }
  const Bytes digest = crypto::digest(crypto::Hash::kSha1, shown.get(CKA_VALUE));
  refuse_if(!equal(given, ByteView(digest).first(kCheckBytes)), CKR_ATTRIBUTE_VALUE_INVALID,
            "CKA_CHECK_VALUE does not match the certificate");
}

/// The contents of an attribute certificate (RFC 5755, 4.1): DER elements, and dates of eight digits.
struct AttributeCertificate {
  ByteView holder, issuer, serial, not_before, not_after;
  Bytes types;  // SEQUENCE OF OBJECT IDENTIFIER
};

/// Parses an attribute certificate, because libcrypto 3.0 cannot. Nothing unless `der` is a complete one of version 2.
std::optional<AttributeCertificate> parse_attribute_certificate(ByteView der) {
  constexpr DerTag kBitString{0x03}, kObjectIdentifier{0x06};
  DerReader file(der);
  const auto whole = file.next(DerTag::kSequence);
  if (!whole || !file.empty()) return std::nullopt;
  DerReader parts(whole->contents);
  const auto info = parts.next(DerTag::kSequence);
  if (!info || !parts.next(DerTag::kSequence) || !parts.next(kBitString) || !parts.empty()) return std::nullopt;

  DerReader fields(info->contents);
  const auto version = fields.next(DerTag::kInteger), holder = fields.next(DerTag::kSequence), issuer = fields.next();
  const bool has_algorithm = fields.next(DerTag::kSequence).has_value();
  const auto serial = fields.next(DerTag::kInteger), validity = fields.next(DerTag::kSequence),
             attributes = fields.next(DerTag::kSequence);
  if (!version || read_der_unsigned(*version) != 1 || !holder || !issuer || !has_algorithm || !serial || !validity ||
      !attributes) {
    return std::nullopt;
  }
  DerReader dates(validity->contents);
  const auto not_before = dates.next(DerTag::kGeneralizedTime), not_after = dates.next(DerTag::kGeneralizedTime);
  if (!not_before || !not_after || not_before->contents.size() < 8 || not_after->contents.size() < 8) {
    return std::nullopt;
  }
  Bytes types;
  for (DerReader rest(attributes->contents); !rest.empty();) {
    const auto attribute = rest.next(DerTag::kSequence);
    const auto type = attribute ? DerReader(attribute->contents).next(kObjectIdentifier) : std::nullopt;
    if (!type) return std::nullopt;
    append(types, type->bytes);
  }
  AttributeCertificate out{
      holder->bytes, issuer->bytes, serial->bytes, not_before->contents.first(8), not_after->contents.first(8), {}};
  write_der(out.types, DerTag::kSequence, types);
  return out;
}

void complete_attribute_certificate(const AttributeCertificate& fields, Attributes& shown) {
  set_if_empty(shown, CKA_OWNER, fields.holder);
  set_if_empty(shown, CKA_AC_ISSUER, fields.issuer);
  set_if_empty(shown, CKA_SERIAL_NUMBER, fields.serial);
  set_if_empty(shown, CKA_ATTR_TYPES, fields.types);
  set_date_if_empty(shown, CKA_START_DATE, fields.not_before);
  set_date_if_empty(shown, CKA_END_DATE, fields.not_after);
}

void complete_x509(const crypto::CertificateFields& fields, Attributes& shown) {
  const ByteView public_key = shown.get(CKA_PUBLIC_KEY_INFO);
  refuse_if(!public_key.empty() && !equal(public_key, fields.public_key), CKR_ATTRIBUTE_VALUE_INVALID,
            "CKA_PUBLIC_KEY_INFO does not match the certificate");
  set_if_empty(shown, CKA_SUBJECT, fields.subject);
  set_if_empty(shown, CKA_ISSUER, fields.issuer);
  set_if_empty(shown, CKA_SERIAL_NUMBER, fields.serial);
  set_if_empty(shown, CKA_PUBLIC_KEY_INFO, fields.public_key);
  set_date_if_empty(shown, CKA_START_DATE, as_bytes(fields.not_before));
  set_date_if_empty(shown, CKA_END_DATE, as_bytes(fields.not_after));
  if (shown.has(CKA_ID)) return;
  // The default CKA_ID of the certificate's key, so that applications find it.
  if (auto key = crypto::PublicKey::from_spki(fields.public_key)) shown.set(CKA_ID, default_key_id(*key));
}

/// The certificate in CKA_VALUE; nothing unless CKA_VALUE is the DER of one, without further bytes.
std::optional<crypto::CertificateFields> x509_of(const Attributes& shown) {
  auto fields = crypto::parse_certificate(shown.get(CKA_VALUE));
  if (!fields || fields->bytes != shown.get(CKA_VALUE).size()) return std::nullopt;
  return fields;
}

bool is_attribute_certificate(const Attributes& shown) {
  return shown.number(CKA_CERTIFICATE_TYPE) == CKC_X_509_ATTR_CERT;
}

/// Completes the draft from CKA_VALUE, if that is the DER of a certificate.
bool complete_from_value(Attributes& shown) {
  if (is_attribute_certificate(shown)) {
    const auto fields = parse_attribute_certificate(shown.get(CKA_VALUE));
    if (fields) complete_attribute_certificate(*fields, shown);
    return fields.has_value();
  }
  const auto fields = x509_of(shown);
  if (fields) complete_x509(*fields, shown);
  return fields.has_value();
}

}  // namespace

void complete_certificate(Draft& draft) {
  Attributes& shown = draft.shown;
  const bool is_x509 = !is_attribute_certificate(shown);
  check_choices(shown);
  check_check_value(shown);
  if (is_x509) check_place(shown);
  refuse_if(!is_x509 && shown.get(CKA_VALUE).empty(), CKR_ATTRIBUTE_VALUE_INVALID,
            "CKA_VALUE of an attribute certificate is empty");
  if (!shown.get(CKA_VALUE).empty() && complete_from_value(shown) && !shown.has(CKA_CHECK_VALUE)) {
    const Bytes digest = crypto::digest(crypto::Hash::kSha1, shown.get(CKA_VALUE));
    shown.set(CKA_CHECK_VALUE, ByteView(digest).first(kCheckBytes));
  }
  if (is_x509 && !shown.has(CKA_ID)) shown.set(CKA_ID, {});
  check_trusted_certificate(shown);
}

void check_trusted_certificate(const Attributes& shown) {
  if (!shown.flag(CKA_TRUSTED) || shown.get(CKA_VALUE).empty()) return;
  const bool reads = is_attribute_certificate(shown) ? parse_attribute_certificate(shown.get(CKA_VALUE)).has_value()
                                                     : x509_of(shown).has_value();
  refuse_if(!reads, CKR_ATTRIBUTE_READ_ONLY,
            "CKA_TRUSTED of a certificate whose CKA_VALUE is not DER cannot be set to CK_TRUE");
}

}  // namespace vtpm::pkcs11
