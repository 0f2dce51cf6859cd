// SPDX-License-Identifier: Apache-2.0
// vtpm-token keyslot: manages the secrets that open a store: `amend` for programs, the other commands for users,
// similar to cryptsetup.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <iomanip>
#include <iostream>
#include <memory>

#include "base/error.h"
#include "store/vault/recovery_phrase.h"
#include "tools/amend_json.h"
#include "tools/command/commands.h"
#include "tools/json_text.h"
#include "tools/open_store.h"
#include "tools/standard_output.h"

namespace vtpm::tools {
namespace {

using store::DesiredState;
using store::Role;

struct KeyslotOptions {
  OpenOptions open;
  RoleSecret fresh, old;
  std::string role = "user", kdf, input = "-";
  std::optional<unsigned> keyslot;
  std::optional<uint32_t> iter_time;
  bool generate = false, json = false;

  KeyslotOptions() {
    fresh.pin = {"", "vtpm.new-pin", "", -1};
    old.pin = {"Secret to remove", "vtpm.old-pin", "", -1};
  }
};

// --- list ---

void list(const KeyslotOptions& options) {
  const auto vault = options.open.open();
  const auto slots = vault->slots();
  if (options.json) {
    std::cout << json_text({{"file", vault->path()},
                            {"encryption", store::cipher_name(vault->cipher())},
                            {"keyslots", store::kMaxSlots},
                            {"slots", json_of(slots)}})
              << '\n';
    return;
  }
  std::cout << shown(vault->path()) << ": " << store::cipher_name(vault->cipher()) << ", " << slots.size() << " of "
            << store::kMaxSlots << " key slots are active\n";
  for (const store::KeySlotInfo& slot : slots) {
    std::cout << std::right << std::setw(4) << slot.number << "  " << std::left << std::setw(10)
              << (slot.role ? store::role_name(*slot.role) : "-") << slot.kdf;
    if (slot.epoch > 1) std::cout << ", epoch " << slot.epoch;
    std::cout << '\n';
    if (!slot.finding.empty()) std::cout << "      ! " << shown(slot.finding) << '\n';
  }
}

// --- secrets ---

void print_phrase(const SecretBytes& phrase) {
  std::cout << "The recovery phrase, shown this once: write it down and keep it apart from the store.\n\n    ";
  std::cout.write(reinterpret_cast<const char*>(phrase.data()), static_cast<std::streamsize>(phrase.size()));
  std::cout << "\n\n";
}

SecretBytes fresh_secret(const KeyslotOptions& options, Role role) {
  if (options.generate) return store::generate_recovery_phrase();
  RoleSecret source = options.fresh;
  source.pin.prompt = role == Role::kSo         ? "New SO PIN"
                      : role == Role::kRecovery ? "New recovery phrase"
                                                : "New user PIN";
  SecretBytes secret = source.read(role, /*confirm=*/true);
  if (role == Role::kRecovery) refuse_mistyped(secret);
  require_pin_length(role, secret);
  return secret;
}

void require_generate_fits(const KeyslotOptions& options, Role role) {
  if (!options.generate || role == Role::kRecovery) return;
  throw Error(ErrorCode::kInvalidArgument, "--generate makes a recovery phrase: give --role recovery");
}

void report(const KeyslotOptions& options, const nlohmann::json& json, const std::string& text) {
  if (options.json) {
    std::cout << json_text(json) << '\n';
  } else {
    std::cout << shown(text) << '\n';
  }
}

// The phrase is shown before `work` changes a key slot: a phrase that was never shown must neither open the store nor
// replace another secret. In JSON it is part of the answer, which is therefore printed before `work` is done.
template <typename F>
void show_and_do(const KeyslotOptions& options, const SecretBytes& phrase, nlohmann::json json, F&& work) {
  if (options.json) {
    json["phrase"] = std::string(as_text(phrase));
    std::cout << json_text(json) << '\n';
  } else {
    print_phrase(phrase);
  }
  try {
    require_shown();
    work();
  } catch (const Error& error) {
    throw Error(error.code(), error.sentence() + " (no key slot was changed: the generated phrase opens nothing)");
  }
}

// --- add-key, del-key, change ---

std::optional<store::KdfCost> cost_of(const std::string& kdf) {
  if (kdf == "argon2id") return crypto::Argon2Parameters{};
  if (kdf == "pbkdf2") return crypto::Pbkdf2Parameters{};
  return std::nullopt;
}

/// The key slot for a new secret: the requested one, or the first free one. Returns nothing if it is not free or does
/// not exist: then `amend` reports the error, and no phrase is shown before.
std::optional<unsigned> free_slot(const store::Vault& vault, std::optional<unsigned> wanted) {
  const auto slots = vault.slots();
  for (unsigned number = wanted.value_or(1); number >= 1 && number <= store::kMaxSlots; ++number) {
    const auto same = [&](const store::KeySlotInfo& slot) { return slot.number == number; };
    if (std::none_of(slots.begin(), slots.end(), same)) return number;
    if (wanted) break;
  }
  return std::nullopt;
}

std::string opens_as_well(const KeyslotOptions& options, const store::Vault& vault, unsigned number) {
  return "Key slot " + std::to_string(number) + " (" + options.role + ") opens " + vault.path() + " as well.";
}

void add_key(const KeyslotOptions& options) {
  const Role role = store::role_of(options.role).value();
  require_generate_fits(options, role);
  const OpenedStore opened = open_store(options.open);
  const SecretBytes secret = fresh_secret(options, role);
  DesiredState desired;
  desired.keyslot = options.keyslot;
  desired.secret = secret.clone();
  desired.role = role;
  desired.by = opened.role;
  desired.cost = cost_of(options.kdf);
  desired.iter_time = options.iter_time;
  const auto number = options.generate ? free_slot(*opened.vault, options.keyslot) : std::nullopt;
  if (number) {
    desired.keyslot = number;
    show_and_do(options, secret, {{"changed", true}, {"keyslot", *number}}, [&] { opened.vault->amend(desired); });
    if (!options.json) std::cout << shown(opens_as_well(options, *opened.vault, *number)) << '\n';
    return;
  }
  const store::AmendPlan done = opened.vault->amend(desired);
  if (done.nothing_to_do()) {
    report(options, {{"changed", false}, {"keyslot", *options.keyslot}},
           "Key slot " + std::to_string(*options.keyslot) + " holds that secret already.");
    return;
  }
  report(options, {{"changed", true}, {"keyslot", *done.activate}},
         opens_as_well(options, *opened.vault, *done.activate));
}

void del_key(const KeyslotOptions& options) {
  const bool by_secret =
      !options.keyslot || !options.old.pin.file.empty() || options.old.pin.descriptor >= 0 || options.old.key.given();
  const OpenedStore opened = open_store(options.open);
  DesiredState desired;
  desired.state = DesiredState::State::kInactive;
  desired.keyslot = options.keyslot;
  desired.by = opened.role;
  if (by_secret) {
    desired.old_secret = options.old.read(options.old.key.given() ? Role::kKeyfile : Role::kUser, /*confirm=*/false);
  }
  const store::AmendPlan done = opened.vault->amend(desired);
  std::string numbers;
  for (unsigned number : done.deactivate) numbers += (numbers.empty() ? "" : ", ") + std::to_string(number);
  report(options, {{"changed", !done.nothing_to_do()}, {"keyslots", done.deactivate}},
         done.nothing_to_do() ? "Key slot " + std::to_string(*options.keyslot) + " is inactive already."
                              : "Key slot " + numbers + " opens no copy of the store that is made from now on.");
}

void change(const KeyslotOptions& options) {
  OpenedStore opened = open_store(options.open);
  if (opened.raw) {
    throw Error(ErrorCode::kUnsupported, opened.vault->path() + " is opened by a raw key: re-key it to change that");
  }
  // If a recovery phrase opened the store, a phrase replaces it.
  const SecretBytes secret = fresh_secret(options, options.generate ? Role::kRecovery : opened.role);
  store::UnlockResult result{};
  const auto number = opened.vault->find_slot(opened.role, opened.secret, result);
  require_unlocked(result, *opened.vault, opened.role);
  if (options.generate) {
    for (const store::KeySlotInfo& slot : opened.vault->slots()) {
      if (slot.number == number && slot.role != Role::kRecovery) {
        throw Error(ErrorCode::kInvalidArgument, "--generate replaces a recovery phrase, and key slot " +
                                                     std::to_string(*number) + " does not hold one");
      }
    }
  }
  const auto replace = [&] {
    require_unlocked(opened.vault->change_secret(opened.role, opened.secret, secret), *opened.vault, opened.role);
  };
  const nlohmann::json answer{{"changed", true}, {"keyslot", *number}};
  const std::string text = "Key slot " + std::to_string(*number) +
                           " holds the new secret; the old one opens no copy that is made from now on.";
  if (options.generate) {
    show_and_do(options, secret, answer, replace);
    if (!options.json) std::cout << text << '\n';
    return;
  }
  replace();
  report(options, answer, text);
}

// --- amend ---

constexpr size_t kMostJson = 4 << 20;

void amend(const KeyslotOptions& options) {
  constexpr int kStandardInput = 0;
  const bool piped = options.input == "-";
  DesiredState desired =
      parse_desired_state(read_bytes(piped ? "" : options.input, piped ? kStandardInput : -1, kMostJson));
  const OpenedStore opened = open_store(options.open);
  desired.by = opened.role;
  const store::AmendPlan done = opened.vault->amend(desired);
  nlohmann::json json{
      {"changed", !done.nothing_to_do()}, {"deactivated", done.deactivate}, {"slots", json_of(opened.vault->slots())}};
  json["activated"] = done.activate ? nlohmann::json::array({*done.activate}) : nlohmann::json::array();
  std::cout << json_text(json) << '\n';
}

// --- the command line ---

void add_fresh(CLI::App& command, KeyslotOptions& options) {
  add_secret(command, options.fresh.pin, "new-pin", "the new secret");
  options.fresh.key.add_to(command, "new-key", "The new key file, for the role keyfile", false);
  command.add_flag("--generate", options.generate, "Make a recovery phrase, and show it once");
}

}  // namespace

void add_keyslot_list(CLI::App& command, ExitStatus&) {
  auto options = std::make_shared<KeyslotOptions>();
  options->open.add_store_to(command);
  command.add_flag("--json", options->json, "Answer in JSON");
  command.callback([options] { list(*options); });
}

void add_keyslot_add_key(CLI::App& command, ExitStatus&) {
  auto options = std::make_shared<KeyslotOptions>();
  options->open.add_to(command);
  command.add_option("--role", options->role, "The role of the new key slot: user, recovery, keyfile or so")
      ->type_name("ROLE")
      ->check(CLI::IsMember({"user", "recovery", "keyfile", "so"}));
  command
      .add_option("--keyslot", options->keyslot, "The number of the key slot, 1 to 32 (default: the first free one)")
      ->type_name("NUMBER");
  add_fresh(command, *options);
  command
      .add_option("--kdf", options->kdf,
                  "How the secret is stretched: argon2id or pbkdf2 (default: as in the other key slots)")
      ->type_name("KDF")
      ->check(CLI::IsMember({"argon2id", "pbkdf2"}));
  command.add_option("--iter-time", options->iter_time, "How long stretching the secret takes, approximately")
      ->type_name("MILLISECONDS");
  command.add_flag("--json", options->json, "Answer in JSON");
  command.callback([options] { add_key(*options); });
}

void add_keyslot_del_key(CLI::App& command, ExitStatus&) {
  auto options = std::make_shared<KeyslotOptions>();
  options->open.add_to(command);
  command
      .add_option("--keyslot", options->keyslot,
                  "The number of the key slot (default: every key slot that holds the secret)")
      ->type_name("NUMBER");
  add_secret(command, options->old.pin, "old-pin", "the secret to remove");
  options->old.key.add_to(command, "old-key", "The key file to remove", false);
  command.add_flag("--json", options->json, "Answer in JSON");
  command.callback([options] { del_key(*options); });
}

void add_keyslot_change(CLI::App& command, ExitStatus&) {
  auto options = std::make_shared<KeyslotOptions>();
  options->open.add_to(command);
  add_fresh(command, *options);
  command.add_flag("--json", options->json, "Answer in JSON");
  command.callback([options] { change(*options); });
}

void add_keyslot_amend(CLI::App& command, ExitStatus&) {
  auto options = std::make_shared<KeyslotOptions>();
  options->open.add_to(command);
  command.add_option("--input", options->input, "The desired state: a file, or - for the standard input")
      ->type_name("FILE");
  command.footer(
      "{\"state\": \"active\", \"secret\": \"...\", \"keyslot\": N, \"iter-time\": MS, \"role\": \"user\"}\n"
      "{\"state\": \"inactive\", \"keyslot\": N, \"old-secret\": \"...\"}\n"
      "keyslot, iter-time, role and old-secret may be left out: see vtpm-token(1).");
  command.callback([options] { amend(*options); });
}

}  // namespace vtpm::tools
