// SPDX-License-Identifier: Apache-2.0
// vtpm-token init: makes a token in the free slot. vtpm-token reinit: initializes a token again.
#include <filesystem>
#include <iostream>
#include <memory>

#include "base/error.h"
#include "tools/command/commands.h"
#include "tools/cryptoki_client.h"
#include "tools/find_store.h"
#include "tools/json_text.h"
#include "tools/key_options.h"
#include "tools/new_token.h"
#include "tools/secret_source.h"
#include "tools/standard_output.h"

namespace vtpm::tools {
namespace {

struct InitOptions {
  std::string token;  // reinit
  std::string label;
  SecretSource so_pin{"SO PIN", "vtpm.so-pin", "", -1, SecretSource::Empty::kNever};
  SecretSource user_pin{"User PIN (empty: set it later)", "vtpm.user-pin", "", -1};
  bool no_pin = false;
  bool json = false;
};

/// Whether the SO PIN is a new one, which is typed twice, or that of an existing token.
enum class SoPin { kNew, kKnown };

/// Throws UsageError before any prompt if the user's PIN must not be empty.
NewPins read_pins(const InitOptions& options, SoPin which) {
  if (options.no_pin) require_empty_pin_allowed();
  auto so_pin = options.so_pin.read(/*confirm=*/which == SoPin::kNew);
  if (!so_pin) {
    throw Error(ErrorCode::kInvalidArgument, "an SO PIN is needed: give --so-pin-file, --so-pin-fd, or use a terminal");
  }
  auto user_pin = options.no_pin ? SecretBytes() : options.user_pin.read(/*confirm=*/true);
  return {std::move(*so_pin), std::move(user_pin)};
}

struct Made {
  CK_SLOT_ID slot;
  std::string path;
};

std::string quoted_for_a_shell(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string next_step(const CK_TOKEN_INFO& info, bool has_pin) {
  return "pkcs11-tool --module vtpm-pkcs11.so --token-label " + quoted_for_a_shell(trimmed(info.label)) + " --login " +
         (has_pin ? "--keypairgen --key-type EC:prime256v1 --label key" : "--login-type so --init-pin");
}

void report(const InitOptions& options, const Made& made, const CK_TOKEN_INFO& info, const NewPins& pins) {
  if (options.json) {
    std::cout << json_text({{"slot", made.slot},
                            {"label", trimmed(info.label)},
                            {"serial", trimmed(info.serialNumber)},
                            {"file", made.path},
                            {"user_pin", pins.user.has_value()},
                            {"uri", token_uri(info)}})
              << '\n';
    return;
  }
  std::cout << "Token \"" << shown(trimmed(info.label)) << "\" is in slot " << made.slot << ", serial number "
            << shown(trimmed(info.serialNumber)) << ".\n"
            << "Its file is " << shown(made.path) << ".\n"
            << (options.no_pin ? "It needs no PIN: anyone who can read its file can use it.\n"
                : pins.user    ? ""
                               : "It has no user PIN yet; the SO sets one.\n")
            << "Programs find it as " << shown(token_uri(info)) << "\n"
            << "Next: " << shown(next_step(info, pins.user.has_value())) << '\n';
}

void init(const InitOptions& options) {
  const Label label = padded_label(options.label);
  warn_of_namesakes(options.label);
  const NewPins pins = read_pins(options, SoPin::kNew);
  const Cryptoki cryptoki;
  NewToken token(cryptoki, pins, label);
  const CK_TOKEN_INFO info = cryptoki.token_info(token.slot());
  token.keep();
  report(options, {token.slot(), token.path()}, info, pins);
}

/// The slot of a token that may be initialized again.
CK_SLOT_ID slot_to_reinit(const NamedStore& named) {
  const store::FoundStore& store = named.store;
  if (store.standing != store::Standing::kServed) throw Error(ErrorCode::kInvalidArgument, store.reason);
  std::error_code ignored;
  if (!std::filesystem::equivalent(named.directory->directory(), store_directory()->directory(), ignored)) {
    throw Error(ErrorCode::kInvalidArgument, store.path + " is not in the configured store directory " +
                                                 store_directory()->directory() + " (set VTPM_PKCS11_STORE)");
  }
  refuse_beside_others(*named.directory, store, "initialized anew");
  return *store.number;
}

// C_InitToken checks the SO PIN and charges the attempt; slot and serial number stay, and everything else is destroyed.
void reinit(const InitOptions& options) {
  const NamedStore named = find_store(options.token);
  const CK_SLOT_ID slot = slot_to_reinit(named);
  Label label = padded_label(options.label.empty() ? named.store.name->label : options.label);
  const NewPins pins = read_pins(options, SoPin::kKnown);
  if (pins.user) require_user_pin_fits(*pins.user);
  const Cryptoki cryptoki;
  cryptoki.slots();
  if (trimmed(cryptoki.token_info(slot).serialNumber) != named.store.name->serial)
    throw Error(ErrorCode::kReplaced, named.store.path + " has another slot now; nothing was changed");
  check(C_InitToken(slot, pin_bytes(pins.so), pins.so.size(), label.data()),
        "cannot initialize the token \"" + named.store.name->label + "\" again");
  if (pins.user) set_user_pin(slot, pins.so, *pins.user);
  report(options, {slot, named.store.path}, cryptoki.token_info(slot), pins);
}

void add_pins(CLI::App& command, InitOptions& options) {
  add_secret(command, options.so_pin, "so-pin", "the SO PIN");
  add_secret(command, options.user_pin, "pin", "the user PIN");
  command.add_flag("--no-pin", options.no_pin, "Let the user's PIN be empty: no application needs to log in")
      ->excludes("--pin-file")
      ->excludes("--pin-fd");
  command.add_flag("--json", options.json, "Answer in JSON");
}

}  // namespace

void add_init(CLI::App& command, ExitStatus&) {
  auto options = std::make_shared<InitOptions>();
  command.add_option("--label", options->label, "The token's label, up to 32 bytes of UTF-8")
      ->type_name("NAME")
      ->required();
  add_pins(command, *options);
  command.footer(
      "A PIN has 4 to 255 bytes. Without the options above, PINs come from the systemd credentials vtpm.so-pin and\n"
      "vtpm.user-pin or are asked for at the terminal. They are never taken from an argument.");
  command.callback([options] { init(*options); });
}

void add_reinit(CLI::App& command, ExitStatus&) {
  auto options = std::make_shared<InitOptions>();
  command.add_option("token", options->token, "The token: label, serial number, pkcs11: URI, or its file")
      ->type_name("TOKEN|FILE")
      ->required();
  command.add_option("--label", options->label, "A new label; by default the token keeps its label")->type_name("NAME");
  add_pins(command, *options);
  command.footer(
      "The token keeps its SO PIN, which must be given. If it is lost, use delete and then init. The command fails "
      "while\n"
      "the directory has another file with the token's serial number.");
  command.callback([options] { reinit(*options); });
}

}  // namespace vtpm::tools
