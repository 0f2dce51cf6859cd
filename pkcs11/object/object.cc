// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/object/object.h"

#include "base/der.h"
#include "base/numbers.h"
#include "pkcs11/cryptoki/refusal.h"

namespace vtpm::pkcs11 {
namespace {

// On disk a CK_ULONG has eight big-endian bytes, whatever its size and byte order in memory.
constexpr size_t kUlongBytes = 8;
static_assert(sizeof(CK_ULONG) == kUlongBytes, "the conversion keeps lengths; a 32-bit build needs another");

void put_ulong(Bytes& out, CK_ULONG value) { write_be(out, value, kUlongBytes); }

CK_ULONG get_ulong(ByteView bytes) { return static_cast<CK_ULONG>(read_be(bytes)); }

bool holds_ulongs(CK_ATTRIBUTE_TYPE type) {
  const AttributeRow* row = attribute_row(type);
  return row && (row->form == Form::kUlong || row->form == Form::kUlongArray);
}

[[noreturn]] void broken() { throw Error(ErrorCode::kCorrupt, "the attributes of a stored object do not parse"); }

}  // namespace

Bytes disk_form(CK_ATTRIBUTE_TYPE type, ByteView value) {
  if (!holds_ulongs(type)) return to_bytes(value);
  Bytes out;
  for (size_t at = 0; at + sizeof(CK_ULONG) <= value.size(); at += sizeof(CK_ULONG)) {
    CK_ULONG number;
    std::memcpy(&number, value.data() + at, sizeof number);
    put_ulong(out, number);
  }
  return out;
}

template <typename Buffer>
SecretBytes encode_attributes(const AttributeMap<Buffer>& attributes) {
  // The lengths are computed first, so that secret values are written to the arena only.
  size_t total = 0;
  for (const auto& [type, value] : attributes) {
    Bytes number;
    write_der_unsigned(number, type);
    const size_t body = number.size() + der_header_size(value.size()) + value.size();
    total += der_header_size(body) + body;
  }
  SecretBytes out;
  Bytes header;
  write_der_header(header, DerTag::kSequence, total);
  out.append(header);
  for (const auto& [type, value] : attributes) {
    Bytes number;
    write_der_unsigned(number, type);
    header.clear();
    write_der_header(header, DerTag::kSequence, number.size() + der_header_size(value.size()) + value.size());
    append(header, number);
    write_der_header(header, DerTag::kOctetString, value.size());
    out.append(header);
    out.append(holds_ulongs(type) ? ByteView(disk_form(type, value)) : ByteView(value));
  }
  return out;
}
template SecretBytes encode_attributes(const Attributes&);
template SecretBytes encode_attributes(const SecretAttributes&);

template <typename Buffer>
AttributeMap<Buffer> decode_attributes(ByteView der) {
  AttributeMap<Buffer> attributes;
  DerReader outer(der);
  auto list = outer.next(DerTag::kSequence);
  if (!list || !outer.empty()) broken();
  // The attributes are counted first, so that an object that is kept for long takes no more memory than it needs.
  size_t count = 0;
  for (DerReader ahead(list->contents); !ahead.empty() && ahead.next(DerTag::kSequence);) ++count;
  attributes.reserve(count);
  DerReader rows(list->contents);
  while (!rows.empty()) {
    auto row = rows.next(DerTag::kSequence);
    if (!row) broken();
    DerReader fields(row->contents);
    auto number = fields.next(DerTag::kInteger);
    auto value = fields.next(DerTag::kOctetString);
    auto type = number ? read_der_unsigned(*number) : std::nullopt;
    if (!type || !value || !fields.empty()) broken();
    if (!holds_ulongs(*type)) {
      attributes.set(*type, value->contents);
      continue;
    }
    if (value->contents.size() % kUlongBytes != 0) broken();
    Bytes native;
    for (size_t at = 0; at < value->contents.size(); at += kUlongBytes) {
      CK_ULONG one = get_ulong(value->contents.subspan(at, kUlongBytes));
      append(native, value_view(one));
    }
    attributes.set(*type, native);
  }
  return attributes;
}
template Attributes decode_attributes(ByteView der);
template SecretAttributes decode_attributes(ByteView der);

std::string object_entry(const std::string& id) { return "obj/" + id; }
std::string secret_entry(const std::string& id) { return "secret/" + id; }

std::shared_ptr<const crypto::PublicKey> public_key_of(const Object& object) {
  return object.keys->public_key([&] {
    std::optional<crypto::PublicKey> key = crypto::PublicKey::from_spki(object.shown.get(CKA_PUBLIC_KEY_INFO));
    refuse_if(!key, CKR_KEY_TYPE_INCONSISTENT, "the object is not half of a key pair");
    return std::make_shared<const crypto::PublicKey>(std::move(*key));
  });
}

}  // namespace vtpm::pkcs11
