// SPDX-License-Identifier: Apache-2.0
// vtpm-token store: shows, checks, repairs and compacts store files.
#include <CLI/CLI.hpp>
#include <array>
#include <ctime>
#include <iomanip>
#include <iostream>
#include <memory>

#include "store/care/repair.h"
#include "store/care/report.h"
#include "store/format/quarantine.h"
#include "tools/command/commands.h"
#include "tools/configuration.h"
#include "tools/find_store.h"
#include "tools/json_text.h"
#include "tools/open_store.h"
#include "tools/progress_bar.h"
#include "tools/standard_output.h"
#include "tools/usage.h"

namespace vtpm::tools {
namespace {

using store::EntryReport;
using store::StoreReport;

struct StoreOptions {
  OpenOptions open;  // `open.store` is first the name on the command line, and later the path
  bool json = false;
  bool accept_older = false;

  StoreOptions() { open.is_file = true; }
  const std::string& file() const { return open.store; }
  /// Replaces the name on the command line by the path; `file` returns the path afterwards.
  void find(Access access) { open.store = path_named(open.store, access); }
};

// The exit statuses of `check`. A check that cannot be made has status 1.
constexpr std::array<ExitStatus, 3> kConditionStatus = {0, 2, 3};

std::string date(uint64_t seconds) {
  const time_t when = static_cast<time_t>(seconds);
  tm utc{};
  gmtime_r(&when, &utc);
  char text[32];
  return {text, strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

nlohmann::json json_of(const EntryReport& entry) {
  nlohmann::json attributes = nlohmann::json::array();
  for (const auto& attribute : entry.attributes) {
    attributes.push_back({{"name", attribute.name}, {"value", attribute.value}, {"mandatory", attribute.mandatory}});
  }
  nlohmann::json json{{"offset", entry.offset},
                      {"length", entry.length},
                      {"state", store::state_name(entry.state)},
                      {"type", entry.type},
                      {"name", entry.name},
                      {"sequence", entry.sequence},
                      {"size", entry.size},
                      {"sealed", entry.sealed},
                      {"mac", entry.has_mac},
                      {"corrected", entry.corrected},
                      {"attributes", attributes},
                      {"verdict", store::verdict_name(entry.verdict)},
                      {"condition", store::condition_name(store::condition_of(entry.verdict))}};
  if (entry.capacity != 0) json["capacity"] = entry.capacity;
  if (entry.count > 1) json["transaction"] = {{"index", entry.index}, {"count", entry.count}};
  if (!entry.finding.empty()) json["finding"] = entry.finding;
  return json;
}

nlohmann::json json_of(const StoreReport& report) {
  nlohmann::json entries = nlohmann::json::array();
  for (const EntryReport& entry : report.entries) entries.push_back(json_of(entry));
  return {{"file", report.path},          {"octets", report.file_bytes},
          {"free", report.free_bytes},    {"uuid", report.uuid},
          {"format", report.format},      {"created", date(report.created)},
          {"last_sequence", report.last}, {"durable", report.durable},
          {"clean", report.clean()},      {"condition", store::condition_name(report.condition)},
          {"findings", report.findings},  {"entries", entries}};
}

void print_head(const StoreReport& report) {
  std::cout << shown(report.path) << ": store " << report.uuid << ", format " << report.format << ", created "
            << date(report.created) << ", " << report.file_bytes << " bytes (" << report.free_bytes << " free)\n";
}

void print_entry(const EntryReport& entry) {
  std::cout << std::right << std::setw(8) << entry.offset << std::setw(8) << entry.length << "  " << std::left
            << std::setw(11) << store::state_name(entry.state) << std::setw(13) << shown(entry.type) << std::setw(7)
            << (entry.sealed    ? "sealed"
                : entry.has_mac ? "mac"
                                : "clear")
            << std::right << std::setw(8) << entry.size << "  " << shown(entry.name) << '\n';
  if (!entry.finding.empty()) std::cout << "          ! " << shown(entry.finding) << '\n';
}

void print_columns() { std::cout << "  offset  length  state      type         form       size  name\n"; }

void dump(const StoreOptions& options) {
  const StoreReport report = store::dump(options.file());
  if (options.json) {
    std::cout << json_text(json_of(report)) << '\n';
    return;
  }
  print_head(report);
  print_columns();
  for (const EntryReport& entry : report.entries) {
    print_entry(entry);
    for (const auto& attribute : entry.attributes) {
      std::cout << std::setw(20) << "" << shown(attribute.name) << (attribute.mandatory ? "" : " (optional)")
                << (attribute.value.empty() ? "" : " = ") << shown(attribute.value) << '\n';
    }
  }
}

void print_verdict(const EntryReport& entry) {
  std::cout << std::right << std::setw(8) << entry.offset << std::setw(8) << entry.length << "  " << std::left
            << std::setw(18) << store::verdict_name(entry.verdict) << std::setw(13)
            << (entry.type.empty() ? "?" : shown(entry.type)) << std::right << std::setw(10)
            << (entry.sequence == 0 ? "?" : std::to_string(entry.sequence)) << "  " << shown(entry.name)
            << "\n          ! " << shown(entry.finding) << '\n';
}

void print_verdicts(const StoreReport& report, bool with_key) {
  size_t current = 0, wrong = 0;
  for (const EntryReport& entry : report.entries) {
    if (entry.state == store::EntryStatus::kCurrent) ++current;
    if (entry.finding.empty()) continue;
    if (wrong++ == 0) std::cout << "  offset  length  verdict           type            number  name\n";
    print_verdict(entry);
  }
  for (const std::string& finding : report.findings) std::cout << "  ! " << shown(finding) << '\n';
  if (!report.clean()) return;
  std::cout << "  all " << report.entries.size() << " entries are in order, " << current << " of them current"
            << (with_key ? ", every seal and MAC is right\n" : "\n");
}

// Unlocks the store with the given secret, so that seals can be checked; returns null without one. The file is not
// changed, so the attempt is not charged (nor would it be on a copy).
std::unique_ptr<store::Vault> unlocked(const StoreOptions& options) {
  if (!options.open.secret_given()) return nullptr;
  return open_store(options.open, /*read_only=*/true, /*any_ending=*/true).vault;
}

ExitStatus check_store(const StoreOptions& options) {
  ProgressBar bar("checking");
  std::unique_ptr<store::Vault> vault;
  std::string refusal;
  try {
    vault = unlocked(options);
  } catch (const Error& error) {  // the key slot of the secret may be damaged
    if (error.code() != ErrorCode::kCorrupt) throw;
    refusal = error.sentence();
  }
  const StoreReport report =
      store::check(options.file(), vault.get(), [&](size_t done, size_t all) { bar.show(done, all); });
  bar.clear();
  if (options.json) {
    nlohmann::json json = json_of(report);
    json["authenticated"] = vault != nullptr;
    if (!refusal.empty()) json["refusal"] = refusal;
    std::cout << json_text(json) << '\n';
    return refusal.empty() ? kConditionStatus[static_cast<size_t>(report.condition)] : kConditionStatus.back();
  }
  print_head(report);
  print_verdicts(report, vault != nullptr);
  if (!refusal.empty()) {
    std::cerr << "vtpm-token: " << shown(refusal) << " (checked without a key)\n";
    return kConditionStatus.back();
  }
  if (report.condition == store::Condition::kRepairable) {
    std::cerr << "vtpm-token: " << shown(options.file())
              << " needs a repair (see above): run vtpm-token store repair; nothing is lost\n";
  } else if (report.condition == store::Condition::kDamaged) {
    std::cerr << "vtpm-token: " << shown(options.file())
              << " is damaged (see above): restore a backup, or run vtpm-token store repair to save what is intact\n";
  }
  return kConditionStatus[static_cast<size_t>(report.condition)];
}

void repair(const StoreOptions& options) {
  ProgressBar bar("repairing");
  const auto vault = unlocked(options);
  const store::RepairReport report = store::repair(
      options.file(),
      {options.accept_older, vault.get(), nullptr, [&](size_t done, size_t all) { bar.show(done, all); }});
  bar.clear();
  if (options.json) {
    nlohmann::json entries = nlohmann::json::array();
    for (const auto& entry : report.entries) {
      entries.push_back(
          {{"offset", entry.offset}, {"length", entry.length}, {"name", entry.name}, {"action", entry.what}});
    }
    std::cout << json_text({{"file", options.file()}, {"changed", report.changed}, {"entries", entries}}) << '\n';
    return;
  }
  for (const auto& entry : report.entries) {
    std::cout << std::setw(8) << entry.offset << std::setw(8) << entry.length << "  "
              << (entry.name.empty() ? "" : shown(entry.name) + ": ") << shown(entry.what) << '\n';
  }
  if (!report.changed) {
    std::cout << shown(options.file()) << " is in order; nothing was changed\n";
    return;
  }
  std::cout << shown(options.file()) << " was repaired; what was set aside is in "
            << shown(store::quarantine_path(options.file())) << '\n';
}

void compact(const StoreOptions& options) {
  ProgressBar bar("compacting");
  const auto [before, after] = store::compact(options.file(), [&](size_t done, size_t all) { bar.show(done, all); });
  bar.clear();
  if (options.json) {
    std::cout << json_text({{"file", options.file()}, {"before", before}, {"after", after}}) << '\n';
    return;
  }
  std::cout << shown(options.file()) << ": " << before << " bytes before, " << after << " now\n";
}

std::shared_ptr<StoreOptions> add_file(CLI::App& command) {
  auto options = std::make_shared<StoreOptions>();
  options->open.add_store_to(command);
  command.add_flag("--json", options->json, "Answer in JSON");
  return options;
}

}  // namespace

void add_store_check(CLI::App& command, ExitStatus& status) {
  auto options = add_file(command);
  options->open.add_secrets_to(command);
  command.footer(
      "With a secret (--as asks for it at the terminal), the command also checks seals, MACs and key slots; the "
      "attempt\n"
      "is not counted. Exit status: 0 intact; 2 repairable, nothing is lost; 3 damaged; 1 the store cannot be "
      "checked.");
  command.callback([options, &status] {
    try {
      options->find(Access::kRead);
      status = check_store(*options);
    } catch (const UsageError& unknown) {  // exit status 2 would mean that the store can be repaired
      throw Error(ErrorCode::kNotFound, unknown.sentence());
    } catch (const BrokenConfiguration& broken) {
      broken.print(std::cerr);
      status = 1;
    }
  });
}

void add_store_dump(CLI::App& command, ExitStatus&) {
  auto options = add_file(command);
  command.callback([options] {
    options->find(Access::kRead);
    dump(*options);
  });
}

void add_store_repair(CLI::App& command, ExitStatus&) {
  auto options = add_file(command);
  command.add_flag(
      "--accept-older", options->accept_older,
      "Use older versions where newer ones are damaged: PINs and counters may be those of an earlier time");
  options->open.add_secrets_to(command);
  command.footer("Nothing is deleted: bytes that cannot be repaired are kept in FILE.quarantine.");
  command.callback([options] {
    options->find(Access::kWrite);
    repair(*options);
  });
}

void add_store_compact(CLI::App& command, ExitStatus&) {
  auto options = add_file(command);
  command.callback([options] {
    options->find(Access::kWrite);
    compact(*options);
  });
}

}  // namespace vtpm::tools
