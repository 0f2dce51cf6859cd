// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/store_scale.h"

#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <stdexcept>

#include "store/vault/vault.h"
#include "tests/bench/commit_race.h"

namespace vtpm::bench {
namespace {

using Clock = std::chrono::steady_clock;
using store::Role;
using store::Vault;

constexpr std::string_view kPin = "1234";
constexpr size_t kRecordBytes = 1024;

double microseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

/// Reading a warm file waits for nothing, so its processor time is the cost of opening, whatever other load the host
/// has.
double processor_ms() {
  timespec time;
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

std::string name_of(size_t number) { return "obj/" + std::to_string(number); }

std::unique_ptr<Vault> make(const std::string& path, size_t entries) {
  store::CreateOptions options;
  options.kdf = crypto::Argon2Parameters{8192, 1, 1};
  auto vault = Vault::create(path, options, {{Role::kUser, as_bytes(kPin)}}, nullptr);
  const Bytes value(kRecordBytes, 'v');
  constexpr size_t kTogether = 1000;
  for (size_t i = 0; i < entries;) {
    vault->change([&](store::Transaction& transaction) {
      for (const size_t end = std::min(i + kTogether, entries); i < end; ++i) {
        transaction.put(name_of(i), "record", store::Protection::kSealed, value);
      }
    });
  }
  return vault;
}

double allocated_bytes() {
  const auto info = mallinfo2();
  return static_cast<double>(info.uordblks + info.hblkhd);
}

class Subject {
 public:
  Subject(std::string path, size_t entries) : path_(std::move(path)), vault_(make(path_, entries)) {
    result.entries = entries;
    result.file_bytes = static_cast<double>(std::filesystem::file_size(path_));
  }

  void open() {
    const double before = allocated_bytes();
    const double start = processor_ms();
    const auto opened = Vault::open(path_);
    open_.push_back(processor_ms() - start);
    result.entry_bytes = (allocated_bytes() - before) / static_cast<double>(result.entries);
  }
  /// Writes a few names repeatedly, as a device writes its state.
  void commit(unsigned count) {
    const Bytes value(kRecordBytes, 'w');
    for (unsigned i = 0; i < count; ++i) {
      const auto start = Clock::now();
      vault_->change([&](store::Transaction& transaction) {
        transaction.put(name_of(i % 100), "record", store::Protection::kSealed, value);
      });
      commit_.push_back(microseconds_since(start));
    }
  }
  void look_up(unsigned count) {
    std::vector<std::string> names;
    for (unsigned i = 0; i < count; ++i) names.push_back(name_of(i * size_t{7919} % result.entries));
    const auto start = Clock::now();
    for (const std::string& name : names) {
      if (!vault_->find(name)) throw std::runtime_error("an entry is not found");
    }
    lookup_.push_back(microseconds_since(start) / count);
  }
  ScaleResult finish() {
    result.open_ms = median(open_);
    result.commit_us = median(commit_);
    result.lookup_us = median(lookup_);
    return result;
  }

  ScaleResult result;

 private:
  const std::string path_;
  std::unique_ptr<Vault> vault_;
  std::vector<double> open_, commit_, lookup_;
};

}  // namespace

ScalePair measure_scale(const std::string& directory, size_t few, size_t many, unsigned rounds, unsigned commits) {
  Subject small(directory + "/few.vtpm", few), large(directory + "/many.vtpm", many);
  for (unsigned round = 0; round < rounds; ++round) {
    for (Subject* subject : {&small, &large}) {
      subject->open();
      subject->look_up(1000);
      subject->commit(commits);
    }
  }
  return {small.finish(), large.finish()};
}

}  // namespace vtpm::bench
