// SPDX-License-Identifier: Apache-2.0
// Key derivation with a pseudo-random function (SP 800-108): counter, feedback and double-pipeline mode. As in
// PKCS#11 3.2, section 6.42, the input of each call of the function is a list of segments.
#pragma once

#include <span>
#include <vector>

#include "crypto/symmetric/mac.h"

namespace vtpm::crypto {

enum class KbkdfMode { kCounter, kFeedback, kDoublePipeline };

struct KbkdfSegment {
  enum class Kind {
    kIteration,  // counter mode: the counter, a number; otherwise the previous output (feedback) or A(i) (double
                 // pipeline)
    kCounter,    // feedback and double pipeline only: an additional counter
    kLength,     // the number of derived bits, a number
    kBytes,      // any bytes: label, context, separators
  };
  Kind kind;
  /// The width of a number: 8, 16, 24 or 32 bits; for the length up to 64.
  unsigned bits = 32;
  bool little_endian = false;
  /// kLength: counts whole outputs of the function instead of the bits of the keys.
  bool whole_outputs = false;
  ByteView bytes = {};
};

/// Derives one key for each of `sizes`, which are in bytes; every key starts with a new output of the function.
/// `function`: an unused MAC (HMAC or CMAC) under the base key. `iv`: feedback mode only, may be empty. `segments` must
/// contain exactly one kIteration and at most one kCounter and one kLength. Throws kInvalidArgument otherwise, and if a
/// number does not fit its width.
std::vector<SecretBytes> kbkdf(KbkdfMode mode, const Mac& function, std::span<const KbkdfSegment> segments, ByteView iv,
                               std::span<const size_t> sizes);

}  // namespace vtpm::crypto
