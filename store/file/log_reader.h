// SPDX-License-Identifier: Apache-2.0
// A sliding window over a file, for reading it from one end to the other. The first reads are small, since most scans
// find a few entries that were just appended; later ones are large.
#pragma once

#include <algorithm>
#include <array>

#include "store/file/file.h"

namespace vtpm::store {

/// Not thread-safe. The file must outlive it.
class LogReader {
 public:
  explicit LogReader(const File& file) : file_(file), size_(file.size()) {}
  uint64_t size() const { return size_; }

  /// Bytes [offset, offset + length), fewer at the end of the file. Valid until the next call.
  ByteView view(uint64_t offset, uint64_t length) {
    length = offset >= size_ ? 0 : std::min(length, size_ - offset);
    if (offset < start_ || offset + length > start_ + held_) fill(offset, length);
    return ByteView(buffer_).subspan(offset - start_, std::min<uint64_t>(length, start_ + held_ - offset));
  }

  /// The first bytes (at most 64) from `offset` on. If they lie outside of the window, it does not move.
  ByteView peek(uint64_t offset) {
    const uint64_t length = offset >= size_ ? 0 : std::min<uint64_t>(sizeof peeked_, size_ - offset);
    if (offset >= start_ && offset + length <= start_ + held_) return view(offset, length);
    return ByteView(peeked_).first(file_.read_at(offset, MutableByteView(peeked_).first(length)));
  }

 private:
  static constexpr uint64_t kFirstWindow = 1 << 13, kLargestWindow = 1 << 18;

  void fill(uint64_t offset, uint64_t length) {
    uint64_t wanted = std::min(std::max(length, window_), size_ - std::min(offset, size_));
    window_ = std::min(window_ * 4, kLargestWindow);
    if (buffer_.size() < wanted) buffer_.resize(wanted);
    start_ = offset;
    held_ = 0;
    held_ = file_.read_at(offset, MutableByteView(buffer_).first(wanted));
  }

  const File& file_;
  uint64_t size_;
  Bytes buffer_;
  uint64_t start_ = 0, held_ = 0, window_ = kFirstWindow;
  std::array<uint8_t, 64> peeked_;  // enough to recognize what begins at an offset
};

}  // namespace vtpm::store
