// SPDX-License-Identifier: Apache-2.0
#include "tools/open_token.h"

#include "pkcs11/cryptoki/refusal.h"
#include "tools/configuration.h"
#include "tools/cryptoki_client.h"

namespace vtpm::tools {

namespace {

std::shared_ptr<pkcs11::Token> open_locked(const NamedStore& named) {
  return pkcs11::Token::open(named.directory->open(named.store), configuration());
}

std::shared_ptr<pkcs11::Token> open_found(const NamedStore& named, const std::string& name, ByteView pin) {
  auto token = open_locked(named);
  try {
    token->login().log_in(pkcs11::Who::kUser, pin);
  } catch (const pkcs11::Refusal& refusal) {
    check(refusal.rv(), "cannot open the token \"" + name + "\"", refusal.what());
  }
  return token;
}

}  // namespace

NamedStore find_served(const std::string& name) {
  NamedStore named = find_store(name);
  if (named.store.standing != store::Standing::kServed) throw Error(ErrorCode::kInvalidArgument, named.store.reason);
  return named;
}

std::shared_ptr<pkcs11::Token> open_token_without_login(const std::string& name) {
  return open_locked(find_served(name));
}

std::shared_ptr<pkcs11::Token> open_token(const std::string& name, ByteView pin) {
  return open_found(find_served(name), name, pin);
}

std::shared_ptr<pkcs11::Token> open_token(const std::string& name, const SecretSource& pin) {
  const NamedStore named = find_served(name);  // the prompt for the PIN comes only if the token exists
  const auto secret = pin.read(/*confirm=*/false);
  if (!secret)
    throw Error(ErrorCode::kInvalidArgument, "a user PIN is needed: give --pin-file, --pin-fd, or use a terminal");
  return open_found(named, name, *secret);
}

}  // namespace vtpm::tools
