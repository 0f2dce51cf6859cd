// SPDX-License-Identifier: Apache-2.0
// PKCS#11 URIs (RFC 7512), read and written by libp11-kit as in other programs. Its headers declare PKCS#11 a second
// time, so only pkcs11_uri.cc includes them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace vtpm::tools {

/// The attributes of a token in a URI, without padding.
struct TokenDescription {
  std::string label, manufacturer, model, serial;
};

/// Whether the text begins with "pkcs11:".
bool is_pkcs11_uri(std::string_view text);

/// "pkcs11:model=…;manufacturer=…;serial=…;token=…". Returns an empty string if libp11-kit cannot format it. Throws
/// std::bad_alloc.
std::string format_token_uri(const TokenDescription& token);

/// A parsed URI.
class Pkcs11Uri {
 public:
  /// Throws Error kInvalidArgument if libp11-kit cannot parse the text.
  explicit Pkcs11Uri(const std::string& text);
  ~Pkcs11Uri();
  Pkcs11Uri(const Pkcs11Uri&) = delete;
  Pkcs11Uri& operator=(const Pkcs11Uri&) = delete;

  /// Whether the URI matches the token. Attributes that the URI does not contain match any value.
  bool names(const TokenDescription& token) const;

  /// The attributes of an object in the URI, each with its value: CKA_ID, CKA_LABEL, CKA_CLASS.
  struct Attribute {
    unsigned long type;
    std::vector<uint8_t> value;
  };
  std::vector<Attribute> attributes() const;

 private:
  struct Parsed;
  std::unique_ptr<Parsed> parsed_;
};

}  // namespace vtpm::tools
