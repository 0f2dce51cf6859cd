// SPDX-License-Identifier: Apache-2.0
// The arguments that a fuzzer passes to PKCS#11 functions: templates, mechanisms and buffers, valid or invalid, but
// always in existing memory. Every pointer points to an allocation of its own with as many bytes as the length beside
// it says, so that AddressSanitizer detects an access to one byte more.
#pragma once

#include <fuzzer/FuzzedDataProvider.h>
#include <memory>
#include <vector>

#include "pkcs11/cryptoki/types.h"

namespace vtpm::fuzz {

/// Draws arguments from a fuzzer's input and owns them.
class Arguments {
 public:
  Arguments(const uint8_t* data, size_t size) : input_(data, size) {}

  bool more() { return input_.remaining_bytes() > 0; }
  bool flip() { return input_.ConsumeBool(); }
  /// Returns true once in `n` calls on average.
  bool seldom(unsigned n) { return input_.ConsumeIntegralInRange(1u, n) == 1; }
  size_t below(size_t bound) { return input_.ConsumeIntegralInRange<size_t>(0, bound - 1); }
  /// A number that PKCS#11 uses somewhere, a small number, or any number, but none with which making a key would take
  /// seconds.
  CK_ULONG number();
  template <typename T>
  const T& one_of(const std::vector<T>& all) {
    return all[below(all.size())];
  }

  struct Buffer {
    CK_BYTE* data;
    CK_ULONG size;
  };
  /// Up to `most` bytes; empty ones may have a null pointer or not.
  Buffer bytes(size_t most = 80);
  /// A buffer for an answer and its length; the pointer may be null (a size query) with any length.
  Buffer room();

  struct Template {
    CK_ATTRIBUTE* data;
    CK_ULONG size;
  };
  /// Attributes of `base` (which may be empty), some left out, some changed, others added.
  Template attributes(const std::vector<CK_ATTRIBUTE>& base, unsigned depth = 0);
  /// The same for C_GetAttributeValue: types, and buffers for the values.
  Template queries();
  CK_ATTRIBUTE_TYPE attribute_type();
  /// A mechanism of the token, or any number, with a parameter of its shape, of another's, or none.
  CK_MECHANISM* mechanism(const std::vector<CK_MECHANISM_TYPE>& offered);

 private:
  CK_BYTE* keep(const std::vector<uint8_t>& bytes);
  /// A copy of the list that lives as long as this does.
  template <typename T>
  T* keep_all(const std::vector<T>& list) {
    const auto* raw = reinterpret_cast<const uint8_t*>(list.data());
    return reinterpret_cast<T*>(keep({raw, raw + list.size() * sizeof(T)}));
  }
  CK_ATTRIBUTE attribute(unsigned depth);
  Buffer shaped(const char* shape);
  void* segments(CK_ULONG& count);
  void* derived_keys(CK_ULONG& count);
  void* key_material();

  FuzzedDataProvider input_;
  std::vector<std::unique_ptr<CK_BYTE[]>> kept_;
  std::vector<std::unique_ptr<CK_ATTRIBUTE[]>> templates_;
  std::vector<std::unique_ptr<CK_MECHANISM>> mechanisms_;
};

/// Valid templates to start from.
const std::vector<std::vector<CK_ATTRIBUTE>>& working_templates();

}  // namespace vtpm::fuzz
