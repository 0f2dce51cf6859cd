// SPDX-License-Identifier: Apache-2.0
// Unkeyed BLAKE2b with a digest of 1 to 64 bytes (RFC 7693). Private to crypto/.
//
// OpenSSL 3.0 has the 512-bit digest only. This implementation uses only additions, exclusive ors and rotations: no
// table access and no branch depends on the data.
#pragma once

#include <array>

#include "crypto/hash/digest.h"

namespace vtpm::crypto {

class Blake2b : public DigestContext {
 public:
  explicit Blake2b(size_t bytes);
  ~Blake2b() override { wipe_state(); }

  std::unique_ptr<DigestContext> clone() const override { return std::unique_ptr<DigestContext>(new Blake2b(*this)); }
  void update(ByteView data) override;
  void finish(MutableByteView out) override;
  /// Chaining words and number of bytes, little-endian, then the incomplete block.
  std::optional<SecretBytes> save() const override;
  void load(ByteView saved) override;

 private:
  static constexpr size_t kBlock = 128;

  Blake2b(const Blake2b&) = default;
  void compress(const uint8_t* block, bool last);
  void count(size_t bytes);
  void wipe_state();

  std::array<uint64_t, 8> chain_;
  std::array<uint64_t, 2> total_{};  // bytes, low word first
  std::array<uint8_t, kBlock> held_{};
  size_t held_bytes_ = 0;
};

}  // namespace vtpm::crypto
