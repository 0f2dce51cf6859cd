// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/object/attribute.h"

#include <cstdio>

#include "base/der.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/object/object.h"

namespace vtpm::pkcs11 {
namespace {

#define ROW(type, form) \
  { type, #type, Form::form }
constexpr AttributeRow kRows[] = {
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

/// Attributes of the standard (3.2, annex of definitions) that no object of this token has.
constexpr struct {
  CK_ATTRIBUTE_TYPE first, last;
} kElsewhere[] = {{CKA_OTP_FORMAT, CKA_OTP_PIN_REQUIREMENT},
                  {CKA_OTP_USER_IDENTIFIER, CKA_OTP_TIME},
                  {CKA_GOSTR3410_PARAMS, CKA_GOST28147_PARAMS},
                  {CKA_PIXEL_X, CKA_BITS_PER_PIXEL},
                  {CKA_CHAR_SETS, CKA_MIME_TYPES},
                  {CKA_REQUIRED_CMS_ATTRIBUTES, CKA_SUPPORTED_CMS_ATTRIBUTES},
                  {0x602, 0x612},   // CKA_X2RATCHET_…
                  {0x617, 0x61d},   // CKA_HSS_LEVELS … CKA_PARAMETER_SET
                  {0x636, 0x637}};  // CKA_PUBLIC_CRC64_VALUE, CKA_SEED

/// Applications that keep labels in fixed fields or C strings send the end of these too.
ByteView without_trailing_nuls(ByteView label) {
  while (!label.empty() && label.back() == 0) label = label.first(label.size() - 1);
  return label;
}

bool is_octet_string_of(ByteView der, ByteView contents) {
  DerReader reader(der);
  const auto string = reader.next(DerTag::kOctetString);
  return string && reader.empty() && equal(string->contents, contents);
}

bool digits(ByteView text) {
  return std::all_of(text.begin(), text.end(), [](uint8_t c) { return c >= '0' && c <= '9'; });
}

/// "20240229": a year from 1900 (3.4), a month of 1 to 12 and a day of 1 to 31; how many days a month has is the
/// calendar's business.
bool is_date(ByteView text) {
  if (!digits(text) || as_text(text.first(2)) < "19") return false;
  const int month = 10 * (text[4] - '0') + text[5] - '0', day = 10 * (text[6] - '0') + text[7] - '0';
  return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

}  // namespace

const AttributeRow* attribute_row(CK_ATTRIBUTE_TYPE type) {
  for (const AttributeRow& row : kRows) {
    if (row.type == type) return &row;
  }
  return nullptr;
}

bool is_attribute(CK_ATTRIBUTE_TYPE type) {
  if (const AttributeRow* row = attribute_row(type)) return row->name.substr(0, 4) == "CKA_";  // not a record's field
  return std::any_of(std::begin(kElsewhere), std::end(kElsewhere),
                     [&](const auto& range) { return range.first <= type && type <= range.last; });
}

std::string attribute_name(CK_ATTRIBUTE_TYPE type) {
  if (const AttributeRow* row = attribute_row(type)) return std::string(row->name);
  char text[32];
  std::snprintf(text, sizeof text, "attribute 0x%lx", type);
  return text;
}

bool well_formed(const AttributeRow& row, ByteView value) {
  switch (row.form) {
    case Form::kBytes:
      return true;
    case Form::kBool:
      return value.size() == 1 && value[0] <= 1;
    case Form::kUlong:
      return value.size() == sizeof(CK_ULONG);
    case Form::kDate:
      return value.empty() || (value.size() == sizeof(CK_DATE) && is_date(value));
    case Form::kUlongArray:
      return value.size() % sizeof(CK_ULONG) == 0;
    case Form::kTemplate:
      return value.size() % sizeof(CK_ATTRIBUTE) == 0;
  }
  return false;
}

bool same_value(CK_ATTRIBUTE_TYPE type, ByteView one, ByteView other) {
  if (equal(one, other)) return true;
  return type == CKA_EC_POINT && (is_octet_string_of(one, other) || is_octet_string_of(other, one));
}

Template::Template(const CK_ATTRIBUTE* rows, CK_ULONG count, Twice twice, unsigned depth) {
  constexpr unsigned kDeepest = 3;  // an unwrap template for keys that unwrap keys that unwrap keys
  refuse_if(depth > kDeepest, CKR_ATTRIBUTE_VALUE_INVALID, "templates in templates go too deep");
  refuse_if(count > 0 && rows == nullptr, CKR_ARGUMENTS_BAD, "the template is a null pointer");
  refuse_if(count > kMostTemplateRows, CKR_ARGUMENTS_BAD, "the template has too many attributes (at most 1024)");
  rows_.reserve(count);
  for (CK_ULONG i = 0; i < count; ++i) {
    CK_ATTRIBUTE row;
    std::memcpy(&row, reinterpret_cast<const char*>(rows) + i * sizeof row, sizeof row);  // may be unaligned
    if (row.ulValueLen > kMostAttributeValue) {
      refuse(CKR_ATTRIBUTE_VALUE_INVALID,
             attribute_name(row.type) + ": length out of range (at most " + std::to_string(kMostAttributeValue) + ")");
    }
    if (row.pValue == nullptr && row.ulValueLen > 0) {
      refuse(CKR_ATTRIBUTE_VALUE_INVALID, attribute_name(row.type) + " has a length but a null pointer");
    }
    ByteView value(static_cast<const uint8_t*>(row.pValue), row.pValue ? row.ulValueLen : 0);
    if (row.type == CKA_LABEL && twice == Twice::kRefused) value = without_trailing_nuls(value);
    const AttributeRow* known = attribute_row(row.type);
    if (known && !well_formed(*known, value)) {
      refuse(CKR_ATTRIBUTE_VALUE_INVALID, attribute_name(row.type) + " has a wrong length or value");
    }
    if (known && known->form == Form::kTemplate) {
      const Template inner(static_cast<const CK_ATTRIBUTE*>(row.pValue), value.size() / sizeof(CK_ATTRIBUTE), twice,
                           depth + 1);
      contradicts_itself_ |= inner.contradicts_itself();
      Attributes attributes;
      for (const Row& one : inner) attributes.set(one.type, one.value);
      value = kept_.emplace_back(to_bytes(encode_attributes(attributes)));
    }
    if (const Row* before = find(row.type)) {
      if (same_value(row.type, before->value, value)) continue;
      if (twice == Twice::kRefused) {
        refuse(CKR_TEMPLATE_INCONSISTENT, attribute_name(row.type) + " is given twice with different values");
      }
      contradicts_itself_ = true;
      continue;
    }
    rows_.push_back({row.type, value});
  }
}

void Template::impose(const Attributes& demands) {
  for (const auto& [type, value] : demands) {
    if (const Row* row = find(type)) {
      if (!same_value(type, row->value, value)) {
        refuse(CKR_TEMPLATE_INCONSISTENT, attribute_name(type) + " is not what the key demands of what comes from it");
      }
      continue;
    }
    rows_.push_back({type, kept_.emplace_back(value)});
  }
}

void Template::drop(CK_ATTRIBUTE_TYPE type) {
  std::erase_if(rows_, [&](const Row& row) { return row.type == type; });
}

bool Template::trim_label() {
  bool trimmed = false;
  for (Row& row : rows_) {
    if (row.type != CKA_LABEL) continue;
    const ByteView label = without_trailing_nuls(row.value);
    trimmed = label.size() != row.value.size();
    row.value = label;
  }
  return trimmed;
}

const Template::Row* Template::find(CK_ATTRIBUTE_TYPE type) const {
  for (const Row& row : rows_) {
    if (row.type == type) return &row;
  }
  return nullptr;
}

ByteView Template::get(CK_ATTRIBUTE_TYPE type) const {
  const Row* row = find(type);
  return row ? row->value : ByteView();
}

bool Template::flag(CK_ATTRIBUTE_TYPE type, bool absent) const {
  const Row* row = find(type);
  return row ? row->value[0] != CK_FALSE : absent;
}

std::optional<CK_ULONG> Template::number(CK_ATTRIBUTE_TYPE type) const {
  const Row* row = find(type);
  if (!row) return std::nullopt;
  CK_ULONG result;
  std::memcpy(&result, row->value.data(), sizeof result);
  return result;
}

Attributes decode_template(ByteView value) {
  if (value.empty()) return {};
  return decode_attributes<Bytes>(value);
}

}  // namespace vtpm::pkcs11
