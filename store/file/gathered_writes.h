// SPDX-License-Identifier: Apache-2.0
// Combines small writes to adjacent places of a file into large ones.
#pragma once

#include <algorithm>

#include "base/bytes.h"
#include "store/file/file.h"

namespace vtpm::store {

/// The caller must call `flush` at the end; before, any part may not have been written. Not thread-safe. The file must
/// outlive it.
class GatheredWrites {
 public:
  explicit GatheredWrites(File& file) : file_(file) {}
  /// The offset of the next `write`; at first 0.
  uint64_t offset() const { return at_ + held_.size(); }
  void go_to(uint64_t offset) {
    if (offset == this->offset()) return;
    flush();
    at_ = offset;
  }
  void write(ByteView bytes) {
    append(held_, bytes);
    if (held_.size() >= kWriteBytes) flush();
  }
  void write_zeros(uint64_t count) {
    static constexpr uint8_t kZeros[4096] = {};
    for (; count > 0; count -= std::min<uint64_t>(count, sizeof kZeros)) {
      write(ByteView(kZeros).first(std::min<uint64_t>(count, sizeof kZeros)));
    }
  }
  void flush() {
    if (held_.empty()) return;
    file_.write_at(at_, held_);
    at_ += held_.size();
    held_.clear();
  }

 private:
  static constexpr size_t kWriteBytes = 1 << 20;
  File& file_;
  uint64_t at_ = 0;
  Bytes held_;
};

}  // namespace vtpm::store
