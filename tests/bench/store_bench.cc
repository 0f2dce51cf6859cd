// SPDX-License-Identifier: Apache-2.0
// vtpm_store_bench: measures the store in comparison with SQLite and LMDB, and with more entries (docs/performance.md).
//
//   vtpm_store_bench [--short] [--directory DIR] [--seconds N] [--rounds N]
//
// --short only shows that the program runs. DIR is for the stores; it must be on a disk, because the cost of a commit
// is that of a sync.
#include <linux/magic.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <stdexcept>

#include "tests/bench/commit_race.h"
#include "tests/bench/store_scale.h"

namespace vtpm::bench {
namespace {

struct Options {
  bool is_short = false;
  std::string directory = "/var/tmp";
  double seconds = 1;
  unsigned rounds = 5;
};

int usage() {
  std::fprintf(stderr, "usage: vtpm_store_bench [--short] [--directory DIR] [--seconds N] [--rounds N]\n");
  return 2;
}

/// Returns nothing if an argument is not valid.
std::optional<Options> parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : nullptr;
    if (option == "--short") {
      options.is_short = true;
      continue;
    }
    if (!value) return std::nullopt;
    ++i;
    if (option == "--directory")
      options.directory = value;
    else if (option == "--seconds")
      options.seconds = std::strtod(value, nullptr);
    else if (option == "--rounds")
      options.rounds = static_cast<unsigned>(std::strtoul(value, nullptr, 10));
    else
      return std::nullopt;
  }
  if (options.seconds <= 0 || options.rounds == 0) return std::nullopt;
  return options;
}

bool is_memory(const std::string& directory) {
  struct statfs info;
  if (::statfs(directory.c_str(), &info) != 0) throw std::runtime_error("cannot examine " + directory);
  const auto type = static_cast<unsigned long>(info.f_type);
  return type == TMPFS_MAGIC || type == RAMFS_MAGIC;
}

class Directory {
 public:
  explicit Directory(const std::string& parent) : path_(parent + "/vtpm-store-bench-XXXXXX") {
    if (!::mkdtemp(path_.data())) throw std::runtime_error("cannot make a directory in " + parent);
  }
  ~Directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

constexpr double kTargets[] = {1.1, 1.3, 2.0};  // ours over SQLite's

void race(const Options& options, const std::string& directory) {
  Race race;
  race.processes = {1, 2, 8};
  race.rounds = options.rounds;
  race.seconds = options.seconds;
  race.directory = directory;
  std::printf("Commits of 1 KB records a second; medians of %u rounds of %.2g s, every store in turn\n\n", race.rounds,
              race.seconds);
  std::printf("| processes |");
  for (const EngineKind& kind : engines()) std::printf(" %s |", kind.name);
  std::printf(" vtpm / SQLite | target | vtpm / LMDB |\n|---|");
  for (size_t i = 0; i < engines().size() + 3; ++i) std::printf("---|");
  std::printf("\n");
  const auto results = run(race);
  for (size_t i = 0; i < results.size(); ++i) {
    const auto& speed = results[i].per_second;
    std::printf("| %d |", results[i].processes);
    for (const double per_second : speed) std::printf(" %.0f |", per_second);
    std::printf(" %.2f | %.1f | %.2f |\n", speed[0] / speed[1], kTargets[i], speed[0] / speed[2]);
  }
}

void scale(const Options& options, const std::string& directory) {
  const size_t few = options.is_short ? 50 : 1000, many = options.is_short ? 500 : 100000;
  const ScalePair pair = measure_scale(directory, few, many, options.rounds, options.is_short ? 5 : 300);
  std::printf("\n| entries of 1 KB | file | open, warm, processor | commit | lookup by name | memory of an entry |\n");
  std::printf("|---|---|---|---|---|---|\n");
  for (const ScaleResult& result : {pair.few, pair.many}) {
    std::printf("| %zu | %.1f MB | %.1f ms | %.1f us | %.2f us | %.0f bytes |\n", result.entries,
                result.file_bytes / 1e6, result.open_ms, result.commit_us, result.lookup_us, result.entry_bytes);
  }
  std::printf("\nA commit in the larger one costs %.2f times as much (target: 1.2)\n",
              pair.many.commit_us / pair.few.commit_us);
}

int work(Options options) {
  if (options.is_short) {
    options.rounds = 1;
    options.seconds = 0.05;
  } else if (is_memory(options.directory)) {
    std::fprintf(stderr, "%s is in memory, where a sync costs nothing: name a directory on a disk with --directory\n",
                 options.directory.c_str());
    return 2;
  }
  const Directory directory(options.directory);
  race(options, directory.path());
  scale(options, directory.path());
  return 0;
}

}  // namespace
}  // namespace vtpm::bench

int main(int argc, char** argv) {
  const auto options = vtpm::bench::parse(argc, argv);
  if (!options) return vtpm::bench::usage();
  try {
    return vtpm::bench::work(*options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
