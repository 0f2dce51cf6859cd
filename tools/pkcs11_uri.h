// SPDX-License-Identifier: Apache-2.0
// PKCS#11 URIs (RFC 7512) as every other program of the machine reads and writes them: by libp11-kit. Its headers bring
// PKCS#11's names in a version of their own, so they are seen in pkcs11_uri.cc only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace vtpm::tools {

/// What a URI says of a token. Not padded.
struct TokenDescription {
  std::string label, manufacturer, model, serial;
};

/// Whether the text is meant to be a URI: it begins with "pkcs11:".
bool is_pkcs11_uri(std::string_view text);

/// "pkcs11:model=…;manufacturer=…;serial=…;token=…". Empty when libp11-kit cannot write it. Throws std::bad_alloc.
std::string format_token_uri(const TokenDescription& token);

/// A URI that was read.
class Pkcs11Uri {
 public:
  /// Throws Error kInvalidArgument when libp11-kit cannot read the text.
  explicit Pkcs11Uri(const std::string& text);
  ~Pkcs11Uri();
  Pkcs11Uri(const Pkcs11Uri&) = delete;
  Pkcs11Uri& operator=(const Pkcs11Uri&) = delete;

  /// Whether the URI names the token. What a URI does not mention matches.
  bool names(const TokenDescription& token) const;

  /// What the URI says of an object: CKA_ID, CKA_LABEL, CKA_CLASS and its value.
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
