// SPDX-License-Identifier: Apache-2.0
// The cost parameters of Argon2id (RFC 9106).
#pragma once

#include <cstdint>

namespace vtpm {

/// Valid ranges: memory_kib 8192 to 1048576, passes 1 to 64, lanes 1 to 16. Readers enforce them, which bounds the work
/// that a hostile file can cause.
struct Argon2Parameters {
  uint32_t memory_kib = 64 * 1024;
  uint32_t passes = 3;
  uint32_t lanes = 1;
};

}  // namespace vtpm
