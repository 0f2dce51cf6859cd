// SPDX-License-Identifier: Apache-2.0
// A transient object's handle that flushes itself.
#pragma once

#include <cstdint>
#include <utility>

namespace vtpm::tpm {

class Commands;

/// Owns a loaded object of one device. When the device has been powered on again since, the object is gone already
/// and nothing is flushed. Must not outlive the Commands that made it.
class Handle {
 public:
  Handle() = default;
  Handle(Commands& tpm, uint32_t value);
  Handle(Handle&& other) noexcept { swap(other); }
  Handle& operator=(Handle&& other) noexcept {
    Handle(std::move(other)).swap(*this);
    return *this;
  }
  ~Handle();

  uint32_t value() const { return value_; }

 private:
  void swap(Handle& other) noexcept {
    std::swap(tpm_, other.tpm_);
    std::swap(value_, other.value_);
    std::swap(session_, other.session_);
  }
  Commands* tpm_ = nullptr;
  uint32_t value_ = 0;
  uint64_t session_ = 0;
};

}  // namespace vtpm::tpm
