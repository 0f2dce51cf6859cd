// SPDX-License-Identifier: Apache-2.0
// Opens a token below PKCS#11, for commands that the C functions do not offer, such as moving the TPM's state. The user
// PIN is required.
#pragma once

#include <memory>
#include <string>

#include "base/error.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/token/token.h"
#include "tools/find_store.h"
#include "tools/secret_source.h"

namespace vtpm::tools {

/// The store of the token that `name` means (tools/find_store.h). Throws Error if there is no such token, or it is not
/// served.
NamedStore find_served(const std::string& name);
/// Opens that token and logs its user in. The terminal asks for `pin` only after the token was found. Throws Error.
std::shared_ptr<pkcs11::Token> open_token(const std::string& name, const SecretSource& pin);
std::shared_ptr<pkcs11::Token> open_token(const std::string& name, ByteView pin);
/// Opens that token without a login, so that only public objects are visible.
std::shared_ptr<pkcs11::Token> open_token_without_login(const std::string& name);

/// Runs `work`, and turns a Refusal of the token into an Error of the tool.
template <typename F>
auto as_tool(F&& work) {
  try {
    return work();
  } catch (const pkcs11::Refusal& refusal) {
    throw Error(ErrorCode::kInternal, refusal.what());
  }
}

}  // namespace vtpm::tools
