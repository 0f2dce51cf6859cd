// SPDX-License-Identifier: Apache-2.0
// Between tpm2-tss' structures and bytes.
#pragma once

#include <tss2/tss2_mu.h>

#include <cstring>
#include <memory>

#include "base/bytes.h"
#include "base/error.h"

namespace vtpm::tpm {

/// A tpm2-tss structure that starts empty and may hold a secret: wiped when it goes.
template <typename T>
struct Wiped : T {
  Wiped() : T{} {}
  Wiped(const Wiped&) = delete;
  Wiped& operator=(const Wiped&) = delete;
  ~Wiped() { wipe(static_cast<T*>(this), sizeof(T)); }
};

/// One of the larger of them: on the heap, because a thread of the host may have little stack.
template <typename T>
std::unique_ptr<Wiped<T>> large() {
  return std::make_unique<Wiped<T>>();
}

/// The contents of a TPM2B that holds plain bytes.
template <typename T>
ByteView bytes_of(const T& sized) {
  return {reinterpret_cast<const uint8_t*>(&sized) + sizeof(uint16_t), sized.size};
}

/// Fills a TPM2B. Throws kInvalidArgument when it does not fit.
template <typename T>
void assign(T& sized, ByteView bytes) {
  constexpr size_t kCapacity = sizeof(T) - sizeof(uint16_t);
  if (bytes.size() > kCapacity) {
    throw Error(
        ErrorCode::kInvalidArgument,
        std::to_string(bytes.size()) + " bytes do not fit into a TPM structure of " + std::to_string(kCapacity) + ".");
  }
  sized.size = static_cast<uint16_t>(bytes.size());
  if (!bytes.empty()) std::memcpy(reinterpret_cast<uint8_t*>(&sized) + sizeof(uint16_t), bytes.data(), bytes.size());
}

/// `function` is one of Tss2_MU_…_Marshal.
template <typename T, typename F>
Bytes marshal(F function, const T& value) {
  SecretBytes buffer(sizeof(T) + 64);  // marshalled is never longer, but for the sizes of nested TPM2B
  size_t size = 0;
  if (function(&value, buffer.data(), buffer.size(), &size) != TSS2_RC_SUCCESS)
    throw Error(ErrorCode::kInternal, "A TPM structure could not be marshalled.");
  return to_bytes(buffer.view().first(size));
}

/// `function` is one of Tss2_MU_…_Unmarshal. Throws kCorrupt when `bytes` are not exactly one such structure.
template <typename T, typename F>
void unmarshal(F function, ByteView bytes, T& value) {
  size_t used = 0;
  if (function(bytes.data(), bytes.size(), &used, &value) != TSS2_RC_SUCCESS || used != bytes.size())
    throw Error(ErrorCode::kCorrupt, "A stored TPM structure does not unmarshal.");
}

}  // namespace vtpm::tpm
