// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/commit_race.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <thread>

namespace vtpm::bench {
namespace {

using Clock = std::chrono::steady_clock;

/// The memory that the processes of a turn share.
struct Start {
  std::atomic<int> ready{0}, failed{0};
  std::atomic<bool> go{false}, stop{false};
  std::atomic<uint64_t> commits{0};
};

class SharedStart {
 public:
  SharedStart() : memory_(::mmap(nullptr, sizeof(Start), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    if (memory_ == MAP_FAILED) throw std::runtime_error("no memory that processes can share");
    new (memory_) Start;
  }
  ~SharedStart() { ::munmap(memory_, sizeof(Start)); }
  SharedStart(const SharedStart&) = delete;
  SharedStart& operator=(const SharedStart&) = delete;
  Start* operator->() const { return static_cast<Start*>(memory_); }

 private:
  void* memory_;
};

/// A directory for one turn.
class TurnDirectory {
 public:
  explicit TurnDirectory(const std::string& parent) : path_(parent + "/turn") {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~TurnDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TurnDirectory(const TurnDirectory&) = delete;
  TurnDirectory& operator=(const TurnDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// Random bytes, which cannot be compressed.
Bytes record_of(size_t bytes, uint64_t number) {
  Bytes record(bytes);
  for (uint8_t& byte : record) byte = static_cast<uint8_t>((number = number * 6364136223846793005 + 1) >> 56);
  return record;
}

void commit_until_stopped(const EngineKind& kind, const std::string& directory, int process, size_t bytes,
                          Start& start) {
  const auto engine = kind.open(directory);
  ++start.ready;
  while (!start.go) std::this_thread::yield();
  uint64_t commits = 0;
  for (; !start.stop; ++commits) {
    engine->commit(std::to_string(process) + "/" + std::to_string(commits), record_of(bytes, commits));
  }
  start.commits += commits;
}

[[noreturn]] void child(const EngineKind& kind, const std::string& directory, int process, size_t bytes, Start& start) {
  try {
    commit_until_stopped(kind, directory, process, bytes, start);
    std::_Exit(0);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
  }
  ++start.failed;
  ++start.ready;
  std::_Exit(1);
}

double turn(const EngineKind& kind, int processes, const Race& race) {
  const TurnDirectory directory(race.directory);
  kind.make(directory.path());
  const SharedStart start;
  std::vector<pid_t> children;
  for (int p = 0; p < processes; ++p) {
    const pid_t pid = ::fork();
    if (pid == 0) child(kind, directory.path(), p, race.record, *start.operator->());
    if (pid < 0) throw std::runtime_error("no more processes");
    children.push_back(pid);
  }
  while (start->ready < processes) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const auto begin = Clock::now();
  start->go = true;
  std::this_thread::sleep_for(std::chrono::duration<double>(race.seconds));
  start->stop = true;
  for (const pid_t pid : children) ::waitpid(pid, nullptr, 0);
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  if (start->failed > 0) throw std::runtime_error(std::string(kind.name) + " failed to commit");
  return static_cast<double>(start->commits) / seconds;
}

}  // namespace

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::vector<RaceResult> run(const Race& race) {
  std::vector<std::vector<std::vector<double>>> measured(race.processes.size(),
                                                         std::vector<std::vector<double>>(engines().size()));
  for (unsigned round = 0; round < race.rounds; ++round) {
    for (size_t p = 0; p < race.processes.size(); ++p) {
      for (size_t e = 0; e < engines().size(); ++e) {
        measured[p][e].push_back(turn(engines()[e], race.processes[p], race));
      }
    }
  }
  std::vector<RaceResult> results;
  for (size_t p = 0; p < race.processes.size(); ++p) {
    RaceResult result{race.processes[p], {}};
    for (const auto& rounds : measured[p]) result.per_second.push_back(median(rounds));
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace vtpm::bench
