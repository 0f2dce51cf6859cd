// SPDX-License-Identifier: Apache-2.0
// The history of a store while its disk is recorded, and the check whether each disk that a power cut may leave keeps
// the promises that had been made.
//
// A promise: when a call has returned, what it wrote is durable. A disk may therefore show the values after any
// transaction from the last promised one to the last begun one, all of the same transaction, and nothing else. The
// names `slot:so` and `slot:user` stand for the secret that opens the key slot of the role.
#pragma once

#include <cstdio>
#include <map>
#include <unordered_set>

#include "store/vault/key_slot.h"
#include "tests/store/crash/crash_states.h"
#include "tests/store/disk/scratch.h"

namespace vtpm::store {

using Values = std::map<std::string, std::string>;
const std::string kCrashPath = "dir/store.vtpm";

/// The whole file is one BER value and nothing behind it.
bool is_well_formed(ByteView bytes);

Draft clear_draft(const std::string& name, std::string_view value);
Draft deletion(const std::string& name);

/// What disks were found to be.
struct Verdicts {
  size_t states = 0;
  size_t lost = 0;      // something promised is not there
  size_t old = 0;       // an older value stands in place of a promised one
  size_t ghosts = 0;    // something that never was, or half a transaction
  size_t unusable = 0;  // it does not open, takes no change, or other programs would not read it
  std::string first;    // the first thing that was wrong
  bool clean() const { return lost + old + ghosts + unusable == 0; }
  Verdicts& operator+=(const Verdicts& other);
};

class History {
 public:
  /// An empty store without key slots, on a disk of its own, or not even that.
  enum class Start { kEmptyStore, kNothing };
  explicit History(Start start = Start::kEmptyStore);
  /// Goes on from what a crash left: everything there counts as synced.
  explicit History(const SimulatedDisk& left);

  SimulatedDisk disk;
  /// The secrets that may open a slot; those of other stores are not tried.
  std::vector<std::string> secrets;

  /// Records that what is done next leads to these values.
  void begin(const std::vector<Draft>& drafts);
  void begin(Values next);
  /// All that was begun has returned.
  void promise();
  void commit(FileLog& store, std::vector<Draft> drafts);
  /// From now on (once promised) these bytes must not be found in any file, nor in the blocks of one that is gone.
  void must_be_gone(Bytes bytes);
  /// From now on these bytes must be found in some file.
  void must_be_kept(Bytes bytes) { kept_.emplace_back(disk.steps().size(), std::move(bytes)); }
  const Values& now() const { return moments_.back().values; }

  Values values_of(const FileLog& store) const;

  /// Looks at the disks after each step of the record. Stops at the first broken promise if that is requested.
  Verdicts explore(const Breadth& breadth, unsigned seed = 1, bool stop_at_first = false) const;
  /// For tests that examine the same record in another way.
  size_t first_step() const { return base_steps_; }

 private:
  struct Moment {
    size_t begun, promised;  // promised SIZE_MAX: not yet
    Values values;
  };
  void judge(SimulatedDisk& left, size_t step, Verdicts& verdicts) const;
  void compare(const Values& seen, size_t promised, size_t begun, Verdicts& verdicts) const;
  std::string secret_of(const KeySlot& slot) const;

  std::vector<Moment> moments_;
  bool is_in_a_file(SimulatedDisk& left, const Bytes& bytes) const;

  std::vector<std::pair<size_t, Bytes>> gone_, kept_;
  size_t base_steps_;
  mutable std::map<Bytes, std::vector<std::shared_ptr<StretchedSecret>>> stretched_;
};

/// One line of the matrix of operations and states, which ./check shows.
void print_row(const char* operation, const Verdicts& verdicts);

}  // namespace vtpm::store
