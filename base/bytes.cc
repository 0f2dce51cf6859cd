// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"

#include <string.h>

namespace vtpm {

// Not inline: where g++ 12 sees both the size of `to` and this, it warns of a copy that cannot happen
// (-Warray-bounds).
void append(Bytes& to, ByteView more) { to.insert(to.end(), more.begin(), more.end()); }

void wipe(void* data, size_t size) {
  if (size != 0) explicit_bzero(data, size);
}

std::string to_hex(ByteView bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace vtpm
