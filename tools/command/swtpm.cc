// SPDX-License-Identifier: Apache-2.0
// vtpm-token swtpm: imports and exports the TPM's state from and to state directories of swtpm, the TPM of virtual
// machines.
#include <iostream>
#include <memory>

#include "base/error.h"
#include "tools/command/commands.h"
#include "tools/cryptoki_client.h"
#include "tools/find_store.h"
#include "tools/key_options.h"
#include "tools/new_token.h"
#include "tools/open_token.h"
#include "tools/secret_source.h"
#include "tools/standard_output.h"
#include "tpm/use/foreign_state.h"
#include "tpm/use/swtpm_state.h"

namespace vtpm::tools {
namespace {

struct SwtpmOptions {
  std::string directory;
  std::string label, token;
  SecretSource so_pin{"SO PIN", "vtpm.so-pin", "", -1, SecretSource::Empty::kNever};
  SecretSource pin{"User PIN", "vtpm.user-pin", "", -1};
  std::string key_file, key_format = "hex", passphrase_file, kdf = "pbkdf2", mode = "aes-cbc";
  std::string owner_auth_file, endorsement_auth_file, lockout_auth_file;
  bool overwrite = false, discard_volatile = false;
};

/// The auth value of a hierarchy, from its file or from the terminal. The import reports which one is missing.
SecretBytes auth_of(const SwtpmOptions& options, const std::string& hierarchy) {
  const std::string& file = hierarchy == "owner"         ? options.owner_auth_file
                            : hierarchy == "endorsement" ? options.endorsement_auth_file
                                                         : options.lockout_auth_file;
  const SecretSource source{"Auth value of the " + hierarchy + " hierarchy", "vtpm." + hierarchy + "-auth", file, -1,
                            SecretSource::Empty::kAlways};
  return source.read(/*confirm=*/false).value_or(SecretBytes());
}

SecretBytes state_key(const SwtpmOptions& options) {
  const size_t bytes = options.mode == "aes-256-cbc" ? 32 : 16;
  if (!options.passphrase_file.empty()) {
    // swtpm uses all bytes of the file, including a line end.
    constexpr size_t kMost = 1 << 20;
    const SecretBytes passphrase = read_bytes(options.passphrase_file, -1, kMost);
    if (passphrase.empty()) {
      throw Error(ErrorCode::kInvalidArgument,
                  options.passphrase_file + " is empty: a passphrase must have at least one byte");
    }
    return tpm::swtpm_key(passphrase, options.kdf == "sha512" ? tpm::SwtpmKdf::kSha512 : tpm::SwtpmKdf::kPbkdf2, bytes);
  }
  if (options.key_file.empty()) return {};
  constexpr size_t kMost = 4096;
  SecretBytes contents = read_bytes(options.key_file, -1, kMost);
  SecretBytes key = options.key_format == "binary" ? std::move(contents) : tpm::swtpm_hex_key(contents);
  if (key.size() != 16 && key.size() != 32)
    throw Error(ErrorCode::kInvalidArgument, options.key_file + " does not hold a key of 16 or 32 bytes");
  return key;
}

struct Foreign {
  SecretBytes adopted;
  std::optional<device::Suspended> suspended;
};

Foreign read_foreign(const SwtpmOptions& options, const tpm::SwtpmDirectory& directory) {
  const SecretBytes key = state_key(options);
  SecretBytes state = tpm::unwrap_swtpm(directory.permanent(), key);
  tpm::examine_foreign_state(state);
  Foreign foreign;
  foreign.adopted =
      tpm::adopt_foreign_state(state, [&](const char* hierarchy) { return auth_of(options, hierarchy); }, {});
  if (directory.suspended() && !options.discard_volatile)
    foreign.suspended = device::Suspended{std::move(state), directory.suspended_state(key)};
  return foreign;
}

void import_state(const SwtpmOptions& options) {
  if (options.label.empty() == options.token.empty())
    throw Error(ErrorCode::kInvalidArgument,
                "give --label for a new token, or --token for the token that the TPM came from");
  // The token must exist before any prompt.
  if (!options.token.empty()) (void)find_served(options.token);
  const tpm::SwtpmDirectory directory(options.directory, tpm::SwtpmDirectory::Mode::kRead);
  const Foreign foreign = read_foreign(options, directory);
  auto pin = options.pin.read(/*confirm=*/!options.label.empty());
  if (!pin)
    throw Error(ErrorCode::kInvalidArgument, "a user PIN is needed: give --pin-file, --pin-fd, or use a terminal");
  if (!options.label.empty()) {
    warn_of_namesakes(options.label);
    require_user_pin_fits(*pin);
  }
  std::string name = options.token;
  std::optional<NewToken> made;  // removed again unless the TPM is imported
  if (!options.label.empty()) {
    auto so_pin = options.so_pin.read(/*confirm=*/true);
    if (!so_pin) throw Error(ErrorCode::kInvalidArgument, "an SO PIN is needed: give --so-pin-file or --so-pin-fd");
    const Cryptoki cryptoki;
    made.emplace(cryptoki, NewPins{std::move(*so_pin), pin->clone()}, padded_label(options.label));
    name = made->serial();
  }
  const auto token = open_token(name, *pin);
  const auto lost = token->catalogue().replace_tpm(foreign.adopted, foreign.suspended ? &*foreign.suspended : nullptr);
  if (made) made->keep();
  std::cout << "Token " << token->identity().serial << " now has the TPM of " << options.directory << ".\n"
            << "Do not use both: they are the same TPM.\n";
  for (const std::string& area : lost)
    std::cout << "The NV area of the object " << shown(area)
              << " is not in that TPM any more, so the object was deleted.\n";
  if (foreign.suspended) {
    std::cout
        << "Its machine is suspended. The token uses the TPM as after a power cut. swtpm export returns the suspended\n"
           "state, unless the TPM was changed before.\n";
  }
}

void export_state(const SwtpmOptions& options) {
  if (options.token.empty()) throw Error(ErrorCode::kInvalidArgument, "--token is needed");
  const SecretBytes key = state_key(options);
  const auto token = open_token(options.token, options.pin);
  auto suspended = options.discard_volatile ? std::nullopt : token->machine().suspended();
  if (suspended && token->read_only()) {
    throw Error(ErrorCode::kReadOnly,
                token->path() +
                    " cannot be written, so the suspended machine would be in the token and in the directory, and both "
                    "would draw the same random numbers: export from a store that can be written, or give "
                    "--discard-volatile");
  }
  tpm::SwtpmDirectory directory(options.directory, tpm::SwtpmDirectory::Mode::kWrite);
  if (suspended) {
    // Only one copy of a volatile state may be resumed, so it is removed from the token once the directory has space
    // for it.
    directory.write(suspended->permanent, suspended->rest, key, options.overwrite,
                    [&] { token->machine().release_suspended(*suspended); });
  } else {
    directory.write(token->machine().state(), {}, key, options.overwrite);
    if (!token->read_only()) token->machine().forget_suspended();
  }
  std::cout << "The TPM of token " << token->identity().serial << " is in " << options.directory
            << (key.empty() ? ", not encrypted: a program that can read it has its keys.\n" : ", encrypted.\n");
  if (suspended)
    std::cout << "Its machine can resume where it was suspended. The token has no copy of that state any more.\n";
}

/// An empty name, for instance from a script's unset variable, must not mean "no key".
std::string require_name(const std::string& name) { return name.empty() ? "the name of the file is empty" : ""; }

void add_common(CLI::App& command, SwtpmOptions& options) {
  command.add_option("--directory", options.directory, "The state directory of swtpm")
      ->type_name("DIRECTORY")
      ->required();
  add_token(command, options.token);
  add_secret(command, options.pin, "pin", "the user PIN");
  auto* key = command.add_option("--key-file", options.key_file, "The key of the state files")
                  ->type_name("FILE")
                  ->check(require_name);
  command.add_option("--key-format", options.key_format, "How that key is written: hex or binary")
      ->type_name("FORMAT")
      ->check(CLI::IsMember({"hex", "binary"}));
  command.add_option("--passphrase-file", options.passphrase_file, "The passphrase of the state files")
      ->type_name("FILE")
      ->check(require_name)
      ->excludes(key);
  command.add_flag("--discard-volatile", options.discard_volatile,
                   "Discard the state of a suspended machine, as a power cut does");
  command.add_option("--kdf", options.kdf, "How swtpm derives a key from the passphrase: pbkdf2 or sha512")
      ->type_name("KDF")
      ->check(CLI::IsMember({"pbkdf2", "sha512"}));
  command.add_option("--mode", options.mode, "The cipher of the state files: aes-cbc or aes-256-cbc")
      ->type_name("MODE")
      ->check(CLI::IsMember({"aes-cbc", "aes-256-cbc"}));
}

}  // namespace

void add_swtpm_import(CLI::App& command, ExitStatus&) {
  auto options = std::make_shared<SwtpmOptions>();
  add_common(command, *options);
  command.add_option("--label", options->label, "Make a new token with this label")->type_name("NAME");
  add_secret(command, options->so_pin, "so-pin", "the SO PIN");
  command.add_option("--owner-auth-file", options->owner_auth_file, "The auth value of the owner hierarchy")
      ->type_name("FILE");
  command
      .add_option("--endorsement-auth-file", options->endorsement_auth_file,
                  "The auth value of the endorsement hierarchy")
      ->type_name("FILE");
  command.add_option("--lockout-auth-file", options->lockout_auth_file, "The auth value of the lockout hierarchy")
      ->type_name("FILE");
  command.footer("The auth values of the hierarchies are cleared: the token's PIN guards the TPM from then on.");
  command.callback([options] { as_tool([&] { import_state(*options); }); });
}

void add_swtpm_export(CLI::App& command, ExitStatus&) {
  auto options = std::make_shared<SwtpmOptions>();
  add_common(command, *options);
  command.add_flag("--overwrite", options->overwrite, "Replace the TPM that the directory holds");
  command.callback([options] { as_tool([&] { export_state(*options); }); });
}

}  // namespace vtpm::tools
