#include "tools/open_token.h"

#include "pkcs11/config.h"
#include "pkcs11/refusal.h"
#include "tools/cryptoki_client.h"

namespace vtpm::tools {

namespace {

/// The serial number; the store's file has its name.
std::string serial_of(const std::string& name) {
  const Cryptoki cryptoki;
  return trimmed(cryptoki.token_info(find_token(cryptoki, name)).serialNumber);
}

bool is_path(const std::string& name) {
  constexpr std::string_view kSuffix = ".vtpm";
  const bool uri = name.compare(0, 7, "pkcs11:") == 0;
  return !uri && (name.find('/') != std::string::npos || (name.size() > kSuffix.size() && name.ends_with(kSuffix)));
}

}  // namespace

std::string store_path_of(const std::string& name) {
  return is_path(name) ? name : pkcs11::load_config().store_dir + "/" + serial_of(name) + ".vtpm";
}

std::shared_ptr<pkcs11::Token> open_token(const std::string& name, ByteView pin) {
  const pkcs11::Config config = pkcs11::load_config();
  const std::string path = config.store_dir + "/" + serial_of(name) + ".vtpm";
  auto token = pkcs11::Token::open(path, config);
  try {
    token->login(pkcs11::Who::kUser, pin);
  } catch (const pkcs11::Refusal& refusal) {
    check(refusal.rv(), "token \"" + name + "\" does not open");
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
