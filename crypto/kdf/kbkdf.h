// SPDX-License-Identifier: Apache-2.0
// Key derivation from a key by a pseudo-random function (SP 800-108): counter, feedback and double-pipeline mode, with
// the freedom of PKCS #11 (3.0, 2.43): what each call of the function sees is a list of segments.
#pragma once

#include <span>
#include <vector>

#include "crypto/symmetric/mac.h"

namespace vtpm::crypto {

enum class KbkdfMode { kCounter, kFeedback, kDoublePipeline };

struct KbkdfSegment {
  enum class Kind {
    kIteration,  // counter mode: the counter, a number; else the previous output (feedback) or A(i) (double pipeline)
    kCounter,    // feedback and double pipeline only: a counter besides
    kLength,     // how many bits are derived, a number
    kOctets,     // anything: label, context, separators
  };
  Kind kind;
  /// Numbers: 8, 16, 24 or 32 bits; the length up to 64.
  unsigned bits = 32;
  bool little_endian = false;
  /// kLength: counts whole outputs of the function, rather than what the keys take of them.
  bool whole_outputs = false;
  ByteView octets = {};
};

/// The derived keys, `sizes` octets each; every key begins with a fresh output of the function. `function`: a fresh MAC
/// (HMAC or CMAC) under the base key. `iv`: feedback mode only, may be empty. Exactly one kIteration and at most one
/// kCounter and kLength. Throws kInvalidArgument for another list, and when a number does not fit its bits.
std::vector<SecretBytes> kbkdf(KbkdfMode mode, const Mac& function, std::span<const KbkdfSegment> segments, ByteView iv,
                               std::span<const size_t> sizes);

}  // namespace vtpm::crypto
