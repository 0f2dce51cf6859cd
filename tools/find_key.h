// SPDX-License-Identifier: Apache-2.0
// Finds the key object that a pkcs11: URI names.
#pragma once

#include <string>

#include "pkcs11/token/token.h"

namespace vtpm::tools {

/// The only private key of the token that matches the URI's object attributes (object=, id=). Throws UsageError if none
/// matches, and Error kInvalidArgument if several do.
pkcs11::ObjectPtr find_private_key(pkcs11::Token& token, const std::string& uri);

/// The remark after the name of a key that no operation may use (pkcs11::allows_nothing); empty for other keys.
std::string allowance_of(const pkcs11::Object& key);

}  // namespace vtpm::tools
