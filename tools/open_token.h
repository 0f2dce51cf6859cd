// SPDX-License-Identifier: Apache-2.0
// A token opened below PKCS#11, for what the C functions have no words for: moving the TPM's state. The PIN opens it,
// as it opens everything.
#pragma once

#include <memory>
#include <string>

#include "base/error.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/token/token.h"
#include "tools/find_store.h"
#include "tools/secret_source.h"

namespace vtpm::tools {

/// The store of the token that `name` means (tools/find_store.h). Throws Error where there is none, or it is not
/// served.
NamedStore find_served(const std::string& name);
/// That token with its user logged in. A `pin` that must be asked for is asked for when the token was found. Throws
/// Error.
std::shared_ptr<pkcs11::Token> open_token(const std::string& name, const SecretSource& pin);
std::shared_ptr<pkcs11::Token> open_token(const std::string& name, ByteView pin);
/// That token without a login, which shows what is public.
std::shared_ptr<pkcs11::Token> open_token_without_login(const std::string& name);

/// Runs `work`; a Refusal of the token is an error of the tool.
template <typename F>
auto as_tool(F&& work) {
  try {
    return work();
  } catch (const pkcs11::Refusal& refusal) {
    throw Error(ErrorCode::kInternal, refusal.what());
  }
}

}  // namespace vtpm::tools
