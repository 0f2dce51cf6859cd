// SPDX-License-Identifier: Apache-2.0
// Locks in the child of a fork.
#pragma once

#include <new>

namespace vtpm {

/// Constructs locks again in the child of a fork. A thread that held one of them does not exist in the child, so the
/// child's copy would never be released. The old locks are not destroyed, since destroying a locked mutex is undefined.
/// To be called while the child has a single thread and that thread holds none of the locks.
template <typename... Locks>
void make_anew(Locks&... locks) noexcept {
  (new (&locks) Locks, ...);
}

}  // namespace vtpm
