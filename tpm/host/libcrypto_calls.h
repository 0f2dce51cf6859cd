// SPDX-License-Identifier: Apache-2.0
// What every redirected call into libcrypto ends with, for the units that define some (tpm/host/libcrypto_calls.cc,
// tpm/host/acceleration.cc). Both must be used when nothing with a destructor is on the stack: they may cut the call
// off.
#pragma once

#include "tpm/host/libcrypto_objects.h"

namespace vtpm::tpm {

/// Cuts the call off if libcrypto was refused memory since it began, whatever its function has answered.
void go_on_if_memory_lasts() noexcept;

void adopt_for_call(void* object, LibcryptoObjects::Release release) noexcept;

/// Notes what libcrypto has made for the copy, null for nothing, then does the same.
template <auto kFree, typename T>
T* adopted(T* object) noexcept {
  if (object != nullptr) adopt_for_call(object, [](void* mine) { kFree(static_cast<T*>(mine)); });
  go_on_if_memory_lasts();
  return object;
}

}  // namespace vtpm::tpm
