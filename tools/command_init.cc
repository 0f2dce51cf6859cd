// vtpm-token init: a new token in the free slot.
#include <algorithm>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "crypto/error.h"
#include "tools/commands.h"
#include "tools/cryptoki_client.h"
#include "tools/secret_source.h"

namespace vtpm::tools {
namespace {

struct InitOptions {
  std::string label;
  SecretSource so_pin{"SO PIN", "vtpm.so-pin", "", -1};
  SecretSource user_pin{"User PIN (empty: set it later)", "vtpm.user-pin", "", -1};
  bool no_pin = false;
  bool json = false;
};

/// Never null: that would ask the module to fetch the PIN itself.
CK_BYTE* octets(SecretBytes& secret) {
  static CK_BYTE none = 0;
  return secret.empty() ? &none : secret.data();
}

void init(const InitOptions& options) {
  unsigned char label[sizeof(CK_TOKEN_INFO::label)];
  if (options.label.empty() || options.label.size() > sizeof label) {
    throw Error(ErrorCode::kInvalidArgument, "a label has 1 to 32 octets: \"" + options.label + "\" does not");
  }
  if (options.label.find(':') != std::string::npos) {
    throw Error(ErrorCode::kInvalidArgument, "a label must not contain ':', which NSS reads as a separator");
  }
  std::fill(std::begin(label), std::end(label), ' ');
  std::copy(options.label.begin(), options.label.end(), label);

  auto so_pin = options.so_pin.read(/*confirm=*/true);
  if (!so_pin) {
    throw Error(ErrorCode::kInvalidArgument, "an SO PIN is needed: give --so-pin-file, --so-pin-fd, or use a terminal");
  }
  auto user_pin = options.no_pin ? SecretBytes() : options.user_pin.read(/*confirm=*/true);

  const Cryptoki cryptoki;
  const CK_SLOT_ID slot = free_slot(cryptoki);
  check(C_InitToken(slot, octets(*so_pin), so_pin->size(), label), "can not make the token");
  if (user_pin) {
    const CryptokiSession session(slot);
    check(C_Login(session.handle(), CKU_SO, octets(*so_pin), so_pin->size()),
          "the token is made, but the SO can not log in");
    check(C_InitPIN(session.handle(), octets(*user_pin), user_pin->size()),
          options.no_pin ? "the token is made, but has no user PIN yet (an empty one needs pin.empty = true in the "
                           "configuration)"
                         : "the token is made, but has no user PIN");
  }
  const CK_TOKEN_INFO info = cryptoki.token_info(slot);
  if (options.json) {
    std::cout << nlohmann::json{{"slot", slot},
                                {"label", trimmed(info.label)},
                                {"serial", trimmed(info.serialNumber)},
                                {"user_pin", user_pin.has_value()},
                                {"uri", token_uri(info)}}
                     .dump(2)
              << '\n';
    return;
  }
  std::cout << "Token \"" << options.label << "\" is in slot " << slot << ", serial number "
            << trimmed(info.serialNumber) << ".\n"
            << (options.no_pin ? "It asks nobody for a PIN: whoever can read its file can use it.\n"
                : user_pin
                    ? ""
                    : "It has no user PIN yet; the SO sets one (pkcs11-tool --init-pin --login --login-type so).\n")
            << token_uri(info) << '\n';
}

}  // namespace

void add_init(CLI::App& app, ExitStatus&) {
  auto options = std::make_shared<InitOptions>();
  CLI::App* command = app.add_subcommand("init", "Make a token: a store with a new TPM inside, an SO PIN, a user PIN");
  command->add_option("--label", options->label, "The token's label, up to 32 octets of UTF-8")->required();
  command->add_option("--so-pin-file", options->so_pin.file, "Take the SO PIN from the first line of a file");
  command->add_option("--so-pin-fd", options->so_pin.descriptor, "Take the SO PIN from an open descriptor");
  command->add_option("--pin-file", options->user_pin.file, "Take the user PIN from the first line of a file");
  command->add_option("--pin-fd", options->user_pin.descriptor, "Take the user PIN from an open descriptor");
  command->add_flag("--no-pin", options->no_pin, "Let the user's PIN be empty: no application needs to log in")
      ->excludes("--pin-file")
      ->excludes("--pin-fd");
  command->add_flag("--json", options->json, "Answer in JSON");
  command->footer(
      "PINs have 4 to 255 octets. Without the options above they come from the systemd credentials vtpm.so-pin and\n"
      "vtpm.user-pin, or are asked for at the terminal; they are never taken from an argument.");
  command->callback([options] { init(*options); });
}

}  // namespace vtpm::tools
