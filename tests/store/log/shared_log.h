// SPDX-License-Identifier: Apache-2.0
// An EntryLog in memory that all processes of a test share. It shows that the contract (store/log/entry_log.h) suffices
// for another kind of log than a file. It is linked into test builds only, where its `open_log` and `make_log` replace
// those of store/log/log_at_path.cc (target vtpm_shared_log).
//
// It behaves as a consensus store may:
//   - No lock is held while a body runs. Whether another process was faster is found out at the commit.
//   - The first commit of every change is a conflict, so that every body runs at least twice.
//   - Of the other commits, one third is made and its answer is lost, and one third is not made and its answer is lost.
//     The log finds out which.
//
// The memory is mapped when the program or the module is loaded. Processes that are forked later share it; other
// programs do not. At the path of a store is a file that has only its header, so that a directory of stores finds it. A
// path at which no log of this kind was made is opened as the file that it is.
#pragma once

#include <cstdint>

namespace vtpm::store {

/// The commits of this process so far.
struct SharedLogCounts {
  uint64_t bodies = 0;       // runs of bodies
  uint64_t commits = 0;      // commits that were made
  uint64_t conflicts = 0;    // conflicts, simulated ones included
  uint64_t lost_made = 0;    // lost answers to commits that were made
  uint64_t lost_unmade = 0;  // lost answers to commits that were not made
};
SharedLogCounts shared_log_counts();

/// While one exists, `refresh` of every such log of this process shows nothing new, like that of a log whose watch is
/// late. `refresh_now` and `change` still do.
class SharedLogLags {
 public:
  SharedLogLags();
  ~SharedLogLags();
  SharedLogLags(const SharedLogLags&) = delete;
  SharedLogLags& operator=(const SharedLogLags&) = delete;
};

}  // namespace vtpm::store
