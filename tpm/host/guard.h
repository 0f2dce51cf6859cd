// SPDX-License-Identifier: Apache-2.0
// The guard around every call into a libtpms copy.
//
// libtpms ends a hopeless situation with an assertion (abort) or with a jump through a buffer that it may never have
// set. Both are redirected to `Call::cut_off`, which jumps back to the guard: the frames in between are C frames of
// libtpms, so no destructor is passed over. The copy is unusable afterwards; Instance marks itself dead.
//
// Memory that runs out is a hopeless situation too: libtpms takes most of libcrypto's allocations for granted and would
// follow null pointers, or take the failure for an answer ("the signature is wrong"). So whoever finds out, the copy's
// heap or a call into libcrypto (tpm/host/libcrypto_calls.cc), cuts off. Never from within libcrypto: it may hold a
// lock.
//
// A thread that runs inside a copy finds its context (heap, caches, state to load) in `current_call`, because libtpms'
// callbacks and the redirected functions have no argument of ours.
#pragma once

#include <setjmp.h>

#include <type_traits>
#include <utility>

#include "base/bytes.h"

namespace vtpm::tpm {

class Acceleration;
class Heap;
class LibcryptoObjects;

struct Call {
  Heap* heap = nullptr;
  Acceleration* acceleration = nullptr;
  LibcryptoObjects* objects = nullptr;
  ByteView permanent_in;                 // what the load callback answers; empty: there is none, a new TPM is made
  ByteView volatile_in;                  // the same for the volatile state; empty: the TPM is reset
  uint8_t locality = 0;                  // of the command
  SecretBytes* permanent_out = nullptr;  // where the store callback copies the permanent state to
  bool stored = false;                   // the store callback came
  unsigned complaints = 0;               // what libtpms wanted to print; counted, never kept: it holds passwords
  char reason[200] = {};                 // why the call was cut off
  bool no_memory = false;                // it was because memory ran out: there is no other reason
  jmp_buf jump = {};

  /// Leaves libtpms for the guard; `reason` has been filled in.
  [[noreturn]] void cut_off() noexcept { longjmp(jump, 1); }
  [[noreturn]] void cut_off_for_memory() noexcept {
    no_memory = true;
    cut_off();
  }
};

extern constinit thread_local Call* current_call;

/// Bytes of the stack that a call into libtpms may use. The deepest of those that tests/tpm/stack_test.cc measures
/// again and again, an RSA decryption, used 13 800; making an RSA key, 11 300.
constexpr size_t kStackOfLibtpms = 16 * 1024;

/// libtpms takes keys apart on the stack and leaves them there. Wipes kStackOfLibtpms below the caller's frame: less
/// than a microsecond. No more than that: a thread of the host may have little more stack.
[[gnu::noinline]] void wipe_used_stack() noexcept;

/// Runs `body` with `call` as this thread's current call and wipes the stack that it used. False when it was
/// cut off. `body` must only enter libtpms: the jump passes over its frame.
template <typename F>
[[gnu::noinline]] bool run_guarded(Call& call, F&& body) noexcept {
  static_assert(std::is_trivially_destructible_v<std::remove_reference_t<F>>);
  current_call = &call;
  if (_setjmp(call.jump) != 0) {
    current_call = nullptr;
    wipe_used_stack();
    return false;
  }
  body();
  current_call = nullptr;
  wipe_used_stack();
  return true;
}

}  // namespace vtpm::tpm
