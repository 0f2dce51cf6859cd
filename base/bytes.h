// SPDX-License-Identifier: Apache-2.0
// Bytes and secret bytes, the types that every folder uses.
//
// `Bytes` holds public data. Data that must not outlive its use (PINs, keys, plain text of sealed blobs, TPM state) is
// `SecretBytes` from the moment it exists: it lives in the arena (base/arena.h), is wiped when it is destroyed, and
// cannot be copied by accident; `clone()` makes a copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/arena.h"

namespace vtpm {

using ByteView = std::span<const uint8_t>;
using MutableByteView = std::span<uint8_t>;
using Bytes = std::vector<uint8_t>;

inline ByteView as_bytes(std::string_view text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }
inline std::string_view as_text(ByteView bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
inline Bytes to_bytes(ByteView view) { return {view.begin(), view.end()}; }
void append(Bytes& to, ByteView more);

/// Compares public bytes, in time that depends on them; for secrets and tags use crypto/library/constant_time.h.
inline bool equal(ByteView a, ByteView b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

/// Overwrites memory with zeros; the compiler cannot remove the call.
void wipe(void* data, size_t size);

/// Two lower-case digits for each byte.
std::string to_hex(ByteView bytes);

class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(size_t size) : bytes_(size) {}
  explicit SecretBytes(ByteView copy_of) : bytes_(copy_of.begin(), copy_of.end()) {}
  SecretBytes(SecretBytes&&) noexcept = default;
  SecretBytes& operator=(SecretBytes&&) noexcept = default;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;

  SecretBytes clone() const { return SecretBytes(view()); }

  uint8_t* data() { return bytes_.data(); }
  const uint8_t* data() const { return bytes_.data(); }
  size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }
  uint8_t& operator[](size_t i) { return bytes_[i]; }
  uint8_t operator[](size_t i) const { return bytes_[i]; }
  auto begin() const { return bytes_.begin(); }
  auto end() const { return bytes_.end(); }
  auto begin() { return bytes_.begin(); }
  auto end() { return bytes_.end(); }

  /// Shrinking wipes nothing; the whole block is wiped when it is released.
  void resize(size_t size) { bytes_.resize(size); }
  void append(ByteView more) { bytes_.insert(bytes_.end(), more.begin(), more.end()); }
  void clear() { *this = SecretBytes(); }

  ByteView view() const { return {bytes_.data(), bytes_.size()}; }
  MutableByteView span() { return {bytes_.data(), bytes_.size()}; }
  operator ByteView() const { return view(); }  // NOLINT: reading a secret through a view is the normal use

 private:
  std::vector<uint8_t, ArenaAllocator<uint8_t>> bytes_;
};

}  // namespace vtpm
