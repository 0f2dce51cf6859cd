// SPDX-License-Identifier: Apache-2.0
// Locks in the child of a fork.
#pragma once

#include <new>

namespace vtpm {

/// Makes locks anew in the child of a fork, as their default constructors make them. A thread that held one of them
/// stayed behind in the parent, so the child's copy would never be released. Nothing is destroyed: to destroy a locked
/// mutex is undefined. Only while the child has a single thread, and that thread holds none of them.
template <typename... Locks>
void make_anew(Locks&... locks) noexcept {
  (new (&locks) Locks, ...);
}

}  // namespace vtpm
