// A token opened below PKCS#11, for what the C functions have no words for: moving the TPM's state. The PIN opens it,
// as it opens everything.
#pragma once

#include <memory>
#include <string>

#include "pkcs11/token.h"
#include "tools/secret_source.h"

namespace vtpm::tools {

/// The token that `name` means (find_token), with its user logged in. Throws Error.
std::shared_ptr<pkcs11::Token> open_token(const std::string& name, const SecretSource& pin);
std::shared_ptr<pkcs11::Token> open_token(const std::string& name, ByteView pin);

/// The store file that `name` means: a path (it has a '/' or ends in .vtpm), or a token's.
std::string store_path_of(const std::string& name);

}  // namespace vtpm::tools
