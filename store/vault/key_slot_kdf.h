// SPDX-License-Identifier: Apache-2.0
// The KDF of a key slot, which stretches its secret: the algorithm, its cost, its salt, and their DER in the attribute
// `kdf`.
//
// Costs that are read are checked against bounds, because a hostile file could otherwise exhaust the host's memory or
// time. The key slot of a raw key (store/vault/raw_key.h) has no KDF.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "crypto/kdf/kdf.h"

namespace vtpm::store {

/// The `kdf` of a raw key, which is not stretched: its size in bytes, 16, 24 or 32.
struct RawKdf {
  uint32_t bytes = 32;
};

using KdfCost = std::variant<crypto::Argon2Parameters, crypto::Pbkdf2Parameters>;

struct KeySlotKdf {
  std::variant<crypto::Argon2Parameters, crypto::Pbkdf2Parameters, RawKdf> cost;
  Bytes salt;  // 32 bytes; empty for a raw key

  bool is_raw() const { return std::holds_alternative<RawKdf>(cost); }
  /// The cost, for another secret that is to cost the same. Throws kInternal for a raw key.
  KdfCost stretching() const;
};

/// Returns a KDF of this cost with a new random salt.
KeySlotKdf fresh_kdf(const KdfCost& cost);

/// The output of the KDF: 64 bytes.
class StretchedSecret {
 public:
  explicit StretchedSecret(SecretBytes bytes) : bytes_(std::move(bytes)) {}
  ByteView wrapping_key() const { return bytes_.view().first(32); }
  ByteView commitment_key() const { return bytes_.view().subspan(32); }

 private:
  SecretBytes bytes_;
};

/// Stretches a secret. Takes 150 ms with the default cost. Throws kInvalidArgument for a cost out of bounds, and
/// kInternal for a raw key.
StretchedSecret stretch(ByteView secret, const KeySlotKdf& kdf);

/// Returns the cost of the same algorithm (and, for Argon2id, with the same memory) as `like` that takes about
/// `milliseconds` on this host, within the bounds.
KdfCost cost_taking(uint32_t milliseconds, const KdfCost& like);

/// The work and memory that a cost requires.
struct KdfEffort {
  /// In KiB that Argon2id fills: its memory times its passes (0.72 us each with 64 MiB, measured as processor time). An
  /// iteration of PBKDF2 (0.51 us) counts as 0.7 of them.
  uint64_t work = 0;
  uint64_t memory_kib = 0;
};
KdfEffort effort_of(const KdfCost& cost);
/// Returns for each cost whether it is unexpected: it requires more than twice the work or the memory of `configured`
/// (and of PBKDF2 with its default), or brings the total work, the cheapest first, above four times that. A process
/// that can write the file can plant key slots, and every login would pay for them.
std::vector<bool> unexpected(const std::vector<KdfCost>& costs, const KdfCost& configured);

/// "argon2id, 65536 KiB, 3 passes, 1 lane"
std::string describe(const KeySlotKdf& kdf);

/// Returns the DER of the values of the attribute `kdf`.
Bytes encode_kdf(const KeySlotKdf& kdf);
/// Reads it. `slot` is the name of the key slot, for messages. Throws kUnsupported for an algorithm that this build
/// does not have and for a cost out of bounds.
KeySlotKdf read_kdf(const std::string& slot, ByteView values);

}  // namespace vtpm::store
