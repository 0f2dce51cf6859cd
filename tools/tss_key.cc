// SPDX-License-Identifier: Apache-2.0
#include "tools/tss_key.h"

#include <limits>

#include "base/der.h"
#include "base/error.h"
#include "crypto/certificate/pem.h"

namespace vtpm::tools {
namespace {

constexpr const char* kLabel = "TSS2 PRIVATE KEY";
constexpr DerTag kBoolean{0x01}, kObjectIdentifier{0x06};
constexpr DerTag kEmptyAuth{0xA0}, kPolicy{0xA1}, kSecret{0xA2}, kAuthPolicy{0xA3};
constexpr uint8_t kContextSpecific = 0xA0, kClassAndForm = 0xE0;
constexpr uint8_t kLoadable[] = {0x67, 0x81, 0x05, 0x0A, 0x01, 0x03},
                  kImportable[] = {0x67, 0x81, 0x05, 0x0A, 0x01, 0x04};

[[noreturn]] void broken() {
  throw Error(ErrorCode::kCorrupt, std::string("the file holds no key in the form \"") + kLabel + "\"");
}

ByteView next(DerReader& reader, DerTag tag) {
  const auto element = reader.next(tag);
  if (!element) broken();
  return element->contents;
}

/// The only element of an EXPLICIT field.
ByteView inner(ByteView field, DerTag tag) {
  DerReader reader(field);
  const ByteView contents = next(reader, tag);
  if (!reader.empty()) broken();
  return contents;
}

bool truth(ByteView bytes) {
  if (bytes.size() != 1) broken();
  return bytes[0] != 0;
}

/// A TPM handle in a DER INTEGER. Programs that store it in a signed integer write 0x81000001 as a negative number.
std::optional<uint32_t> handle_of(const DerElement& element) {
  const ByteView value = element.contents;
  if (element.tag == DerTag::kInteger && value.size() == sizeof(uint32_t) && (value[0] & 0x80)) {
    uint32_t handle = 0;
    for (const uint8_t byte : value) handle = handle << 8 | byte;
    return handle;
  }
  const auto number = read_der_unsigned(element);
  if (!number || *number > std::numeric_limits<uint32_t>::max()) return std::nullopt;
  return static_cast<uint32_t>(*number);
}

bool is_optional(const DerElement& element) {
  return (static_cast<uint8_t>(element.tag) & kClassAndForm) == kContextSpecific;
}

}  // namespace

std::string to_pem(const TssKey& key) {
  Bytes body, yes;
  write_der(body, kObjectIdentifier, key.key.seed.empty() ? ByteView(kLoadable) : ByteView(kImportable));
  if (key.empty_auth) {
    constexpr uint8_t kTrue[] = {0xFF};
    write_der(yes, kBoolean, kTrue);
    write_der(body, kEmptyAuth, yes);
  }
  if (!key.key.seed.empty()) {
    Bytes secret;
    write_der(secret, DerTag::kOctetString, key.key.seed);
    write_der(body, kSecret, secret);
  }
  write_der_unsigned(body, key.key.parent);
  write_der(body, DerTag::kOctetString, key.key.public_area);
  write_der(body, DerTag::kOctetString, key.key.private_area);
  Bytes der;
  write_der(der, DerTag::kSequence, body);
  return crypto::to_pem(kLabel, der);
}

TssKey parse_tss_key(ByteView text) {
  std::optional<Bytes> der = crypto::from_pem(kLabel, text);
  if (!der && !text.empty() && text[0] == static_cast<uint8_t>(DerTag::kSequence)) der = to_bytes(text);
  if (!der) broken();
  DerReader fields(inner(*der, DerTag::kSequence));
  const ByteView type = next(fields, kObjectIdentifier);
  const bool importable = equal(type, kImportable);
  if (!importable && !equal(type, kLoadable))
    throw Error(ErrorCode::kUnsupported, "the file holds no key that a TPM can load or import (it may be sealed data)");
  TssKey key;
  auto element = fields.next();
  for (; element && is_optional(*element); element = fields.next()) {
    if (element->tag == kPolicy || element->tag == kAuthPolicy)
      throw Error(ErrorCode::kUnsupported, "the key needs a policy, which the token cannot satisfy");
    if (element->tag == kEmptyAuth) key.empty_auth = truth(inner(element->contents, kBoolean));
    if (element->tag == kSecret) key.key.seed = to_bytes(inner(element->contents, DerTag::kOctetString));
  }
  const auto parent = element ? handle_of(*element) : std::nullopt;
  if (!parent) broken();
  key.key.parent = *parent;
  key.key.public_area = to_bytes(next(fields, DerTag::kOctetString));
  key.key.private_area = to_bytes(next(fields, DerTag::kOctetString));
  if (!fields.empty() || importable == key.key.seed.empty()) broken();
  return key;
}

}  // namespace vtpm::tools
