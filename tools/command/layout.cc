// SPDX-License-Identifier: Apache-2.0
// vtpm-token store export and import: converts a store to and from the fixed-capacity layout, in which programs
// overwrite blobs in place.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "base/error.h"
#include "store/care/fixed_layout.h"
#include "store/care/report.h"
#include "tools/blob_list.h"
#include "tools/command/commands.h"
#include "tools/json_text.h"
#include "tools/open_store.h"
#include "tools/progress_bar.h"
#include "tools/standard_output.h"

namespace vtpm::tools {
namespace {

struct LayoutOptions {
  OpenOptions open;
  std::string fixed, store;
  std::vector<std::string> room;
  bool accept_older = false, json = false;
};

std::pair<std::string, uint64_t> parse_room(const std::string& text) {
  const size_t equals = text.rfind('=');
  if (equals == std::string::npos || equals == 0) {
    throw Error(ErrorCode::kInvalidArgument,
                "--room takes a name and a number of bytes, such as nic0/eeprom=10k, not \"" + text + "\"");
  }
  return {text.substr(0, equals), parse_bytes(text.substr(equals + 1), "the room of '" + text.substr(0, equals) + "'")};
}

// Opens the store with a secret if one is named, or if the store is encrypted.
OpenedStore open_for_export(const OpenOptions& options) {
  OpenedStore opened;
  opened.vault = options.open();
  if (opened.vault->cipher() == store::Cipher::kNone && !options.secret_given()) return opened;
  opened.vault.reset();
  return open_store(options);
}

void export_store(const LayoutOptions& options) {
  ProgressBar bar("exporting");
  store::FixedExportOptions how;
  how.progress = [&](size_t done, size_t all) { bar.show(done, all); };
  for (const std::string& text : options.room) how.room.push_back(parse_room(text));
  const OpenedStore opened = open_for_export(options.open);
  store::export_fixed(*opened.vault, options.fixed, how);
  bar.clear();
  if (options.json) {
    std::cout << json_text({{"store", opened.vault->path()}, {"fixed", options.fixed}}) << '\n';
    return;
  }
  std::cout << shown(options.fixed) << " contains the current entries of " << shown(opened.vault->path())
            << ", each twice, in the fixed-capacity layout; the same secrets open it.\n";
}

void import_store(const LayoutOptions& options) {
  ProgressBar bar("importing");
  store::FixedImportOptions how;
  how.accept_older = options.accept_older;
  how.progress = [&](size_t done, size_t all) { bar.show(done, all); };
  const auto findings = store::import_fixed(options.fixed, options.store, how);
  bar.clear();
  if (options.json) {
    std::cout << json_text({{"fixed", options.fixed}, {"store", options.store}, {"findings", findings}}) << '\n';
    return;
  }
  for (const std::string& finding : findings) std::cout << "  ! " << shown(finding) << '\n';
  std::cout << shown(options.store) << " is a store with the current entries of " << shown(options.fixed)
            << "; the same secrets open it.\n";
}

}  // namespace

void add_store_export(CLI::App& command, ExitStatus&) {
  auto options = std::make_shared<LayoutOptions>();
  options->open.add_to(command);
  command.add_option("--fixed", options->fixed, "The file to make")->type_name("FILE")->required();
  command
      .add_option("--room", options->room,
                  "Room for a blob without a capacity (default: its present size); may be given several times")
      ->type_name("NAME=BYTES");
  command.add_flag("--json", options->json, "Answer in JSON");
  command.footer(
      "Every entry is sealed again, which needs the store's key. In that layout each name has two entries that never\n"
      "move, so that simple programs can overwrite them in turn (docs/format.md). vtpm-token cannot change such a "
      "file.");
  command.callback([options] { export_store(*options); });
}

void add_store_import(CLI::App& command, ExitStatus&) {
  auto options = std::make_shared<LayoutOptions>();
  command.add_option("fixed", options->fixed, "The file in the fixed-capacity layout")->type_name("FILE")->required();
  command.add_option("store", options->store, "The store to make (….vtpm)")->type_name("FILE")->required();
  command.add_flag("--accept-older", options->accept_older,
                   "Where one of the two entries of a name is damaged, use the other, which may be the older");
  command.add_flag("--json", options->json, "Answer in JSON");
  command.footer("The command needs no key: it copies the current entry of each name. If it fails, no file is made.");
  command.callback([options] { import_store(*options); });
}

}  // namespace vtpm::tools
