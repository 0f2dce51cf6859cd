// SPDX-License-Identifier: Apache-2.0
// The guard around every call into a libtpms copy.
//
// In a hopeless situation libtpms fails an assertion (abort), or jumps through a buffer that it may never have set.
// Both are redirected to `Call::cut_off`, which jumps back to the guard. The frames in between are C frames of libtpms,
// so no destructor is skipped. The copy is unusable afterwards, and Instance marks itself dead.
//
// Running out of memory is hopeless too: libtpms does not check most allocations of libcrypto. It would follow null
// pointers, or take the failure for an answer ("the signature is wrong"). Therefore the copy's heap and the functions
// between libtpms and libcrypto (tpm/host/libcrypto_calls.cc) cut the call off. They never do so while libcrypto is
// running, because it may hold a lock.
//
// The callbacks of libtpms and the redirected functions have no argument for it. They find their context (heap,
// caches, state to load) in `current_call`, which belongs to the thread.
#pragma once

#include <setjmp.h>

#include <type_traits>
#include <utility>

#include "base/bytes.h"

namespace vtpm::tpm {

class Acceleration;
class Heap;
class LibcryptoObjects;

/// The context of one call into a copy. It lives on the stack of the caller of `run_guarded`.
struct Call {
  Heap* heap = nullptr;
  Acceleration* acceleration = nullptr;
  LibcryptoObjects* objects = nullptr;
  ByteView permanent_in;                 // for the load callback; empty: there is none, so libtpms makes a new TPM
  ByteView volatile_in;                  // for the load callback; empty: the TPM is reset
  uint8_t locality = 0;                  // for the command
  SecretBytes* permanent_out = nullptr;  // where the store callback copies the permanent state to
  bool stored = false;                   // the store callback was called
  unsigned complaints = 0;               // attempts to print; the text is not kept, because it may contain passwords
  char reason[200] = {};                 // why the call was cut off
  bool no_memory = false;                // memory ran out; `reason` is empty then
  jmp_buf jump = {};

  /// Jumps out of libtpms to the guard. `reason` must have been filled in.
  [[noreturn]] void cut_off() noexcept { longjmp(jump, 1); }
  [[noreturn]] void cut_off_for_memory() noexcept {
    no_memory = true;
    cut_off();
  }
};

/// The call that this thread is in; null outside of `run_guarded`.
extern constinit thread_local Call* current_call;

/// Bytes of the stack that a call into libtpms may use. Of the calls that tests/tpm/stack_test.cc measures, an RSA
/// decryption needed the most, 13 800 bytes; making an RSA key needed 11 300.
constexpr size_t kStackOfLibtpms = 16 * 1024;

/// Wipes kStackOfLibtpms bytes below the caller's frame, because libtpms leaves parts of keys on the stack. Takes less
/// than a microsecond. It does not wipe more, because a thread of the application may have little more stack.
[[gnu::noinline]] void wipe_used_stack() noexcept;

/// Runs `body` with `call` as this thread's current call, and wipes the stack that it has used. Returns false if the
/// call was cut off. `body` must own nothing, because the jump skips its frame.
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
