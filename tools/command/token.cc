// SPDX-License-Identifier: Apache-2.0
// vtpm-token rename and delete: changes a token's label, or deletes the token.
#include <iostream>
#include <memory>

#include "base/error.h"
#include "pkcs11/token/token.h"
#include "tools/command/commands.h"
#include "tools/confirmation.h"
#include "tools/cryptoki_client.h"
#include "tools/find_store.h"
#include "tools/json_text.h"
#include "tools/open_store.h"
#include "tools/standard_output.h"

namespace vtpm::tools {
namespace {

// --- rename ---

struct RenameOptions {
  OpenOptions open;
  std::string label;
  bool json = false;
};

// The label is bound to the store by a MAC, so setting it requires a secret that opens the store.
void rename(const RenameOptions& options) {
  const Label label = padded_label(options.label);
  const OpenedStore opened = open_store(options.open);
  const auto [serial, before, number] = pkcs11::Token::name_of(*opened.vault);
  warn_of_namesakes(options.label, serial);
  pkcs11::change_label(*opened.vault, std::string(label.begin(), label.end()));
  if (options.json) {
    std::cout << json_text({{"serial", serial}, {"label", options.label}, {"before", before}}) << '\n';
    return;
  }
  std::cout << "Token " << shown(serial) << " is called \"" << shown(options.label) << "\" now; it was \""
            << shown(before) << "\".\n";
}

// --- delete ---

struct DeleteOptions {
  std::string name;
  bool yes = false, json = false;
};

/// Without the token, a copy in the same directory would become the token.
void require_removable(const store::StoreDirectory& directory, const store::FoundStore& store) {
  const bool holds_the_place =
      store.standing == store::Standing::kServed || store.standing == store::Standing::kUnreadable;
  if (holds_the_place) refuse_beside_others(directory, store, "deleted");
}

std::string description_of(const store::FoundStore& store) {
  std::string text = store.path;
  if (store.name) text += ", token \"" + store.name->label + "\", serial number " + store.name->serial;
  if (store.standing != store::Standing::kServed) text += " (" + store.reason + ")";
  return text;
}

void remove(const DeleteOptions& options) {
  NamedStore named = find_store(options.name);
  require_removable(*named.directory, named.store);
  if (!options.yes) {
    std::cerr << "This file will be deleted, and all keys in it: " << shown(description_of(named.store)) << '\n';
    require_confirmation("give --yes to delete " + named.store.path);
  }
  const auto lock = named.directory->lock();
  named.directory->refresh();
  for (const store::FoundStore& store : named.directory->stores()) {
    if (store.path != named.store.path || !equal(store.uuid, named.store.uuid)) continue;
    require_removable(*named.directory, store);
    named.directory->remove(store);
    if (!options.json) {
      std::cout << shown(store.path) << " is deleted.\n";
      return;
    }
    nlohmann::json json{{"deleted", store.path}};
    if (store.name) json.update({{"serial", store.name->serial}, {"label", store.name->label}});
    std::cout << json_text(json) << '\n';
    return;
  }
  throw Error(ErrorCode::kReplaced, named.store.path + " was removed or replaced meanwhile; nothing was deleted");
}

}  // namespace

void add_rename(CLI::App& command, ExitStatus&) {
  auto options = std::make_shared<RenameOptions>();
  options->open.add_to(command);
  command.add_option("label", options->label, "The new label, up to 32 bytes of UTF-8")->type_name("NAME")->required();
  command.add_flag("--json", options->json, "Answer in JSON");
  command.footer("Any secret that opens the store is enough. Programs that have the token open show the new label.");
  command.callback([options] { rename(*options); });
}

void add_delete(CLI::App& command, ExitStatus&) {
  auto options = std::make_shared<DeleteOptions>();
  command.add_option("store", options->name, "The token (label, serial number, pkcs11: URI) or the file")
      ->type_name("TOKEN|FILE")
      ->required();
  command.add_flag("--yes", options->yes, "Do not ask for a confirmation");
  command.add_flag("--json", options->json, "Answer in JSON");
  command.footer(
      "No PIN is needed: anyone who can write to the directory can delete the token. The command fails while the\n"
      "directory has another file with the token's serial number, which would become the token: delete that copy "
      "first.");
  command.callback([options] { remove(*options); });
}

}  // namespace vtpm::tools
