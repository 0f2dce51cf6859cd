// SPDX-License-Identifier: Apache-2.0
// Whether the tests detect a missing sync or lock. Each place that syncs or locks is left out, one at a time, and
// something must break: a power cut loses what was confirmed, or two processes interfere with each other. A place that
// can be left out without effect is either superfluous or not tested.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "store/care/fixed_layout.h"
#include "store/log/file_log.h"
#include "store/vault/vault.h"
#include "tests/store/crash/crash_scenarios.h"

namespace vtpm::store {
namespace {

// --- locks: another process comes in between ---

// Two that work at the same time. The first is interrupted at one of its calls to the disk, where the second does all
// that it has to do; if a lock is in its way there, it does it when the first is done.
struct Encounter {
  const char* name;
  struct Stage {
    SimulatedDisk disk;
    std::unique_ptr<Vault> one, two;
    std::vector<std::string> answers;
    void answer(const std::string& text) { answers.push_back(text); }
    FileId before{};
    bool was_compacted() { return disk.id_of(kCrashPath) != before; }
  };
  std::function<void(Stage&)> prepare, first, second;
  std::function<bool(Stage&)> is_right;
};

std::unique_ptr<Vault> open_on(SimulatedDisk& disk) {
  OpenOptions options;
  options.file_system = &disk;
  return Vault::open(kCrashPath, options);
}

void a_store_for_two(Encounter::Stage& stage, uint32_t limit = 10) {
  CreateOptions options = cheap_options();
  options.file_system = &stage.disk;
  options.attempt_limits = {{Role::kUser, limit}};
  make_store(kCrashPath, options);
  stage.one = open_on(stage.disk);
  stage.two = open_on(stage.disk);
}

void put_clear(Vault& vault, const char* name, const char* value) { put(vault, name, value, Protection::kClear); }

// All three see the same.
bool all_see(Encounter::Stage& stage, const std::map<std::string, std::string>& expected) {
  auto fresh = open_on(stage.disk);
  for (Vault* vault : {stage.one.get(), stage.two.get(), fresh.get()}) {
    vault->refresh();
    for (const auto& [name, value] : expected) {
      if (!vault->find(name) || get(*vault, name) != value) return false;
    }
  }
  return true;
}

void attempt(Encounter::Stage& stage, Vault& vault) {
  UnlockResult result = vault.verify(Role::kUser, as_bytes("wrong"));
  stage.answer(result == UnlockResult::kWrongSecret ? "tried" : "refused");
}

void log_in(Encounter::Stage& stage, Vault& vault) {
  if (vault.unlock(Role::kUser, as_bytes(kUserPin)) == UnlockResult::kUnlocked) stage.answer("in");
}

bool both_are_in(Encounter::Stage& stage) { return stage.answers == std::vector<std::string>{"in", "in"}; }

// Much that is dead, and about that much space: less than what another append needs brings a compaction.
void leave_only(Encounter::Stage& stage, size_t bytes) {
  auto store = FileLog::open(stage.disk, kCrashPath, false);
  const auto add = [&](size_t size) {
    Draft draft = clear_draft("obj/dead", std::string(size, 'x'));
    draft.entry.type = type::kAttempt;  // which may use up the reserve
    auto writer = store->begin();
    writer.append({std::move(draft)});
    writer.release_and_sync();
  };
  const auto free = [&] {
    const Bytes& contents = stage.disk.contents(kCrashPath);
    const auto last = std::find_if(contents.rbegin(), contents.rend(), [](uint8_t byte) { return byte != 0; });
    return static_cast<size_t>(last - contents.rbegin());
  };
  for (int i = 0; i < 8; ++i) add(20000);
  if (free() > bytes + 400) add(free() - bytes - 200);
  while (free() > bytes + 100) add(1);
  stage.before = *stage.disk.id_of(kCrashPath);
  stage.one->refresh();
  stage.two->refresh();
}

void create(Encounter::Stage& stage, const char* who) {
  CreateOptions options = cheap_options();
  options.file_system = &stage.disk;
  try {
    auto vault = Vault::create(kCrashPath, options, {{Role::kUser, as_bytes(who)}}, [&](Transaction& first) {
      first.put("obj/who", "t", Protection::kClear, as_bytes(who));
    });
    stage.answer(who);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kExists) stage.answer(error.what());
  }
}

// Removes its temporary file when it fails: it had better be its own.
void give_up(Encounter::Stage& stage) {
  CreateOptions options = cheap_options();
  options.file_system = &stage.disk;
  try {
    Vault::create(kCrashPath, options, {{Role::kUser, as_bytes("two")}},
                  [&](Transaction&) { throw Error(ErrorCode::kInvalidArgument, "it gives up"); });
  } catch (const Error&) {
  }
}

bool is_made_by_who_says_so(Encounter::Stage& stage) {
  if (stage.answers.size() != 1) return false;
  auto vault = open_on(stage.disk);
  return get(*vault, "obj/who") == stage.answers[0] &&
         vault->verify(Role::kUser, as_bytes(stage.answers[0])) == UnlockResult::kUnlocked;
}

const std::vector<Encounter>& encounters() {
  using Stage = Encounter::Stage;
  static const std::vector<Encounter> all = {
      {"commit and commit", [](Stage& stage) { a_store_for_two(stage); },
       [](Stage& stage) { put_clear(*stage.one, "obj/one", "1"); },
       [](Stage& stage) { put_clear(*stage.two, "obj/two", "2"); },
       [](Stage& stage) {
         return all_see(stage, {{"obj/one", "1"}, {"obj/two", "2"}});
       }},
      {"commit and compaction", [](Stage& stage) { a_store_for_two(stage); },
       [](Stage& stage) { put_clear(*stage.one, "obj/one", "1"); }, [](Stage& stage) { stage.two->compact(); },
       [](Stage& stage) {
         return all_see(stage, {{"obj/one", "1"}});
       }},
      {"compaction and commit", [](Stage& stage) { a_store_for_two(stage); },
       [](Stage& stage) { stage.one->compact(); }, [](Stage& stage) { put_clear(*stage.two, "obj/two", "2"); },
       [](Stage& stage) {
         return all_see(stage, {{"obj/two", "2"}});
       }},
      {"commit and a reader", [](Stage& stage) { a_store_for_two(stage); },
       [](Stage& stage) { put_clear(*stage.one, "obj/one", "a value that is longer than what a reader compares"); },
       [](Stage& stage) { stage.two->refresh(); },
       [](Stage& stage) {
         return all_see(stage, {{"obj/one", "a value that is longer than what a reader compares"}});
       }},
      {"login and login",
       [](Stage& stage) {
         a_store_for_two(stage, 2);
         stage.one->verify(Role::kUser, as_bytes("wrong"));
         stage.two->refresh();
       },
       [](Stage& stage) { attempt(stage, *stage.one); }, [](Stage& stage) { attempt(stage, *stage.two); },
       [](Stage& stage) {
         std::sort(stage.answers.begin(), stage.answers.end());
         return stage.answers == std::vector<std::string>{"refused", "tried"};
       }},
      {"a new PIN and an export",
       [](Stage& stage) {
         a_store_for_two(stage);
         stage.two->unlock(Role::kSo, as_bytes(kSoPin));
       },
       [](Stage& stage) { stage.one->change_secret(Role::kUser, as_bytes(kUserPin), as_bytes("another")); },
       [](Stage& stage) {
         FixedExportOptions options;
         options.file_system = &stage.disk;
         export_fixed(*stage.two, "dir/store.fixed", options);
       },
       [](Stage& stage) { return stage.disk.exists("dir/store.fixed"); }},
      {"creation and creation", [](Stage&) {}, [](Stage& stage) { create(stage, "one"); },
       [](Stage& stage) { create(stage, "two"); }, is_made_by_who_says_so},
      {"creation, and one that gives up", [](Stage&) {}, [](Stage& stage) { create(stage, "one"); }, give_up,
       is_made_by_who_says_so},
      {"right login and right login", [](Stage& stage) { a_store_for_two(stage, 1); },
       [](Stage& stage) { log_in(stage, *stage.one); }, [](Stage& stage) { log_in(stage, *stage.two); }, both_are_in},
      {"a login whose charge compacts, and a login",
       [](Stage& stage) {
         a_store_for_two(stage, 1);
         leave_only(stage, 100);
       },
       [](Stage& stage) { log_in(stage, *stage.one); }, [](Stage& stage) { log_in(stage, *stage.two); },
       [](Stage& stage) { return stage.was_compacted() && both_are_in(stage); }},
      {"a login, and a compaction for want of space before another login",
       [](Stage& stage) {
         a_store_for_two(stage, 1);
         leave_only(stage, 6000);
       },
       [](Stage& stage) { log_in(stage, *stage.one); },
       [](Stage& stage) {
         put_clear(*stage.two, "obj/two", "2");
         log_in(stage, *stage.two);
       },
       [](Stage& stage) { return stage.was_compacted() && both_are_in(stage); }},
  };
  return all;
}

// The first is interrupted at its `call`-th call. False: it makes fewer.
bool meet(const Encounter& encounter, const std::string& left_out, size_t call, std::string* wrong,
          std::set<std::string>* sites = nullptr) {
  Encounter::Stage stage;
  encounter.prepare(stage);
  stage.disk.never_wait();
  stage.disk.leave_out(left_out);
  bool interrupted = false, second_is_done = false;
  auto second = [&] {
    try {
      encounter.second(stage);
      second_is_done = true;
    } catch (const WouldWait&) {
    }
  };
  try {
    stage.disk.between = [&] {
      if (interrupted || --call > 0) return;
      interrupted = true;
      second();
    };
    encounter.first(stage);
    stage.disk.between = nullptr;
    if (!second_is_done) second();
    if (!second_is_done)
      *wrong = "a lock was left behind";
    else if (!encounter.is_right(stage))
      *wrong = "both were promised something else";
  } catch (const Error& error) {
    *wrong = error.what();
  } catch (const WouldWait&) {
    *wrong = "a lock was left behind";
  }
  stage.disk.between = nullptr;
  if (sites) sites->insert(stage.disk.sites().begin(), stage.disk.sites().end());
  return interrupted;
}

// With all locks in place the two processes never interfere, wherever the second one comes in.
TEST(Mutation, WithAllLocksNoEncounterOfTwoProcessesFails) {
  size_t meetings = 0;
  for (const Encounter& encounter : encounters()) {
    std::string wrong;
    for (size_t call = 1; meet(encounter, "", call, &wrong); ++call) {
      ++meetings;
      ASSERT_EQ(wrong, "") << encounter.name << ", call " << call;
    }
  }
  std::printf("%zu meetings\n", meetings);
  EXPECT_GE(meetings, 60u);
}

// --- mutants ---

// (Not where a sanitizer makes it minutes: it is the tests that are tried here.)
#ifndef VTPM_SANITIZED
bool is_lock(const std::string& site) { return site.rfind("lock ", 0) == 0; }

History start(const Scenario& scenario) {
  return History(scenario.starts_empty ? History::Start::kNothing : History::Start::kEmptyStore);
}

TEST(Mutation, R0_22_EverySyncIsNeeded) {
  std::map<std::string, std::string> seen;  // by site: the scenario that breaks without it
  for (const Scenario& scenario : crash_scenarios()) {
    History whole = start(scenario);
    scenario.run(whole);
    for (const std::string& site : whole.disk.sites()) {
      if (is_lock(site) || site.find(" test:") != std::string::npos || !seen.emplace(site, "").first->second.empty())
        continue;
      History history = start(scenario);
      history.disk.leave_out(site);
      scenario.run(history);
      ASSERT_TRUE(history.disk.has_left_out()) << site;
      Verdicts verdicts = history.explore({6, 40, 40}, 1, true);
      if (!verdicts.clean()) seen[site] = std::string(scenario.name) + ": " + verdicts.first;
    }
  }
  for (const auto& [site, how] : seen) {
    std::printf("mutant: without %-32s %s\n", site.c_str(), how.c_str());
    EXPECT_FALSE(how.empty()) << "nothing breaks without the " << site;
  }
  EXPECT_GE(seen.size(), 8u);
}

TEST(Mutation, EveryLockIsNeeded) {
  std::map<std::string, std::string> seen;
  for (const Encounter& encounter : encounters()) {
    std::string unused;
    std::set<std::string> sites;
    for (size_t call = 1; meet(encounter, "", call, &unused, &sites); ++call) {
    }
    for (const std::string& site : sites) {
      if (!is_lock(site) || !seen.emplace(site, "").first->second.empty()) continue;
      std::string wrong;
      for (size_t call = 1; wrong.empty() && meet(encounter, site, call, &wrong); ++call) {
      }
      if (!wrong.empty()) seen[site] = std::string(encounter.name) + ": " + wrong;
    }
  }
  for (const auto& [site, how] : seen) {
    std::printf("mutant: without %-32s %s\n", site.c_str(), how.c_str());
    EXPECT_FALSE(how.empty()) << "nothing breaks without the " << site;
  }
  EXPECT_GE(seen.size(), 5u);
}
#endif

}  // namespace
}  // namespace vtpm::store
