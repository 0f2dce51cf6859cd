#include "tools/open_token.h"

#include "pkcs11/config.h"
#include "pkcs11/refusal.h"
#include "tools/cryptoki_client.h"
#include "tools/find_store.h"

namespace vtpm::tools {

std::shared_ptr<pkcs11::Token> open_token(const std::string& name, ByteView pin) {
  const NamedStore named = find_store(name);
  if (named.store.standing != store::Standing::kServed) throw Error(ErrorCode::kInvalidArgument, named.store.reason);
  auto token = pkcs11::Token::open(named.directory->open(named.store), pkcs11::load_config());
  try {
    token->login(pkcs11::Who::kUser, pin);
  } catch (const pkcs11::Refusal& refusal) {
    check(refusal.rv(), "token \"" + name + "\" does not open", refusal.what());
  }
  return token;
}

std::shared_ptr<pkcs11::Token> open_token(const std::string& name, const SecretSource& pin) {
  const auto secret = pin.read(/*confirm=*/false);
  if (!secret)
    throw Error(ErrorCode::kInvalidArgument, "a user PIN is needed: give --pin-file, --pin-fd, or use a terminal");
  return open_token(name, *secret);
}

}  // namespace vtpm::tools
