// SPDX-License-Identifier: Apache-2.0
// Small writes to neighbouring places of a file become large ones.
#pragma once

#include <algorithm>

#include "base/bytes.h"
#include "store/file/file.h"

namespace vtpm::store {

/// Nothing is certainly written before `flush`. Not thread-safe.
class GatheredWrites {
 public:
  explicit GatheredWrites(File& file) : file_(file) {}
  /// Where the next `write` goes: at first the beginning of the file.
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
