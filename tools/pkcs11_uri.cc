// SPDX-License-Identifier: Apache-2.0
#include "tools/pkcs11_uri.h"

#include <p11-kit/uri.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "base/error.h"

namespace vtpm::tools {
namespace {

using Uri = std::unique_ptr<P11KitUri, decltype(&p11_kit_uri_free)>;

Uri new_uri() {
  Uri uri(p11_kit_uri_new(), p11_kit_uri_free);
  if (!uri) throw std::bad_alloc();
  return uri;
}

template <size_t N>
void fill(unsigned char (&field)[N], std::string_view text) {
  std::memset(field, ' ', N);
  std::memcpy(field, text.data(), std::min(text.size(), N));
}

CK_TOKEN_INFO info_of(const TokenDescription& token) {
  CK_TOKEN_INFO info{};
  fill(info.label, token.label);
  fill(info.manufacturerID, token.manufacturer);
  fill(info.model, token.model);
  fill(info.serialNumber, token.serial);
  return info;
}

}  // namespace

bool is_pkcs11_uri(std::string_view text) { return text.starts_with("pkcs11:"); }

std::string format_token_uri(const TokenDescription& token) {
  const Uri uri = new_uri();
  *p11_kit_uri_get_token_info(uri.get()) = info_of(token);
  char* text = nullptr;
  if (p11_kit_uri_format(uri.get(), P11_KIT_URI_FOR_TOKEN, &text) != P11_KIT_URI_OK) return "";
  const std::unique_ptr<char, decltype(&std::free)> owned(text, std::free);
  return text;
}

struct Pkcs11Uri::Parsed {
  Uri uri = new_uri();
};

Pkcs11Uri::Pkcs11Uri(const std::string& text) : parsed_(std::make_unique<Parsed>()) {
  if (p11_kit_uri_parse(text.c_str(), P11_KIT_URI_FOR_OBJECT_ON_TOKEN, parsed_->uri.get()) != P11_KIT_URI_OK)
    throw Error(ErrorCode::kInvalidArgument, "\"" + text + "\" is not a pkcs11: URI");
}

Pkcs11Uri::~Pkcs11Uri() = default;

bool Pkcs11Uri::names(const TokenDescription& token) const {
  CK_TOKEN_INFO info = info_of(token);
  return p11_kit_uri_match_token_info(parsed_->uri.get(), &info) == 1;
}

std::vector<Pkcs11Uri::Attribute> Pkcs11Uri::attributes() const {
  CK_ULONG count = 0;
  const CK_ATTRIBUTE* rows = p11_kit_uri_get_attributes(parsed_->uri.get(), &count);
  std::vector<Attribute> attributes;
  for (CK_ULONG i = 0; i < count; ++i) {
    const auto* value = static_cast<const uint8_t*>(rows[i].pValue);
    attributes.push_back({rows[i].type, {value, value + rows[i].ulValueLen}});
  }
  return attributes;
}

}  // namespace vtpm::tools
