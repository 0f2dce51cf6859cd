// SPDX-License-Identifier: Apache-2.0
// What Argon2id (RFC 9106) costs.
#pragma once

#include <cstdint>

namespace vtpm {

/// Argon2id takes memory_kib from 8192 to 1048576, passes from 1 to 64 and lanes from 1 to 16; the bounds on read
/// protect against hostile files.
struct Argon2Parameters {
  uint32_t memory_kib = 64 * 1024;
  uint32_t passes = 3;
  uint32_t lanes = 1;
};

}  // namespace vtpm
