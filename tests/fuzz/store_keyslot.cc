// SPDX-License-Identifier: Apache-2.0
// Arbitrary bytes as the entry of a key slot. A key slot that is accepted must have KDF parameters within the bounds of
// docs/format.md and must be written as it was read; only kCorrupt and kUnsupported may be thrown. No secret is
// stretched here: only the bounds keep a hostile file from using the host's memory and time.
#include <algorithm>

#include "base/error.h"
#include "store/vault/key_slot.h"
#include "tests/fuzz/require.h"

namespace vtpm::fuzz {
namespace {

using namespace store;

template <typename T>
bool within(T value, T low, T high) {
  return value >= low && value <= high;
}

struct Bounds {
  bool operator()(const crypto::Argon2Parameters& cost) const {
    return within(cost.memory_kib, 8192u, 1048576u) && within(cost.passes, 1u, 64u) && within(cost.lanes, 1u, 16u);
  }
  bool operator()(const crypto::Pbkdf2Parameters& cost) const { return within(cost.iterations, 10'000u, 10'000'000u); }
  bool operator()(const RawKdf& cost) const { return cost.bytes == 16 || cost.bytes == 24 || cost.bytes == 32; }
};

void check_slot(ByteView bytes) {
  const KeySlot slot(to_bytes(bytes));
  const EntryView entry = parse_entry(bytes).value();
  require(std::visit(Bounds{}, slot.kdf().cost), "the cost is within its bounds");
  require(slot.kdf().salt.size() == (slot.kdf().is_raw() ? 0 : kKdfSaltBytes), "the salt is as long as a salt");
  const Bytes written = encode_kdf(slot.kdf());
  const ByteView read = entry.find(entry.mandatory, attribute::kKdf).value();
  require(std::equal(written.begin(), written.end(), read.begin(), read.end()), "a KDF is written as it was read");
  require(!describe(slot.kdf()).empty() && slot.role() == role_of_slot(bytes), "a slot shows what it is");

  const StretchedSecret secret(SecretBytes(64));
  require(!slot.opens_with(secret), "no secret has a given commitment by chance");
  slot.master_key(secret, {});
}

}  // namespace
}  // namespace vtpm::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    vtpm::fuzz::check_slot({data, size});
  } catch (const vtpm::Error& error) {
    vtpm::fuzz::require(error.code() == vtpm::ErrorCode::kCorrupt || error.code() == vtpm::ErrorCode::kUnsupported,
                        "what is no key slot is damaged, or not supported");
  }
  return 0;
}
