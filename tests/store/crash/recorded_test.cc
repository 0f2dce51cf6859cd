// SPDX-License-Identifier: Apache-2.0
// The changes that real processes made to a real file system, cut off at every step. A kill cannot show that a sync is
// missing, since the kernel's cache survives it.
#include <gtest/gtest.h>

#include <fstream>

#include "tests/store/crash/crash_history.h"
#include "tests/store/disk/recording_disk.h"

namespace vtpm::store {
namespace {

struct Span {
  unsigned promised = 0, begun = 0;
};

class Recorded : public testing::Test {
 protected:
  ScratchDirectory scratch;
  const std::string path = scratch.file("store.vtpm"), log_path = scratch.file("log");
  static constexpr unsigned kWriters = 3, kRounds = 24;
  DiskLog::Contents contents;

  // Each writes two names in each transaction, and compacts now and then.
  void work(unsigned writer, bool syncs) const {
    DiskLog log(log_path);
    RecordingDisk disk(log, syncs);
    OpenOptions options;
    options.file_system = &disk;
    auto vault = Vault::open(path, options);
    const std::string name = "obj/" + std::to_string(writer);
    for (unsigned number = 1; number <= kRounds; ++number) {
      const std::string value = std::to_string(number);
      log.note(writer, number, false);
      vault->change([&](Transaction& transaction) {
        transaction.put(name, "p11-object", Protection::kClear, as_bytes(value));
        transaction.put(name + ".twin", "p11-object", Protection::kClear, as_bytes(value + std::string(700, 'x')));
      });
      log.note(writer, number, true);
      if (number % 9 == 3 + writer) vault->compact();
    }
  }

  void record(bool syncs) {
    make_store(path).reset();
    const Bytes image = load(path);
    const FileId id = *posix_file_system().id_of(path);
    std::vector<int> children;
    for (unsigned writer = 0; writer < kWriters; ++writer)
      children.push_back(start_child([&, writer] { work(writer, syncs); }));
    for (const int child : children) ASSERT_EQ(wait_for(child), 0);
    contents = DiskLog(log_path).read(path, id, image);
  }

  // What each writer must show at least, and may at most, when `steps` steps had been done.
  std::map<unsigned, Span> spans(size_t steps) const {
    std::map<unsigned, Span> out;
    for (const DiskLog::Note& note : contents.notes) {
      if (note.step > steps) break;
      (note.promised ? out[note.writer].promised : out[note.writer].begun) = note.number;
    }
    return out;
  }

  void judge(SimulatedDisk& left, std::map<unsigned, Span> wanted, Verdicts& verdicts) const {
    ++verdicts.states;
    try {
      const Values seen = History(History::Start::kNothing).values_of(*FileLog::open(left, path, true));
      for (const auto& [writer, span] : wanted) {
        const std::string name = "obj/" + std::to_string(writer);
        auto number = [&](const std::string& of) { return seen.count(of) ? std::stoul(seen.at(of)) : 0ul; };
        const unsigned long value = number(name);
        if (value < span.promised) ++(value == 0 ? verdicts.lost : verdicts.old);
        if (value > span.begun || value != number(name + ".twin")) ++verdicts.ghosts;
      }
    } catch (const Error& error) {
      ++verdicts.unusable;
      if (verdicts.first.empty()) verdicts.first = error.sentence();
    }
  }

  Verdicts explore(bool stop_at_first) const {
    const Breadth breadth = long_test() ? Breadth{8, 200, 200} : sanitized() ? Breadth{1, 1, 1} : Breadth{4, 30, 16};
    std::mt19937 random(7);
    Verdicts verdicts;
    CrashStates states(contents.steps);
    constexpr size_t kOfTheImage = 4;
    for (size_t step = kOfTheImage; step <= contents.steps.size(); ++step) {
      states.after(step, breadth, random, [&](SimulatedDisk& left) {
        judge(left, spans(step), verdicts);
        return !stop_at_first || verdicts.clean();
      });
    }
    return verdicts;
  }
};

TEST_F(Recorded, R0_22_WhatRealWritersDidSurvivesEveryPowerCut) {
  record(true);
  const Verdicts verdicts = explore(false);
  print_row("real writers", verdicts);
  EXPECT_TRUE(verdicts.clean()) << verdicts.first;
  EXPECT_GE(verdicts.states, sanitized() ? 300u : 2000u);
}

TEST_F(Recorded, WithoutTheirSyncsTheyDoNotSurvive) {
  record(false);
  EXPECT_FALSE(explore(true).clean());
}

}  // namespace
}  // namespace vtpm::store
