// SPDX-License-Identifier: Apache-2.0
// How a key slot's secret is stretched: the algorithm, its cost, its salt, and their DER in the slot's `kdf` attribute.
//
// Costs are bounded when they are read, because a hostile file would otherwise take the host's memory or time. A slot
// of a raw key (store/vault/raw_key.h) stretches nothing: the key is as long as a key.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "crypto/kdf/kdf.h"

namespace vtpm::store {

/// A raw key of that many bytes: 16, 24 or 32.
struct RawKdf {
  uint32_t bytes = 32;
};

using KdfCost = std::variant<crypto::Argon2Parameters, crypto::Pbkdf2Parameters>;

struct KeySlotKdf {
  std::variant<crypto::Argon2Parameters, crypto::Pbkdf2Parameters, RawKdf> cost;
  Bytes salt;  // 32 bytes; none for a raw key

  bool is_raw() const { return std::holds_alternative<RawKdf>(cost); }
  /// For what is to cost the same. Throws kInternal for a raw key.
  KdfCost stretching() const;
};

/// With a new salt.
KeySlotKdf fresh_kdf(const KdfCost& cost);

/// What a secret became. Costly to make: see `stretch`.
class StretchedSecret {
 public:
  explicit StretchedSecret(SecretBytes bytes) : bytes_(std::move(bytes)) {}
  ByteView wrapping_key() const { return bytes_.view().first(32); }
  ByteView commitment_key() const { return bytes_.view().subspan(32); }

 private:
  SecretBytes bytes_;
};

/// 150 ms with the default cost. Throws kInvalidArgument for a cost out of bounds, kInternal for a raw key.
StretchedSecret stretch(ByteView secret, const KeySlotKdf& kdf);

/// The cost of the same algorithm (and, for Argon2id, of the same memory) that takes about `milliseconds` on this
/// machine, within the bounds.
KdfCost cost_taking(uint32_t milliseconds, const KdfCost& like);

/// What a cost takes of whoever stretches a secret.
struct KdfEffort {
  /// In KiB that Argon2id fills: its memory times its passes (0.72 us each with 64 MiB, measured as processor time). An
  /// iteration of PBKDF2 (0.51 us) counts as 0.7 of them.
  uint64_t work = 0;
  uint64_t memory_kib = 0;
};
KdfEffort effort_of(const KdfCost& cost);
/// Which of these costs nobody has to expect who stretches as `configured` says, or as PBKDF2 is used by default: more
/// than twice the work or the memory, or what, the cheapest first, brings the work of all together above four times.
/// Whoever may write the file can plant slots, and every login would pay for them.
std::vector<bool> unexpected(const std::vector<KdfCost>& costs, const KdfCost& configured);

/// "argon2id, 65536 KiB, 3 passes, 1 lane"
std::string describe(const KeySlotKdf& kdf);

/// The values of the `kdf` attribute.
Bytes encode_kdf(const KeySlotKdf& kdf);
/// Throws kUnsupported for an algorithm that this build does not have, and for a cost out of bounds. `slot`: for the
/// sentence.
KeySlotKdf read_kdf(const std::string& slot, ByteView values);

}  // namespace vtpm::store
