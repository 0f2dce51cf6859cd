// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/arguments.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "pkcs11/cryptoki/types.h"
#include "pkcs11/mechanism/mechanism.h"

namespace vtpm::fuzz {
namespace {

// The layout of a parameter, in units of eight bytes except `x`:
//   u number   n number of rounds   f two flags   x sixteen bytes
//   P pointer, whose length is the next unit: L in bytes, B in bits
//   l length, whose pointer is the next unit: R
//   V room for a version   K room for TLS' handles and vectors   O pointer to OAEP's parameter
//   S SP 800-108's number of segments and pointer to them   D its number of derived keys and pointer to them
constexpr const char* kOaep = "uuuPL";

const char* shape_of(const pkcs11::Mechanism& row) {
  using pkcs11::Family, pkcs11::Parameter;
  switch (row.parameter) {
    case Parameter::kMacLength:
    case Parameter::kSha512T:
      return "u";
    case Parameter::kVector:
      return "x";
    case Parameter::kCounterBlock:
      return "ux";
    case Parameter::kChaCha20:
      return "PBPB";
    case Parameter::kGcm:
      return "PLuPLu";
    case Parameter::kCcm:
      return "uPLPLu";
    case Parameter::kChaCha20Poly1305:
      return "PLPL";
    default:
      break;
  }
  switch (row.family) {
    case Family::kRsaPss:
      return "uuu";
    case Family::kRsaOaep:
      return kOaep;
    case Family::kEddsa:
      return "flR";
    case Family::kPbkdf2:
      return "uPLnuPLPL";
    case Family::kEcdh:
      return "ulRlR";
    case Family::kHkdf:
    case Family::kHkdfData:
      return "fuuPLuPL";
    case Family::kKbkdf:
      return row.type == CKM_SP800_108_FEEDBACK_KDF ? "uSlRD" : "uSD";
    case Family::kConcatenateData:
    case Family::kPrependData:
    case Family::kXorData:
      return "PL";
    case Family::kEncryptData:
      return row.mode == crypto::CipherMode::kEcb ? "PL" : "xPL";
    case Family::kConcatenateKey:
    case Family::kExtractBits:
      return "u";
    case Family::kTlsMaster:
      return "PLPLVu";
    case Family::kTlsExtendedMaster:
      return "uPLV";
    case Family::kTlsKeyMaterial:
      return "uuufPLPLKu";
    case Family::kTlsKdf:
      return "uPLPLPLPL";
    case Family::kTlsMac:
      return "uuu";
    case Family::kRsaAesWrap:
      return "uO";
    case Family::kEcdhAesWrap:
      return "uulR";
    default:
      return nullptr;  // none, or plain bytes
  }
}

const CK_ULONG kNumbers[] = {0,
                             1,
                             2,
                             3,
                             4,
                             5,
                             8,
                             12,
                             15,
                             16,
                             17,
                             20,
                             24,
                             32,
                             33,
                             64,
                             96,
                             127,
                             128,
                             255,
                             256,
                             512,
                             1024,
                             65537,
                             ~0UL,
                             ~0UL >> 1,
                             1UL << 31,
                             1UL << 32,
                             CKK_AES,
                             CKK_RSA,
                             CKK_EC,
                             CKK_GENERIC_SECRET,
                             CKO_DATA,
                             CKO_CERTIFICATE,
                             CKO_PUBLIC_KEY,
                             CKO_PRIVATE_KEY,
                             CKO_SECRET_KEY,
                             CKO_HW_FEATURE,
                             CKO_DOMAIN_PARAMETERS,
                             CKM_SHA256,
                             CKM_SHA_1,
                             CKG_MGF1_SHA1,
                             CKG_MGF1_SHA256,
                             CKD_NULL,
                             CKD_SHA1_KDF};

const CK_ATTRIBUTE_TYPE kTypes[] = {CKA_CLASS,
                                    CKA_TOKEN,
                                    CKA_PRIVATE,
                                    CKA_LABEL,
                                    CKA_UNIQUE_ID,
                                    CKA_APPLICATION,
                                    CKA_VALUE,
                                    CKA_OBJECT_ID,
                                    CKA_CERTIFICATE_TYPE,
                                    CKA_ISSUER,
                                    CKA_SERIAL_NUMBER,
                                    CKA_TRUSTED,
                                    CKA_CERTIFICATE_CATEGORY,
                                    CKA_CHECK_VALUE,
                                    CKA_KEY_TYPE,
                                    CKA_SUBJECT,
                                    CKA_ID,
                                    CKA_SENSITIVE,
                                    CKA_ENCRYPT,
                                    CKA_DECRYPT,
                                    CKA_WRAP,
                                    CKA_UNWRAP,
                                    CKA_SIGN,
                                    CKA_SIGN_RECOVER,
                                    CKA_VERIFY,
                                    CKA_VERIFY_RECOVER,
                                    CKA_DERIVE,
                                    CKA_START_DATE,
                                    CKA_END_DATE,
                                    CKA_MODULUS,
                                    CKA_MODULUS_BITS,
                                    CKA_PUBLIC_EXPONENT,
                                    CKA_PRIVATE_EXPONENT,
                                    CKA_PRIME_1,
                                    CKA_PRIME_2,
                                    CKA_EXPONENT_1,
                                    CKA_EXPONENT_2,
                                    CKA_COEFFICIENT,
                                    CKA_PUBLIC_KEY_INFO,
                                    CKA_PRIME,
                                    CKA_SUBPRIME,
                                    CKA_BASE,
                                    CKA_VALUE_BITS,
                                    CKA_VALUE_LEN,
                                    CKA_EXTRACTABLE,
                                    CKA_LOCAL,
                                    CKA_NEVER_EXTRACTABLE,
                                    CKA_ALWAYS_SENSITIVE,
                                    CKA_KEY_GEN_MECHANISM,
                                    CKA_MODIFIABLE,
                                    CKA_COPYABLE,
                                    CKA_DESTROYABLE,
                                    CKA_EC_PARAMS,
                                    CKA_EC_POINT,
                                    CKA_ALWAYS_AUTHENTICATE,
                                    CKA_WRAP_WITH_TRUSTED,
                                    CKA_WRAP_TEMPLATE,
                                    CKA_UNWRAP_TEMPLATE,
                                    CKA_DERIVE_TEMPLATE,
                                    CKA_ENCAPSULATE,
                                    CKA_DECAPSULATE,
                                    CKA_ENCAPSULATE_TEMPLATE,
                                    CKA_DECAPSULATE_TEMPLATE,
                                    CKA_HW_FEATURE_TYPE,
                                    CKA_RESET_ON_INIT,
                                    CKA_HAS_RESET,
                                    CKA_ALLOWED_MECHANISMS,
                                    CKA_URL,
                                    CKA_AC_ISSUER,
                                    CKA_ATTR_TYPES,
                                    CKA_OWNER,
                                    CKA_VENDOR_DEFINED | 0x56540001,
                                    CKA_VENDOR_DEFINED | 0x56540002,
                                    CKA_VENDOR_DEFINED | 0x56540003,
                                    CKA_VENDOR_DEFINED | 0x56540004,
                                    CKA_VENDOR_DEFINED | 0x56540005,
                                    CKA_VENDOR_DEFINED | 0x56540006,
                                    CKA_VENDOR_DEFINED | 0x56540007,
                                    CKA_VENDOR_DEFINED | 0x56540008};

/// The attributes of 3.2 are templates although their numbers lack the bit for arrays.
bool is_nested(CK_ATTRIBUTE_TYPE type) {
  if (type == CKA_ENCAPSULATE_TEMPLATE || type == CKA_DECAPSULATE_TEMPLATE) return true;
  return (type & CKF_ARRAY_ATTRIBUTE) && type != CKA_ALLOWED_MECHANISMS;
}

template <typename T>
CK_ATTRIBUTE has(CK_ATTRIBUTE_TYPE type, T& value) {
  return {type, &value, sizeof value};
}

}  // namespace

const std::vector<std::vector<CK_ATTRIBUTE>>& working_templates() {
  static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
  static CK_OBJECT_CLASS data = CKO_DATA, secret = CKO_SECRET_KEY, public_key = CKO_PUBLIC_KEY;
  static CK_KEY_TYPE aes = CKK_AES, generic = CKK_GENERIC_SECRET, rsa = CKK_RSA;
  static CK_ULONG bits = 512, bytes = 16;
  static CK_BYTE value[16] = {1, 2, 3}, p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07},
                 modulus[64] = {0x80, 1}, exponent[] = {1, 0, 1}, nv[] = "tpm-nv";
  static const std::vector<std::vector<CK_ATTRIBUTE>> all = {
      {},
      {has(CKA_CLASS, data), has(CKA_PRIVATE, no), has(CKA_VALUE, value)},
      {has(CKA_CLASS, data), has(CKA_TOKEN, yes), has(CKA_VALUE, value)},
      {has(CKA_CLASS, data), has(CKA_TOKEN, yes), {CKA_APPLICATION, nv, 6}, has(CKA_VALUE, value)},
      {has(CKA_CLASS, secret), has(CKA_KEY_TYPE, aes), has(CKA_VALUE, value), has(CKA_EXTRACTABLE, yes)},
      {has(CKA_CLASS, secret), has(CKA_KEY_TYPE, generic), has(CKA_VALUE, value), has(CKA_DERIVE, yes)},
      {has(CKA_CLASS, public_key), has(CKA_KEY_TYPE, rsa), has(CKA_MODULUS, modulus),
       has(CKA_PUBLIC_EXPONENT, exponent)},
      {has(CKA_VALUE_LEN, bytes), has(CKA_SENSITIVE, no)},
      {has(CKA_CLASS, secret), has(CKA_KEY_TYPE, generic), has(CKA_VALUE_LEN, bytes), has(CKA_TOKEN, yes)},
      {has(CKA_MODULUS_BITS, bits)},
      {has(CKA_EC_PARAMS, p256)},
      {has(CKA_TOKEN, no), has(CKA_EXTRACTABLE, yes), has(CKA_SENSITIVE, no)},
  };
  return all;
}

CK_ULONG Arguments::number() {
  if (seldom(16)) return input_.ConsumeIntegral<uint16_t>();
  return kNumbers[below(std::size(kNumbers))];
}

CK_BYTE* Arguments::keep(const std::vector<uint8_t>& bytes) {
  kept_.push_back(std::make_unique<CK_BYTE[]>(bytes.size()));
  if (!bytes.empty()) std::memcpy(kept_.back().get(), bytes.data(), bytes.size());
  return kept_.back().get();
}

Arguments::Buffer Arguments::bytes(size_t most) {
  if (seldom(20)) return {nullptr, flip() ? 0 : number()};
  const std::vector<uint8_t> drawn = input_.ConsumeBytes<uint8_t>(below(most + 1));
  return {keep(drawn), drawn.size()};
}

Arguments::Buffer Arguments::room() {
  if (seldom(4)) return {nullptr, number()};
  const size_t size = flip() ? 600 : below(80);
  return {keep(std::vector<uint8_t>(size)), size};
}

CK_ATTRIBUTE_TYPE Arguments::attribute_type() {
  if (seldom(20)) return input_.ConsumeIntegral<uint32_t>();
  return kTypes[below(std::size(kTypes))];
}

CK_ATTRIBUTE Arguments::attribute(unsigned depth) {
  const CK_ATTRIBUTE_TYPE type = attribute_type();
  if (is_nested(type)) {
    // Other bytes would be read as arbitrary pointers. A length that is not a whole number of attributes is harmless.
    if (depth == 2) return {type, nullptr, 0};
    const Template inner = attributes({}, depth + 1);
    return {type, inner.data, inner.size * sizeof(CK_ATTRIBUTE) - (inner.size && seldom(10) ? 1 : 0)};
  }
  switch (below(4)) {
    case 0: {
      CK_BYTE* flag = keep({static_cast<uint8_t>(seldom(10) ? 2 : flip())});
      return {type, flag, 1};
    }
    case 1: {
      const CK_ULONG value = number();
      std::vector<uint8_t> raw(sizeof value);
      std::memcpy(raw.data(), &value, sizeof value);
      return {type, keep(raw), raw.size()};
    }
    default: {
      const Buffer value = bytes();
      return {type, value.data, value.size};
    }
  }
}

Arguments::Template Arguments::attributes(const std::vector<CK_ATTRIBUTE>& base, unsigned depth) {
  if (seldom(30)) return {nullptr, flip() ? 0 : number()};
  std::vector<CK_ATTRIBUTE> all;
  for (const CK_ATTRIBUTE& attribute : base)
    if (!seldom(8)) all.push_back(attribute);
  for (size_t more = seldom(2) ? 0 : below(5); more > 0; --more) all.push_back(attribute(depth));
  templates_.push_back(std::make_unique<CK_ATTRIBUTE[]>(all.size()));
  std::copy(all.begin(), all.end(), templates_.back().get());
  return {templates_.back().get(), all.size()};
}

Arguments::Template Arguments::queries() {
  const size_t count = 1 + below(6);
  templates_.push_back(std::make_unique<CK_ATTRIBUTE[]>(count));
  for (size_t i = 0; i < count; ++i) {
    CK_ATTRIBUTE& one = templates_.back()[i];
    one.type = attribute_type();
    const Buffer space = room();
    one.pValue = space.data;
    one.ulValueLen = space.size;
    if (is_nested(one.type)) one = {one.type, nullptr, 0};
  }
  return {templates_.back().get(), count};
}

void* Arguments::segments(CK_ULONG& count) {
  std::vector<CK_PRF_DATA_PARAM> all(count = below(6));
  for (CK_PRF_DATA_PARAM& one : all) {
    one.type = below(6);
    const char* format = one.type <= CK_SP800_108_COUNTER ? "fu" : one.type == CK_SP800_108_DKM_LENGTH ? "ufu" : "u";
    const Buffer value = seldom(4) ? bytes(40) : shaped(format);
    one.pValue = value.data;
    one.ulValueLen = value.size;
  }
  return keep_all(all);
}

void* Arguments::derived_keys(CK_ULONG& count) {
  std::vector<CK_DERIVED_KEY> all(count = seldom(3) ? below(4) : 0);
  for (CK_DERIVED_KEY& one : all) {
    const Template given = attributes(one_of(working_templates()));
    one = {given.data, given.size, reinterpret_cast<CK_OBJECT_HANDLE_PTR>(keep(std::vector<uint8_t>(8)))};
  }
  return keep_all(all);
}

void* Arguments::key_material() {
  const std::vector<uint8_t> vector(1024);  // the largest size that the token supports
  std::vector<CK_SSL3_KEY_MAT_OUT> out(1);
  out[0].pIVClient = seldom(8) ? nullptr : keep(vector);
  out[0].pIVServer = keep(vector);
  return keep_all(out);
}

Arguments::Buffer Arguments::shaped(const char* shape) {
  std::vector<uint8_t> all;
  const auto put = [&](CK_ULONG unit) {
    const auto* raw = reinterpret_cast<const uint8_t*>(&unit);
    all.insert(all.end(), raw, raw + sizeof unit);
  };
  const auto put_pointer = [&](const void* to) { put(reinterpret_cast<CK_ULONG>(to)); };
  Buffer pointed{};
  CK_ULONG count = 0;
  for (; *shape; ++shape) {
    switch (*shape) {
      case 'P':
        pointed = bytes(48);
        put_pointer(pointed.data);
        break;
      case 'L':
        put(pointed.size);
        break;
      case 'B':
        put(pointed.size * 8);
        break;
      case 'l':
        pointed = bytes(140);
        put(pointed.size);
        break;
      case 'R':
        put_pointer(pointed.data);
        break;
      case 'n':
        put(below(100));
        break;
      case 'f':
        put(below(3) | below(3) << 8);
        break;
      case 'V':
        put_pointer(flip() ? keep({0, 0}) : nullptr);
        break;
      case 'K':
        put_pointer(seldom(20) ? nullptr : key_material());
        break;
      case 'O':
        put_pointer(seldom(20) ? nullptr : shaped(kOaep).data);
        break;
      case 'S':
      case 'D': {
        const void* list = *shape == 'S' ? segments(count) : derived_keys(count);
        if (seldom(20)) {
          put(number());
          list = nullptr;
        } else {
          put(count);
        }
        put_pointer(list);
        break;
      }
      case 'x': {
        std::vector<uint8_t> block = input_.ConsumeBytes<uint8_t>(16);
        block.resize(16);
        all.insert(all.end(), block.begin(), block.end());
        break;
      }
      default:
        put(number());
    }
  }
  return {keep(all), all.size()};
}

CK_MECHANISM* Arguments::mechanism(const std::vector<CK_MECHANISM_TYPE>& offered) {
  if (seldom(40)) return nullptr;
  mechanisms_.push_back(std::make_unique<CK_MECHANISM>());
  CK_MECHANISM& made = *mechanisms_.back();
  made.mechanism = seldom(20) ? input_.ConsumeIntegral<uint32_t>() : one_of(offered);
  const pkcs11::Mechanism* row = pkcs11::find_mechanism(made.mechanism);
  const char* shape = row ? shape_of(*row) : nullptr;
  const Buffer parameter = shape ? shaped(shape) : seldom(3) ? bytes(140) : Buffer{nullptr, 0};
  made.pParameter = parameter.data;
  made.ulParameterLen = parameter.size - (shape && seldom(16) ? 1 : 0);
  return &made;
}

}  // namespace vtpm::fuzz
