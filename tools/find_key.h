// SPDX-License-Identifier: Apache-2.0
// A key object that a pkcs11: URI means.
#pragma once

#include <string>

#include "pkcs11/token/token.h"

namespace vtpm::tools {

/// The one private key of the token that the URI's object attributes (object=, id=) match. Throws Error kNotFound, or
/// kInvalidArgument when several do.
pkcs11::ObjectPtr find_private_key(pkcs11::Token& token, const std::string& uri);

/// What is said behind the name of a key that no operation may use (pkcs11::allows_nothing); empty for others.
std::string allowance_of(const pkcs11::Object& key);

}  // namespace vtpm::tools
