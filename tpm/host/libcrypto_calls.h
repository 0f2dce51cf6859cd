// SPDX-License-Identifier: Apache-2.0
// The end of every redirected call into libcrypto, for the files that define such calls (tpm/host/libcrypto_calls.cc,
// tpm/host/acceleration.cc). These functions may cut the call off, so nothing with a destructor may be on the stack.
#pragma once

#include "tpm/host/libcrypto_objects.h"

namespace vtpm::tpm {

/// Cuts the call off if an allocation of libcrypto has failed since the call began, whatever libcrypto has returned.
void go_on_if_memory_lasts() noexcept;

/// Notes `object` among the copy's (LibcryptoObjects::adopt), and cuts the call off if there is no memory for that.
void adopt_for_call(void* object, LibcryptoObjects::Release release) noexcept;

/// Notes an object that libcrypto has made for the copy, then acts as `go_on_if_memory_lasts`. `object`: null if
/// libcrypto has made none. Returns `object`.
template <auto kFree, typename T>
T* adopted(T* object) noexcept {
  if (object != nullptr) adopt_for_call(object, [](void* mine) { kFree(static_cast<T*>(mine)); });
  go_on_if_memory_lasts();
  return object;
}

}  // namespace vtpm::tpm
