// SPDX-License-Identifier: Apache-2.0
// Conversion between the structures of tpm2-tss and bytes (TPM 2.0 Part 2).
#pragma once

#include <tss2/tss2_mu.h>

#include <cstring>
#include <memory>

#include "base/bytes.h"
#include "base/error.h"

namespace vtpm::tpm {

/// A tpm2-tss structure that may hold a secret. It starts zeroed and is wiped when it is destroyed.
template <typename T>
struct Wiped : T {
  Wiped() : T{} {}
  Wiped(const Wiped&) = delete;
  Wiped& operator=(const Wiped&) = delete;
  ~Wiped() { wipe(static_cast<T*>(this), sizeof(T)); }
};

/// Such a structure on the heap, for the larger types, because a thread of the application may have little stack.
template <typename T>
std::unique_ptr<Wiped<T>> large() {
  return std::make_unique<Wiped<T>>();
}

/// The contents of a TPM2B that holds plain bytes; a view into `sized`.
template <typename T>
ByteView bytes_of(const T& sized) {
  return {reinterpret_cast<const uint8_t*>(&sized) + sizeof(uint16_t), sized.size};
}

/// Copies `bytes` into a TPM2B that holds plain bytes. Throws kInvalidArgument if they do not fit.
template <typename T>
void assign(T& sized, ByteView bytes) {
  constexpr size_t kCapacity = sizeof(T) - sizeof(uint16_t);
  if (bytes.size() > kCapacity) {
    throw Error(ErrorCode::kInvalidArgument, std::to_string(bytes.size()) +
                                                 " bytes do not fit into a TPM structure of " +
                                                 std::to_string(kCapacity) + " bytes");
  }
  sized.size = static_cast<uint16_t>(bytes.size());
  if (!bytes.empty()) std::memcpy(reinterpret_cast<uint8_t*>(&sized) + sizeof(uint16_t), bytes.data(), bytes.size());
}

/// Returns `value` as the TPM sends it. `function`: the Tss2_MU_…_Marshal of its type. Throws kInternal.
template <typename T, typename F>
Bytes marshal(F function, const T& value) {
  SecretBytes buffer(sizeof(T) + 64);  // the marshalled form is longer only by the sizes of nested TPM2B
  size_t size = 0;
  if (function(&value, buffer.data(), buffer.size(), &size) != TSS2_RC_SUCCESS)
    throw Error(ErrorCode::kInternal, "a TPM structure cannot be marshalled");
  return to_bytes(buffer.view().first(size));
}

/// Reads `value` from `bytes`. `function`: the Tss2_MU_…_Unmarshal of its type. Throws kCorrupt unless `bytes` are
/// exactly one such structure.
template <typename T, typename F>
void unmarshal(F function, ByteView bytes, T& value) {
  size_t used = 0;
  if (function(bytes.data(), bytes.size(), &used, &value) != TSS2_RC_SUCCESS || used != bytes.size())
    throw Error(ErrorCode::kCorrupt, "a stored TPM structure is damaged: it does not unmarshal");
}

}  // namespace vtpm::tpm
