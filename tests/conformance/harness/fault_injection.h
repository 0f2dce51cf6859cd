// SPDX-License-Identifier: Apache-2.0
// Faults of the machine under the module: the k-th allocation or the k-th call to the kernel fails while a plan is
// armed.
//
// The program exports malloc, operator new and the system calls that the store makes, so that a module which it loads
// calls these. In the sanitized trees malloc hands on to the sanitizer's.
#pragma once

#include <cstddef>

namespace vtpm::conformance {

/// This thread is inside a function of the module: what it asks the machine for is the module's.
inline thread_local bool in_module = false;

enum class Fault { kMemory, kIo, kNoSpace };

/// Arms a plan for as long as it lives: the `number`-th call that the module makes (from 1) of the kind fails, or with
/// `for_good` that one and all that come after it.
class Failing {
 public:
  Failing(Fault fault, size_t number, bool for_good = false);
  ~Failing();
  Failing(const Failing&) = delete;
  Failing& operator=(const Failing&) = delete;
  /// There were that many calls.
  bool met() const;
};

}  // namespace vtpm::conformance
