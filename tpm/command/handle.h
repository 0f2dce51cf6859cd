// SPDX-License-Identifier: Apache-2.0
// The handle of a transient object, which flushes itself.
#pragma once

#include <cstdint>
#include <utility>

namespace vtpm::tpm {

class Commands;

/// Owns a loaded object of one device: the destructor flushes it (TPM2_FlushContext; Part 3, 28.4). If the session in
/// which it was loaded has ended, the object does not exist any more and nothing is flushed. Must not outlive its
/// Commands, and is used under the device's lock.
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

  /// The TPM's handle; 0 if it owns no object.
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
