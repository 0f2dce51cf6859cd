// SPDX-License-Identifier: Apache-2.0
#include "tpm/host/libcrypto_objects.h"

#include <algorithm>

namespace vtpm::tpm {

bool LibcryptoObjects::adopt(void* object, Release release) noexcept {
  try {
    entries_.push_back({object, release});
    return true;
  } catch (...) {
    release(object);
    return false;
  }
}

// What was made last is freed first, nearly always.
void LibcryptoObjects::disown(const void* object) noexcept {
  if (object == nullptr) return;
  const auto found =
      std::find_if(entries_.rbegin(), entries_.rend(), [&](const Entry& entry) { return entry.object == object; });
  if (found != entries_.rend()) entries_.erase(std::next(found).base());
}

void LibcryptoObjects::release_all() noexcept {
  for (; !entries_.empty(); entries_.pop_back()) entries_.back().release(entries_.back().object);
}

}  // namespace vtpm::tpm
