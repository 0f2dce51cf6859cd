// SPDX-License-Identifier: Apache-2.0
// vtpm-token list: lists the stores of the configured directory, and says why a file is not a token.
#include <iomanip>
#include <iostream>
#include <memory>

#include "pkcs11/cryptoki/refusal.h"
#include "tools/command/commands.h"
#include "tools/cryptoki_client.h"
#include "tools/find_store.h"
#include "tools/json_text.h"
#include "tools/standard_output.h"

namespace vtpm::tools {
namespace {

std::string state_of(CK_FLAGS flags) {
  if (!(flags & CKF_TOKEN_INITIALIZED)) return "free";
  if (flags & CKF_USER_PIN_LOCKED) return "user PIN locked";
  if (!(flags & CKF_USER_PIN_INITIALIZED)) return "no user PIN";
  if (flags & CKF_WRITE_PROTECTED) return "read-only";
  if (flags & CKF_USER_PIN_FINAL_TRY) return "one try left";
  return "ready";
}

void add_file(nlohmann::json& row, const store::FoundStore& store) {
  row["file"] = store.path;
  if (store.is_link) row["leads_to"] = store.leads_to;
  if (store.name) {
    row["serial"] = store.name->serial;
    row["label"] = store.name->label;
  }
  if (!store.reason.empty()) row["reason"] = store.reason;
}

nlohmann::json describe(CK_SLOT_ID slot, const store::StoreDirectory& directory) {
  nlohmann::json row{{"slot", slot}, {"directory", directory.directory()}};
  for (const store::FoundStore& store : directory.stores()) {
    if (store.number == slot) add_file(row, store);
  }
  CK_TOKEN_INFO info{};
  const CK_RV rv = C_GetTokenInfo(slot, &info);
  if (rv == CKR_TOKEN_NOT_PRESENT && directory.problem().empty() && slot == directory.unused_number()) {
    row["state"] = "free";
    return row;
  }
  if (rv != CKR_OK) {
    row["state"] = "unreadable";
    row["error"] = pkcs11::rv_name(rv);
    if (rv == CKR_TOKEN_NOT_PRESENT && !directory.problem().empty()) row["reason"] = directory.problem();
    for (const store::FoundStore& store : directory.stores()) {
      if (store.number == slot && store.standing != store::Standing::kServed)
        row["state"] = store::standing_name(store.standing);
    }
    return row;
  }
  row["state"] = state_of(info.flags);
  if (info.flags & CKF_TOKEN_INITIALIZED) {
    row["label"] = trimmed(info.label);
    row["serial"] = trimmed(info.serialNumber);
    row["uri"] = token_uri(info);
  }
  return row;
}

/// Describes a store that has no slot.
nlohmann::json describe(const store::FoundStore& store, const store::StoreDirectory& directory) {
  nlohmann::json row{{"directory", directory.directory()}, {"state", store::standing_name(store.standing)}};
  add_file(row, store);
  return row;
}

void print_row(const nlohmann::json& row) {
  const std::string slot = row.contains("slot") ? std::to_string(row["slot"].get<CK_SLOT_ID>()) : "-";
  const std::string file = shown(row.value("file", ""));
  std::cout << std::left << std::setw(10) << slot << std::setw(18) << shown(row.value("serial", "-")) << std::setw(17)
            << row.value("state", "") << std::setw(17) << shown(row.value("label", "-"))
            << (file.empty() ? "-" : file.substr(file.rfind('/') + 1)) << '\n';
  if (row.contains("reason")) std::cout << "          " << shown(row["reason"].get<std::string>()) << '\n';
}

void list(bool as_json) {
  const Cryptoki cryptoki;
  const std::vector<CK_SLOT_ID> slots = cryptoki.slots();
  const auto directory = store_directory();
  nlohmann::json rows = nlohmann::json::array();
  for (const CK_SLOT_ID slot : slots) rows.push_back(describe(slot, *directory));
  for (const store::FoundStore& store : directory->stores()) {
    if (!store.number) rows.push_back(describe(store, *directory));
  }
  if (as_json) {
    std::cout << json_text(rows) << '\n';
    return;
  }
  const std::string& path = directory->directory();
  const std::string none =
      "none; there is no home directory and no $STATE_DIRECTORY (set store_dir in the configuration)";
  std::cout << "Store directory: " << (path.empty() ? none : shown(path)) << '\n'
            << "slot      serial            state            label            file\n";
  for (const auto& row : rows) print_row(row);
}

}  // namespace

void add_list(CLI::App& command, ExitStatus&) {
  auto json = std::make_shared<bool>(false);
  command.add_flag("--json", *json, "Answer in JSON");
  command.callback([json] { list(*json); });
}

}  // namespace vtpm::tools
