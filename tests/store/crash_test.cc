// Power cuts, simulated: record what an operation does to the disk, then open every disk that a cut may leave.
//
// Whatever was promised is there, nothing is there that was never written, no older version of anything is served, and
// the store takes the next change. Each scenario says how many disks it looked at.
#include <gtest/gtest.h>

#include <map>

#include "crypto/random.h"
#include "store/der.h"
#include "store/free_space.h"
#include "store/vault_impl.h"
#include "tests/store/scratch.h"
#include "tests/store/simulated_disk.h"

namespace vtpm::store {
namespace {

using Values = std::map<std::string, std::string>;
const std::string kPath = "dir/store.vtpm";

Values values_of(const Blobstore& store) {
  Values out;
  for (const auto& [name, record] : store.list("obj/")) {
    auto stored = store.read(name);
    if (!stored) continue;
    auto entry = parse_entry(stored->octets);
    out[name] = std::string(as_text(entry->data().first(entry->size)));
  }
  return out;
}

Draft clear_draft(const std::string& name, std::string_view value) {
  Draft draft;
  draft.entry = {"p11-object", name, {realsize_attribute(value.size())}, {}, to_bytes(as_bytes(value))};
  return draft;
}

Draft deletion(const std::string& name) {
  Draft draft;
  draft.entry = {"p11-object", name, {{std::string(attribute::kDeleted), {}}, realsize_attribute(0)}, {}, Bytes(1)};
  return draft;
}

// The whole file is one BER value and nothing behind it.
bool is_well_formed(ByteView octets) {
  if (octets.size() < 4 || octets[0] != 0x31 || octets[1] != 0x80) return false;
  for (octets = octets.subspan(2); octets.size() > 2;) {
    auto element = DerReader(octets).next(Tag::kSequence);
    if (!element) return false;
    octets = octets.subspan(element->octets.size());
  }
  return octets.size() == 2 && octets[0] == 0 && octets[1] == 0;
}

// A history: the values after each transaction, and when each was begun and promised (in steps of the disk).
class History {
 public:
  History() {
    Uuid uuid;
    Salt salt;
    crypto::random_fill(uuid);
    crypto::random_fill(salt);
    Bytes image = make_store_image(uuid, salt, {}, 0, 0);
    auto file = disk.create(kPath);
    file->write_at(0, image);
    file->sync_all();
    disk.sync_directory_of(kPath);
    base_steps = disk.steps().size();
    moments.push_back({base_steps, base_steps, {}});
  }

  struct Moment {
    size_t begun, promised;  // promised 0: not yet
    Values values;
  };

  // Records that the store is about to take `drafts`; the caller appends them.
  void begin(const std::vector<Draft>& drafts) {
    Values next = moments.back().values;
    for (const Draft& draft : drafts) {
      bool gone = !draft.entry.mandatory.empty() && draft.entry.mandatory[0].name == attribute::kDeleted;
      if (gone) {
        next.erase(draft.entry.name);
      } else {
        next[draft.entry.name] = std::string(as_text(draft.entry.data));
      }
    }
    moments.push_back({disk.steps().size(), 0, next});
  }
  void promise() {
    for (Moment& moment : moments) {
      if (moment.promised == 0) moment.promised = disk.steps().size();
    }
  }
  void commit(Blobstore& store, std::vector<Draft> drafts) {
    auto writer = store.begin();
    begin(drafts);
    writer.append(std::move(drafts));
    writer.release_and_sync();
    promise();
  }

  // Looks at up to `limit` disks after each step. Returns how many, and how many broke a promise.
  struct Outcome {
    size_t disks = 0, lost = 0, ghosts = 0, unusable = 0;
  };
  Outcome explore(size_t limit, unsigned seed = 1) const {
    Outcome outcome;
    std::mt19937 random(seed);
    CrashStates states(disk.steps());
    for (size_t step = base_steps; step <= disk.steps().size(); ++step) {
      states.after(step, limit, random, [&](SimulatedDisk& left) { judge(left, step, outcome); });
    }
    return outcome;
  }

  SimulatedDisk disk;
  std::vector<Moment> moments;
  size_t base_steps;

 private:
  void judge(SimulatedDisk& left, size_t step, Outcome& outcome) const {
    ++outcome.disks;
    size_t promised = 0, begun = 0;
    for (size_t i = 0; i < moments.size(); ++i) {
      if (moments[i].promised != 0 && moments[i].promised <= step) promised = i;
      if (moments[i].begun <= step) begun = i;
    }
    try {
      auto store = Blobstore::open(left, kPath, false);
      Values seen = values_of(*store);
      bool known = false, early = false;
      for (size_t i = 0; i <= begun; ++i) {
        if (seen != moments[i].values) continue;
        known = true;
        early = i < promised;
        if (!early) break;
      }
      outcome.lost += known && early;
      outcome.ghosts += !known;
      // It goes on: a change is taken, read back after another opening, and outside tools would read the file.
      auto writer = store->begin();
      writer.append({clear_draft("obj/after", "the cut")});
      writer.release_and_sync();
      Values expected = seen;
      expected["obj/after"] = "the cut";
      auto again = Blobstore::open(left, kPath, false);
      if (values_of(*again) != expected) ++outcome.ghosts;
      if (!is_well_formed(left.contents(kPath))) ++outcome.unusable;
    } catch (const Error& error) {
      if (++outcome.unusable == 1) ADD_FAILURE() << "step " << step << ": " << error.what();
    }
  }
};

void expect_clean(const History::Outcome& outcome, size_t at_least) {
  EXPECT_EQ(outcome.lost, 0u);
  EXPECT_EQ(outcome.ghosts, 0u);
  EXPECT_EQ(outcome.unusable, 0u);
  EXPECT_GE(outcome.disks, at_least);
  std::printf("%zu disks\n", outcome.disks);
}

void mixed_commits(History& history, Blobstore& store) {
  std::mt19937 random(7);
  for (int i = 0; i < 60; ++i) {
    std::vector<Draft> drafts;
    std::map<std::string, int> names;
    for (unsigned k = 0; k <= random() % 3; ++k) {
      std::string name = "obj/" + std::to_string(random() % 5);
      if (names[name]++) continue;
      bool erase = random() % 4 == 0;
      drafts.push_back(erase ? deletion(name)
                             : clear_draft(name, std::string(1 + random() % 900, static_cast<char>('a' + i))));
    }
    history.commit(store, std::move(drafts));
  }
}

TEST(Crash, Commits) {
  History history;
  mixed_commits(history, *Blobstore::open(history.disk, kPath, false));
  expect_clean(history.explore(200), 600);
}

TEST(Crash, Growth) {
  History history;
  auto store = Blobstore::open(history.disk, kPath, false);
  for (int i = 0; i < 5; ++i) {
    history.commit(*store, {clear_draft("obj/" + std::to_string(i), std::string(30000, static_cast<char>('a' + i)))});
  }
  expect_clean(history.explore(60), 400);
}

TEST(Crash, Compaction) {
  History history;
  auto store = Blobstore::open(history.disk, kPath, false);
  for (int i = 0; i < 8; ++i)
    history.commit(*store, {clear_draft("obj/" + std::to_string(i % 3), std::string(500, static_cast<char>('a' + i)))});
  history.commit(*store, {deletion("obj/1")});
  store->begin().compact();
  history.commit(*store, {clear_draft("obj/9", "after the compaction")});
  history.commit(*store, {clear_draft("obj/0", "once more")});
  store->begin().compact();
  expect_clean(history.explore(80), 250);
}

// Two writers with writes in flight: the lock goes before the sync, so the second builds on what is not yet on the
// disk.
TEST(Crash, TwoWritersInFlight) {
  History history;
  auto one = Blobstore::open(history.disk, kPath, false);
  auto two = Blobstore::open(history.disk, kPath, false);
  for (int round = 0; round < 6; ++round) {
    std::vector<Draft> first = {clear_draft("obj/a", std::string(700, static_cast<char>('a' + round))),
                                clear_draft("obj/b" + std::to_string(round), "b")};
    std::vector<Draft> second = {clear_draft("obj/c", std::string(600, static_cast<char>('A' + round))),
                                 deletion("obj/b" + std::to_string(round))};
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
  expect_clean(history.explore(60), 400);
}

// The crash of a recovery: cut while the first writer after a cut cleans up.
TEST(Crash, InTheRecoveryItself) {
  History history;
  mixed_commits(history, *Blobstore::open(history.disk, kPath, false));
  std::mt19937 random(3);
  History::Outcome total;
  CrashStates states(history.disk.steps());
  for (size_t step = history.base_steps; step <= history.disk.steps().size(); step += 2) {
    states.after(step, 6, random, [&](SimulatedDisk& left) {
      History second;
      second.disk.contents(kPath) = left.contents(kPath);
      // Restart the record with this disk as the synced beginning.
      auto file = second.disk.open(kPath, true);
      file->write_at(0, left.contents(kPath));
      file->sync_all();
      second.base_steps = second.disk.steps().size();
      auto store = Blobstore::open(second.disk, kPath, false);
      second.moments = {{0, second.base_steps, values_of(*store)}};
      second.commit(*store, {clear_draft("obj/1", "recovered"), deletion("obj/2")});
      auto outcome = second.explore(8);
      total.disks += outcome.disks;
      total.lost += outcome.lost;
      total.ghosts += outcome.ghosts;
      total.unusable += outcome.unusable;
    });
  }
  expect_clean(total, 500);
}

// A changed PIN: the old one or the new one opens what is left, the old one never once the change was promised.
TEST(Crash, KeySlotChange) {
  SimulatedDisk disk;
  CreateOptions options = cheap_options();
  options.file_system = &disk;
  OpenOptions on_disk;
  auto vault = make_store(kPath, options);
  put(*vault, "obj/x", "sealed");
  size_t begun = disk.steps().size();
  vault->set_secret(Role::kUser, as_bytes("5678"));
  size_t promised = disk.steps().size();
  put(*vault, "obj/y", "sealed too");

  size_t disks = 0, wrong = 0;
  std::mt19937 random(5);
  CrashStates states(disk.steps());
  for (size_t step = begun; step <= disk.steps().size(); ++step) {
    states.after(step, 8, random, [&](SimulatedDisk& left) {
      ++disks;
      on_disk.file_system = &left;
      auto reader = Vault::open(kPath, on_disk);
      bool old_opens = reader->verify(Role::kUser, as_bytes(kUserPin)) == UnlockResult::kUnlocked;
      bool new_opens = reader->unlock(Role::kUser, as_bytes("5678")) == UnlockResult::kUnlocked;
      wrong += old_opens == new_opens || (step >= promised && old_opens);
      if (new_opens) wrong += get(*reader, "obj/x") != "sealed";
    });
  }
  EXPECT_EQ(wrong, 0u);
  EXPECT_GE(disks, 50u);
  std::printf("%zu disks\n", disks);
}

// A desired state: the slot is active or it is not, whatever else opens the store goes on to do so.
TEST(Crash, Amend) {
  SimulatedDisk disk;
  CreateOptions options = cheap_options();
  options.file_system = &disk;
  auto vault = make_store(kPath, options);
  put(*vault, "obj/x", "sealed");
  DesiredState active, inactive;
  active.secret = SecretBytes(as_bytes("fresh"));
  inactive.state = DesiredState::State::kInactive;
  inactive.old_secret = SecretBytes(as_bytes("fresh"));
  const size_t begun = disk.steps().size();
  vault->amend(active);
  const size_t added = disk.steps().size();
  vault->amend(inactive);
  const size_t removed = disk.steps().size();

  size_t disks = 0, wrong = 0;
  std::mt19937 random(5);
  CrashStates states(disk.steps());
  for (size_t step = begun; step <= disk.steps().size(); ++step) {
    states.after(step, 12, random, [&](SimulatedDisk& left) {
      ++disks;
      OpenOptions on_disk;
      on_disk.file_system = &left;
      auto reader = Vault::open(kPath, on_disk);
      bool fresh_opens = reader->verify(Role::kUser, as_bytes("fresh")) == UnlockResult::kUnlocked;
      wrong += (step == added && !fresh_opens) || (step >= removed && fresh_opens);
      wrong += reader->unlock(Role::kUser, as_bytes(kUserPin)) != UnlockResult::kUnlocked;
      wrong += get(*reader, "obj/x") != "sealed";
    });
  }
  EXPECT_EQ(wrong, 0u);
  EXPECT_GE(disks, 50u);
  std::printf("%zu disks\n", disks);
}

// A re-key: the old store or the new one, never a mixture, and whatever is left can be re-keyed again.
TEST(Crash, Rekey) {
  SimulatedDisk disk;
  CreateOptions options = cheap_options();
  options.file_system = &disk;
  auto vault = make_store(kPath, options);
  Values values;
  for (int i = 0; i < 6; ++i) {
    const std::string name = "obj/" + std::to_string(i), value(200 + 300 * static_cast<size_t>(i), 'v');
    put(*vault, name, value, i % 2 ? Protection::kClear : Protection::kSealed);
    values[name] = value;
  }
  auto keep = [] {
    std::vector<KeptSlot> slots;
    slots.push_back({1, SecretBytes(as_bytes(kSoPin))});
    slots.push_back({2, SecretBytes(as_bytes(kUserPin))});
    return slots;
  };
  const size_t begun = disk.steps().size();
  vault->rekey(keep());
  const size_t promised = disk.steps().size();
  put(*vault, "obj/after", "epoch 2");

  size_t disks = 0, wrong = 0, again = 0;
  std::mt19937 random(5);
  CrashStates states(disk.steps());
  for (size_t step = begun; step <= disk.steps().size(); ++step) {
    states.after(step, 25, random, [&](SimulatedDisk& left) {
      ++disks;
      OpenOptions on_disk;
      on_disk.file_system = &left;
      auto reader = Vault::open(kPath, on_disk);
      wrong += reader->unlock(Role::kUser, as_bytes(kUserPin)) != UnlockResult::kUnlocked;
      const auto slots = reader->slots();
      wrong += slots.size() != 2 || slots[0].epoch != slots[1].epoch || (step >= promised && slots[0].epoch != 2);
      for (const auto& [name, value] : values) wrong += get(*reader, name) != value || !reader->read(name)->bound;
      if (disks % 5 != 0) return;
      ++again;
      reader->rekey(keep());
      for (const auto& [name, value] : values) wrong += get(*reader, name) != value;
      wrong += !is_well_formed(left.contents(kPath));
    });
  }
  EXPECT_EQ(wrong, 0u);
  EXPECT_GE(disks, 100u);
  std::printf("%zu disks, %zu re-keyed again\n", disks, again);
}

TEST(Crash, Creation) {
  SimulatedDisk disk;
  CreateOptions options = cheap_options();
  options.file_system = &disk;
  make_store(kPath, options);
  size_t promised = disk.steps().size(), disks = 0;
  std::mt19937 random(5);
  CrashStates states(disk.steps());
  for (size_t step = 0; step <= promised; ++step) {
    states.after(step, 50, random, [&](SimulatedDisk& left) {
      ++disks;
      EXPECT_TRUE(left.exists(kPath) || step < promised);
      OpenOptions on_disk;
      on_disk.file_system = &left;
      if (left.exists(kPath)) {
        EXPECT_TRUE(Vault::open(kPath, on_disk)->has_slot(Role::kUser)) << "a store is complete or not there";
      } else {
        CreateOptions again = cheap_options();
        again.file_system = &left;
        EXPECT_NO_THROW(make_store(kPath, again)) << "a left-over temporary file is in nobody's way";
      }
    });
  }
  EXPECT_GE(disks, 50u);
}

// The suite sees what it is for: without its syncs the store breaks its promises.
TEST(Crash, AMissingSyncIsSeen) {
  for (auto what : {SimulatedDisk::Forget::kDataSyncs, SimulatedDisk::Forget::kDirectorySyncs}) {
    History history;
    auto store = Blobstore::open(history.disk, kPath, false);
    history.disk.forget(what);
    mixed_commits(history, *store);
    store->begin().compact();
    history.commit(*store, {clear_draft("obj/9", "after the compaction")});
    CrashStates states(history.disk.steps());
    size_t broken = 0;
    std::mt19937 random(1);
    states.after(history.disk.steps().size(), 60, random, [&](SimulatedDisk& left) {
      try {
        broken += values_of(*Blobstore::open(left, kPath, false)) != history.moments.back().values;
      } catch (const Error&) {
        ++broken;
      }
    });
    EXPECT_GT(broken, 0u);
  }
}

}  // namespace
}  // namespace vtpm::store
