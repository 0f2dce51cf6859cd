// SPDX-License-Identifier: Apache-2.0
// vtpm-token store export and import: a store in the fixed-capacity layout, for programs that overwrite blobs in place.
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
                "--room takes a name and its octets, as nic0/eeprom=10k, not \"" + text + "\"");
  }
  return {text.substr(0, equals),
          parse_octets(text.substr(equals + 1), "the room of '" + text.substr(0, equals) + "'")};
}

// Opened with the key where one is named, or where the store has one.
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
  std::cout << shown(options.fixed) << " holds what is current in " << shown(opened.vault->path())
            << ", twice each, in the fixed-capacity layout; the same secrets open it.\n";
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
  std::cout << shown(options.store) << " is a store with what is current in " << shown(options.fixed)
            << "; the same secrets open it.\n";
}

}  // namespace

void add_layout_commands(CLI::App& store) {
  auto options = std::make_shared<LayoutOptions>();
  CLI::App* out = store.add_subcommand("export", "Write what is current in a store in the fixed-capacity layout");
  options->open.add_to(*out);
  out->add_option("--fixed", options->fixed, "The file to make")->required();
  out->add_option("--room", options->room,
                  "NAME=OCTETS, room for a blob without a capacity, which else gets what it needs now; several times");
  out->add_flag("--json", options->json, "Answer in JSON");
  out->footer(
      "Every entry is sealed anew, which needs the store's key. In that layout each name stands twice and entries "
      "never\n"
      "move, so that programs without a log can overwrite them in turn (docs/format.md). Nothing here works in it.");
  out->callback([options] { export_store(*options); });

  CLI::App* in = store.add_subcommand("import", "Make a store of a file in the fixed-capacity layout");
  in->add_option("fixed", options->fixed, "The file in the fixed-capacity layout")->required();
  in->add_option("store", options->store, "The store to make (….vtpm)")->required();
  in->add_flag("--accept-older", options->accept_older,
               "Where one of the two entries of a name is damaged, let the other count: it may be the older");
  in->add_flag("--json", options->json, "Answer in JSON");
  in->footer(
      "Needs no key: the current entry of each name is copied as it is. When anything is refused, no file is made.");
  in->callback([options] { import_store(*options); });
}

}  // namespace vtpm::tools
