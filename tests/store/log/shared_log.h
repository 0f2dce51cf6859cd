// SPDX-License-Identifier: Apache-2.0
// An EntryLog that is no file: entries in memory that all processes of a test share, which shows that the contract
// (store/log/entry_log.h) suffices for another kind of log. It is linked into test builds only, where its `open_log`
// and `make_log` take the place of those of store/log/log_at_path.cc (target vtpm_shared_log).
//
// It behaves as a consensus store may:
//   - no lock is held while a body runs: whether others were faster is found out at the commit;
//   - the first commit of every change is a conflict, so that every body runs at least twice;
//   - the answer to every third commit is lost although the change was made, and to every other third it is lost and
//     the change was not made; both are found out and resolved in here.
//
// The memory is made when the program, or the module, is loaded, before anybody forks: the processes that come of it by
// fork share it, other programs do not see it. What stands at the path of a store is a file with its header alone, so
// that a directory of stores finds it. A path at which no log of this kind was made is opened as the file that it is.
#pragma once

#include <cstdint>

namespace vtpm::store {

/// What became of the commits of this process so far.
struct SharedLogCounts {
  uint64_t bodies = 0;       // that have run
  uint64_t commits = 0;      // that were made
  uint64_t conflicts = 0;    // those that were made up included
  uint64_t lost_made = 0;    // answers that were lost, the change made
  uint64_t lost_unmade = 0;  // and not made
};
SharedLogCounts shared_log_counts();

/// While one exists, `refresh` of every such log of this process shows nothing new, as that of a log whose watch is
/// late: `refresh_now` and `change` do.
class SharedLogLags {
 public:
  SharedLogLags();
  ~SharedLogLags();
  SharedLogLags(const SharedLogLags&) = delete;
  SharedLogLags& operator=(const SharedLogLags&) = delete;
};

}  // namespace vtpm::store
