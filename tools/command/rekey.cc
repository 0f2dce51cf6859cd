// SPDX-License-Identifier: Apache-2.0
// vtpm-token keyslot rekey: gives a store a new master key.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <memory>
#include <sstream>

#include "base/error.h"
#include "pkcs11/token/records.h"
#include "tools/command/commands.h"
#include "tools/confirmation.h"
#include "tools/json_text.h"
#include "tools/open_store.h"
#include "tools/progress_bar.h"
#include "tools/secret_source.h"
#include "tools/standard_output.h"

namespace vtpm::tools {
namespace {

using store::KeptKeySlot;
using store::KeySlotInfo;
using store::Role;

struct RekeyOptions {
  OpenOptions open;
  std::vector<std::string> keep;  // NUMBER:FILE
  KeyOptions fresh_key;
  bool yes = false, json = false;
};

std::string label_of(const KeySlotInfo& slot) {
  return std::to_string(slot.number) + (slot.role ? " (" + std::string(store::role_name(*slot.role)) + ")" : "");
}

struct Kept {
  unsigned number = 0;
  std::string file;
};

Kept parse_keep(const std::string& text) {
  Kept kept;
  const size_t colon = text.find(':');
  const std::string digits = text.substr(0, colon);
  const bool is_number = !digits.empty() && digits.size() < 3 && digits.find_first_not_of("0123456789") == digits.npos;
  if (colon == std::string::npos || !is_number || colon + 1 == text.size()) {
    throw Error(ErrorCode::kInvalidArgument,
                "--keep takes a key slot's number and the file of its secret, such as 3:FILE, not \"" + text + "\"");
  }
  kept.number = static_cast<unsigned>(std::stoul(digits));
  kept.file = text.substr(colon + 1);
  return kept;
}

SecretBytes secret_of_slot(const KeySlotInfo& slot, const std::string& file) {
  RoleSecret source;
  source.pin.file = source.key.file = file;
  return source.read(slot.role.value_or(Role::kUser), /*confirm=*/false);
}

// The key slot that opened the store, those that --keep names, and those whose secret is typed.
std::vector<KeptKeySlot> slots_to_keep(const RekeyOptions& options, OpenedStore& opened) {
  std::vector<KeptKeySlot> kept;
  store::UnlockResult result{};
  const auto own = opened.vault->find_slot(opened.role, opened.secret, result);
  require_unlocked(result, *opened.vault, opened.role);
  kept.push_back({*own, opened.secret.clone()});
  std::vector<Kept> named;
  for (const std::string& text : options.keep) named.push_back(parse_keep(text));
  for (const KeySlotInfo& slot : opened.vault->slots()) {
    if (slot.number == *own) continue;
    const auto given =
        std::find_if(named.begin(), named.end(), [&](const Kept& one) { return one.number == slot.number; });
    if (given != named.end()) {
      kept.push_back({slot.number, secret_of_slot(slot, given->file)});
    } else if (slot.notes.empty) {
      kept.push_back({slot.number, SecretBytes()});
    } else if (options.keep.empty() && slot.role != Role::kKeyfile && slot.finding.empty()) {
      const SecretSource typed{"Secret of key slot " + label_of(slot) + ", empty to drop it",
                               "vtpm.keyslot-" + std::to_string(slot.number), "", -1};
      if (auto secret = typed.read(/*confirm=*/false)) kept.push_back({slot.number, std::move(*secret)});
    }
  }
  for (const Kept& one : named) {
    const bool known =
        std::any_of(kept.begin(), kept.end(), [&](const KeptKeySlot& k) { return k.number == one.number; });
    if (!known) {
      throw Error(ErrorCode::kNotFound, "key slot " + std::to_string(one.number) + " of --keep is not active");
    }
  }
  return kept;
}

std::vector<KeySlotInfo> dropped_slots(const store::Vault& vault, const std::vector<KeptKeySlot>& kept) {
  std::vector<KeySlotInfo> dropped;
  for (const KeySlotInfo& slot : vault.slots()) {
    const bool stays =
        std::any_of(kept.begin(), kept.end(), [&](const KeptKeySlot& k) { return k.number == slot.number; });
    if (!stays) dropped.push_back(slot);
  }
  return dropped;
}

void confirm(const RekeyOptions& options, const std::vector<KeySlotInfo>& dropped) {
  if (dropped.empty()) return;
  std::string names;
  for (const KeySlotInfo& slot : dropped) names += (names.empty() ? "" : ", ") + label_of(slot);
  std::cerr << "These key slots will no longer open the store, because their secrets were not given: " << names << '\n';
  if (options.yes) return;
  require_confirmation("give --yes to drop them, or their secrets with --keep");
}

void report(const RekeyOptions& options, const store::Vault& vault, const std::vector<KeySlotInfo>& dropped) {
  const uint64_t epoch = vault.slots().front().epoch;
  if (!options.json) {
    std::cout << shown(vault.path()) << " has a new master key, epoch " << epoch
              << ". Older copies of the file still open with their keys: destroy those that are not needed.\n";
    return;
  }
  nlohmann::json json{{"changed", true}, {"epoch", epoch}, {"dropped", nlohmann::json::array()}};
  for (const KeySlotInfo& slot : dropped) json["dropped"].push_back(slot.number);
  std::cout << json_text(json) << '\n';
}

void rekey(const RekeyOptions& options) {
  OpenedStore opened = open_store(options.open);
  std::vector<KeySlotInfo> dropped;
  ProgressBar bar("re-keying");
  const auto progress = [&](size_t done, size_t all) { bar.show(done, all); };
  if (opened.raw) {
    if (!options.fresh_key.given())
      throw Error(ErrorCode::kInvalidArgument, "the new raw key is needed: --new-key-file");
    KeyOptions fresh = options.fresh_key;
    fresh.format = options.open.secret.key.format;
    opened.vault->rekey_raw(fresh.raw_key(), progress, pkcs11::record_properties);
  } else {
    const std::vector<KeptKeySlot> kept = slots_to_keep(options, opened);
    dropped = dropped_slots(*opened.vault, kept);
    confirm(options, dropped);
    opened.vault->rekey(kept, progress, pkcs11::record_properties);
  }
  report(options, *opened.vault, dropped);
}

}  // namespace

void add_keyslot_rekey(CLI::App& command, ExitStatus&) {
  auto options = std::make_shared<RekeyOptions>();
  options->open.add_to(command);
  command
      .add_option("--keep", options->keep,
                  "A key slot that stays and the file of its secret; may be given several times")
      ->type_name("NUMBER:FILE");
  options->fresh_key.add_to(command, "new-key", "The new key of a raw-key store", false);
  command.add_flag("--yes", options->yes, "Drop the key slots whose secret is not given, without asking");
  command.add_flag("--json", options->json, "Answer in JSON");
  command.footer(
      "The key slot that opens the store stays. Without --keep, the secrets of the others are asked for. The new "
      "master\n"
      "key can be wrapped only for secrets that are given: every other key slot is named and then dropped. Programs\n"
      "that are logged in to the token are logged out.");
  command.callback([options] { rekey(*options); });
}

}  // namespace vtpm::tools
