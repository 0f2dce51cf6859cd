// SPDX-License-Identifier: Apache-2.0
// Simulates faults of the host: while a plan is armed, the k-th allocation or the k-th call to the kernel fails.
//
// The program exports malloc, operator new and the system calls that the store makes, so that a module which it loads
// calls these. In the sanitized trees malloc calls the sanitizer's.
#pragma once

#include <cstddef>

namespace vtpm::conformance {

/// While an object lives, this thread is inside a function of the module, and its allocations and system calls count as
/// the module's.
inline thread_local bool in_module = false;

enum class Fault { kMemory, kIo, kNoSpace };

/// Arms a plan for as long as it lives: the `number`-th call of the kind that the module makes (from 1) fails; with
/// `for_good` all later calls fail too.
class Failing {
 public:
  Failing(Fault fault, size_t number, bool for_good = false);
  ~Failing();
  Failing(const Failing&) = delete;
  Failing& operator=(const Failing&) = delete;
  /// Whether the module made at least `number` calls, so that one of them failed.
  bool met() const;
};

}  // namespace vtpm::conformance
