// A key object that a pkcs11: URI means.
#pragma once

#include <string>

#include "pkcs11/token.h"

namespace vtpm::tools {

/// The one private key of the token that the URI's object attributes (object=, id=) match. Throws Error kNotFound, or
/// kInvalidArgument when several do.
pkcs11::ObjectPtr find_private_key(pkcs11::Token& token, const std::string& uri);

}  // namespace vtpm::tools
