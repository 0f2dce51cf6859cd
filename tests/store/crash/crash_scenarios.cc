// SPDX-License-Identifier: Apache-2.0
#include "tests/store/crash/crash_scenarios.h"

#include <algorithm>
#include <stdexcept>

#include "base/error.h"
#include "store/care/repair.h"
#include "store/log/file_log.h"
#include "store/vault/vault.h"

namespace vtpm::store {
namespace {

std::unique_ptr<FileLog> open(History& history) { return FileLog::open(history.disk, kCrashPath, false); }

std::string letters(size_t count, int i) { return std::string(count, static_cast<char>('a' + i % 26)); }

// Few names, used again and again; deletions among them.
void commits(History& history) {
  static unsigned repetition = 7;
  std::mt19937 random(repetition++);
  auto store = open(history);
  for (int i = 0; i < 80; ++i) {
    std::vector<Draft> drafts;
    std::map<std::string, int> names;
    for (unsigned k = 0; k <= random() % 3; ++k) {
      std::string name = "obj/" + std::to_string(random() % 5);
      if (names[name]++) continue;
      drafts.push_back(random() % 4 == 0 ? deletion(name) : clear_draft(name, letters(1 + random() % 300, i)));
    }
    history.commit(*store, std::move(drafts));
  }
}

void growth(History& history) {
  auto store = open(history);
  for (int i = 0; i < 6; ++i) {
    history.commit(*store, {clear_draft("obj/" + std::to_string(i), letters(21000, i))});
  }
}

void compactions(History& history) {
  auto store = open(history);
  for (int i = 0; i < 8; ++i) {
    history.commit(*store, {clear_draft("obj/" + std::to_string(i % 3), letters(500, i))});
  }
  history.commit(*store, {deletion("obj/1")});
  store->begin().compact();
  history.commit(*store, {clear_draft("obj/9", "after the compaction")});
  history.commit(*store, {clear_draft("obj/0", "once more")});
  store->begin().compact();
}

// The disk is full: deletions take from the reserve, the file grows by what there is, and a compaction fails at its
// rename, behind which the file grows all the same; the next one succeeds.
void a_full_disk(History& history) {
  auto store = open(history);
  for (int i = 0; i < 4; ++i) history.commit(*store, {clear_draft("obj/" + std::to_string(i), letters(9000, i))});
  history.disk.capacity = history.disk.used();
  const auto is_refused = [&](int i) {
    const Values before = history.now();
    try {
      history.commit(*store, {clear_draft("obj/filling", letters(1500, i))});
      return false;
    } catch (const Error&) {
      history.begin(Values(before));
      history.promise();
      return true;
    }
  };
  int fillings = 0;
  while (!is_refused(fillings)) ++fillings;
  for (int i = 0; i < 3; ++i) history.commit(*store, {deletion("obj/" + std::to_string(i))});
  history.disk.capacity += 3000;
  history.commit(*store, {clear_draft("obj/filling", letters(1500, fillings))});
  history.disk.capacity += 60000;
  history.disk.renaming_fails = ErrorCode::kIo;
  const FileId old = history.disk.id_of(kCrashPath).value();
  for (int i = 0; i < 3; ++i) history.commit(*store, {clear_draft("obj/after", letters(4000, i))});
  history.disk.renaming_fails.reset();
  store = open(history);
  for (int i = 0; history.disk.id_of(kCrashPath).value() == old; ++i) {
    history.commit(*store, {clear_draft("obj/after", letters(4000, i))});
  }
  history.commit(*store, {clear_draft("obj/last", "in the new file")});
}

// The lock goes before the sync, so the second builds on what is not yet on the disk.
void two_in_flight(History& history) {
  auto one = open(history), two = open(history);
  for (int round = 0; round < 6; ++round) {
    std::vector<Draft> first = {clear_draft("obj/a", letters(700, round)),
                                clear_draft("obj/b" + std::to_string(round % 3), letters(9, round))};
    std::vector<Draft> second = {clear_draft("obj/c", letters(600, round + 9)),
                                 deletion("obj/b" + std::to_string(round % 3))};
    auto writer = std::make_optional(one->begin());
    history.begin(first);
    writer->append(first);
    writer.reset();  // the lock is free, nothing is synced
    auto next = two->begin();
    history.begin(second);
    next.append(second);
    next.release_and_sync();
    history.promise();
  }
}

// What a reader has been shown is durable, whichever process wrote it.
void shown_to_a_reader(History& history) {
  auto writer = open(history), reader = open(history);
  for (int round = 0; round < 4; ++round) {
    std::vector<Draft> drafts = {clear_draft("obj/a", letters(400, round))};
    auto inside = std::make_optional(writer->begin());
    history.begin(drafts);
    inside->append(drafts);
    inside.reset();
    reader->refresh();
    if (reader->find("obj/a")) history.promise();
  }
}

// A process dies between a rename and the sync of the directory; others continue with the new file.
void death_after_a_rename(History& history) {
  auto store = open(history);
  for (int i = 0; i < 3; ++i) history.commit(*store, {clear_draft("obj/" + std::to_string(i), letters(300, i))});
  {
    auto victim = open(history);
    auto writer = victim->begin();
    history.disk.fail_after_rename(ErrorCode::kIo);
    try {
      writer.compact();
    } catch (const Error&) {
    }
  }
  auto other = open(history);
  history.commit(*other, {clear_draft("obj/1", "by another")});
  history.commit(*other, {clear_draft("obj/7", "and another")});
}

// A torn end, and what its first writer does about it: quarantine, zeros, a fresh free entry, and on.
void after_a_torn_end(History& history) {
  auto store = open(history);
  history.commit(*store, {clear_draft("obj/a", letters(300, 1)), clear_draft("obj/b", letters(300, 2))});
  for (int round = 3; round < 8; ++round) {
    const Values before = history.now();
    {
      auto torn = open(history);
      auto writer = torn->begin();
      std::vector<Draft> drafts = {clear_draft("obj/a", letters(static_cast<size_t>(500 + 47 * round), round))};
      history.begin(drafts);
      writer.append(drafts);
    }
    // Its end never arrives.
    Bytes& contents = history.disk.contents(kCrashPath);
    auto file = history.disk.open(kCrashPath, true);
    uint64_t last = contents.size();
    while (contents[last - 1] == 0) --last;
    file->write_at(last - 200, Bytes(200));
    file->sync_all({"test", 0});
    history.must_be_kept(to_bytes(as_bytes(letters(300, round))));
    history.begin(Values(before));
    history.promise();
    history.commit(*open(history), {clear_draft("obj/c", letters(300, round + 10))});
  }
}

// A sync has failed and the contents of the disk are unknown: the file is rewritten, and what it then shows is durable.
void after_a_failed_sync(History& history) {
  auto store = open(history);
  history.commit(*store, {clear_draft("obj/a", letters(300, 1))});
  history.disk.fail_after(2, ErrorCode::kIo);  // the write, then the sync
  try {
    history.commit(*store, {clear_draft("obj/b", letters(300, 2))});
  } catch (const Error&) {
  }
  store->begin();  // and changes nothing
  if (store->find("obj/b")) history.promise();
}

// The same where the file cannot be rewritten: it is written again in place. Readers go on meanwhile.
void after_failed_syncs_in_place(History& history) {
  auto store = open(history), other = open(history);
  history.commit(*store, {clear_draft("obj/a", letters(300, 1))});
  for (int round = 0; round < 5; ++round) {
    const std::string name = "obj/" + std::to_string(round);
    history.disk.fail_after(2, ErrorCode::kIo);
    try {
      history.commit(*store, {clear_draft(name, letters(static_cast<size_t>(900 + 100 * round), round))});
    } catch (const Error&) {
    }
    store->refresh();
    if (!store->find(name)) throw std::logic_error("what was written is not read");
    FileLog* const healer = round % 2 ? other.get() : store.get();
    healer->refresh();
    history.disk.fail_rename(ErrorCode::kIo);
    healer->make_durable();
    history.promise();
    history.commit(*healer, {clear_draft("obj/b", letters(300, round))});
  }
}

// A bit is flipped, and the power fails while it is being repaired.
void repairs(History& history) {
  auto store = open(history);
  for (int i = 0; i < 4; ++i) history.commit(*store, {clear_draft("obj/" + std::to_string(i), letters(300, i))});
  history.commit(*store, {clear_draft("obj/3", letters(300, 7)), clear_draft("obj/4", letters(300, 9))});
  Bytes bytes = history.disk.contents(kCrashPath);
  const Bytes b = to_bytes(as_bytes(letters(300, 1)));
  auto place = std::search(bytes.begin(), bytes.end(), b.begin(), b.end());
  *place ^= 4;
  history.disk.open(kCrashPath, true)->write_at(0, bytes);
  history.disk.open(kCrashPath, true)->sync_all({"test", 0});
  RepairOptions options;
  options.file_system = &history.disk;
  history.begin(Values(history.now()));
  if (!repair(kCrashPath, options).changed) throw std::logic_error("nothing was repaired");
  history.promise();
  history.commit(*open(history), {clear_draft("obj/5", "after the repair")});
}

// An outdated entry is destroyed: the repair sets it aside, and whatever happens to the power, it is never thrown away.
void repairs_of_rot(History& history) {
  auto store = open(history);
  for (int i = 0; i < 4; ++i) history.commit(*store, {clear_draft("obj/" + std::to_string(i), letters(300, i))});
  history.commit(*store, {clear_draft("obj/1", letters(200, 20))});
  history.commit(*store, {clear_draft("obj/4", letters(200, 21))});
  Bytes bytes = history.disk.contents(kCrashPath);
  const Bytes outdated = to_bytes(as_bytes(letters(300, 1)));
  std::fill_n(std::search(bytes.begin(), bytes.end(), outdated.begin(), outdated.end()), 8, uint8_t{0xA5});
  history.disk.open(kCrashPath, true)->write_at(0, bytes);
  history.disk.open(kCrashPath, true)->sync_all({"test", 0});
  history.must_be_kept(to_bytes(as_bytes(letters(290, 1))));
  RepairOptions options;
  options.file_system = &history.disk;
  history.begin(Values(history.now()));
  if (!repair(kCrashPath, options).changed) throw std::logic_error("nothing was repaired");
  history.promise();
  history.commit(*open(history), {clear_draft("obj/5", "after the repair")});
}

// --- with keys ---

CreateOptions on_disk(History& history) {
  CreateOptions options = cheap_options();
  options.file_system = &history.disk;
  history.secrets = {std::string(kUserPin), std::string(kSoPin), "5678", "9012"};
  return options;
}

Values slots(std::string_view user) { return {{"slot:so", std::string(kSoPin)}, {"slot:user", std::string(user)}}; }

std::unique_ptr<Vault> create(History& history, const CreateOptions& options, Values first) {
  history.begin(std::move(first));
  auto vault = make_store(kCrashPath, options);
  history.promise();
  return vault;
}

void put(History& history, Vault& vault, const std::string& name, const std::string& value) {
  Values next = history.now();
  next[name] = value;
  history.begin(std::move(next));
  put(vault, name, value, Protection::kClear);
  history.promise();
}

void creation(History& history) {
  auto vault = create(history, on_disk(history), slots(kUserPin));
  put(history, *vault, "obj/first", "of the new store");
}

void replacement(History& history) {
  CreateOptions options = on_disk(history);
  put(history, *create(history, options, slots(kUserPin)), "obj/old", "of the old store");
  options.replace = true;
  auto vault = create(history, options, slots(kUserPin));
  put(history, *vault, "obj/new", "of the new store");
}

Bytes commitment_of(History& history, const char* slot) {
  auto stored = open(history)->read(slot);
  auto entry = parse_entry(stored->bytes);
  return to_bytes(entry->find_bytes(entry->mandatory, attribute::kCommit, kCommitBytes).value());
}

// The file cannot be rewritten (its place is busy): the old secret goes all the same.
void slot_change_in_place(History& history) {
  auto vault = create(history, on_disk(history), slots(kUserPin));
  history.must_be_gone(commitment_of(history, "keyslot/2"));
  Values next = history.now();
  next["slot:user"] = "5678";
  history.begin(std::move(next));
  history.disk.fail_rename(ErrorCode::kIo);
  vault->set_secret(Role::kUser, as_bytes("5678"));
  history.promise();
}

void slot_change(History& history) {
  auto vault = create(history, on_disk(history), slots(kUserPin));
  put(history, *vault, "obj/x", "bound");
  history.must_be_gone(commitment_of(history, "keyslot/2"));
  for (const char* pin : {"5678", "9012"}) {
    Values next = history.now();
    next["slot:user"] = pin;
    history.begin(std::move(next));
    vault->set_secret(Role::kUser, as_bytes(pin));
    history.promise();
    put(history, *vault, "obj/y", std::string("bound ") + pin);
  }
}

}  // namespace

const std::vector<Scenario>& crash_scenarios() {
  static const std::vector<Scenario> all = {
      {"create", true, creation, {8, 400, 600}, 1},
      {"replace", true, replacement, {8, 300, 300}, 1},
      {"commit", false, commits, {7, 100, 450}, 2},
      {"extend", false, growth, {6, 80, 300}, 1},
      {"a full disk", false, a_full_disk, {6, 40, 100}, 1},
      {"compact", false, compactions, {7, 250, 500}, 1},
      {"two writers in flight", false, two_in_flight, {8, 300, 700}, 3},
      {"shown to a reader", false, shown_to_a_reader, {7, 150, 450}, 3},
      {"death after a rename", false, death_after_a_rename, {8, 200, 300}, 1},
      {"after a torn end", false, after_a_torn_end, {6, 60, 300}, 1},
      {"after a failed sync", false, after_a_failed_sync, {7, 200, 300}, 1},
      {"after failed syncs, in place", false, after_failed_syncs_in_place, {7, 60, 200}, 1},
      {"repair", false, repairs, {7, 200, 400}, 1},
      {"repair of rot", false, repairs_of_rot, {7, 200, 400}, 1},
      {"key-slot change in place", true, slot_change_in_place, {7, 100, 300}, 1},
      {"key-slot change", true, slot_change, {7, 200, 350}, 1},
  };
  return all;
}

const Scenario& crash_scenario(const std::string& name) {
  for (const Scenario& scenario : crash_scenarios()) {
    if (scenario.name == name) return scenario;
  }
  throw std::logic_error("there is no scenario " + name);
}

Verdicts explore(const Scenario& scenario, const Breadth& breadth, size_t repetitions) {
  Verdicts verdicts;
  for (size_t i = 0; i < repetitions; ++i) {
    History history(scenario.starts_empty ? History::Start::kNothing : History::Start::kEmptyStore);
    scenario.run(history);
    verdicts += history.explore(breadth, static_cast<unsigned>(i + 1));
  }
  return verdicts;
}

}  // namespace vtpm::store
