// SPDX-License-Identifier: Apache-2.0
// vtpm-token pin: replaces a user PIN that is locked or forgotten.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "base/error.h"
#include "store/vault/recovery_phrase.h"
#include "tools/command/commands.h"
#include "tools/json_text.h"
#include "tools/open_store.h"
#include "tools/standard_output.h"

namespace vtpm::tools {
namespace {

using store::Role;

struct UnblockOptions {
  OpenOptions open;
  SecretSource phrase{"Recovery phrase", "vtpm.recovery-phrase", "", -1, SecretSource::Empty::kNever};
  RoleSecret fresh;
  bool recovery = false, json = false;

  UnblockOptions() { fresh.pin = {"New user PIN", "vtpm.new-pin", "", -1}; }
};

SecretBytes read_phrase(const SecretSource& source) {
  auto phrase = source.read(/*confirm=*/false);
  if (!phrase)
    throw Error(ErrorCode::kInvalidArgument,
                "a recovery phrase is needed: give --pin-file, --pin-fd, or use a terminal");
  refuse_mistyped(*phrase);
  if (store::read_recovery_phrase(*phrase).verdict != store::PhraseReading::Verdict::kRight) {
    throw Error(
        ErrorCode::kInvalidArgument,
        "this is not a recovery phrase (six groups of five letters and digits); nothing was tried (a recovery key slot "
        "with another kind of secret is locked together with the PIN)");
  }
  return std::move(*phrase);
}

// All secrets are read before one is tried.
void unblock(const UnblockOptions& options) {
  const auto vault = options.open.open();
  if (!vault->has_slot(Role::kRecovery)) {
    throw Error(ErrorCode::kNotFound, vault->path() + " has no recovery phrase: the SO can set a new user PIN");
  }
  const SecretBytes phrase = read_phrase(options.phrase);
  const SecretBytes pin = options.fresh.read(Role::kUser, /*confirm=*/true);
  require_pin_length(Role::kUser, pin);
  require_unlocked(vault->unlock(Role::kRecovery, phrase), *vault, Role::kRecovery);
  vault->set_secret(Role::kUser, pin);
  if (options.json) {
    std::cout << json_text({{"changed", true}, {"file", vault->path()}}) << '\n';
    return;
  }
  std::cout << shown(vault->path())
            << " has the new user PIN, which is not locked. The recovery phrase is unchanged.\n";
}

}  // namespace

void add_pin_unblock(CLI::App& command, ExitStatus&) {
  auto options = std::make_shared<UnblockOptions>();
  options->open.add_store_to(command);
  command.add_flag("--recovery", options->recovery, "With a recovery phrase of the token")->required();
  add_secret(command, options->phrase, "pin", "the recovery phrase");
  add_secret(command, options->fresh.pin, "new-pin", "the new PIN");
  command.add_flag("--json", options->json, "Answer in JSON");
  command.footer(
      "Without a recovery phrase the security officer sets a new PIN:\n"
      "pkcs11-tool --login --login-type so --init-pin. The new PIN replaces all PINs of the user.");
  command.callback([options] { unblock(*options); });
}

}  // namespace vtpm::tools
