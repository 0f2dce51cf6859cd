// Which objects may match a template, without looking at all of them.
//
// By the values that applications search with: CKA_ID, CKA_LABEL, CKA_SUBJECT, CKA_SERIAL_NUMBER, CKA_UNIQUE_ID. It
// keeps hashes of what anyone may see; whoever asks compares the objects themselves.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "pkcs11/attribute.h"

namespace vtpm::pkcs11 {

class ObjectIndex {
 public:
  void add(CK_OBJECT_HANDLE handle, const Attributes& shown);
  /// With the same attributes as it was added.
  void remove(CK_OBJECT_HANDLE handle, const Attributes& shown);
  /// Handles, ascending, among which every match is; nothing when the template has no value to go by.
  std::optional<std::vector<CK_OBJECT_HANDLE>> candidates(const Template& wanted) const;

 private:
  std::unordered_map<uint64_t, std::vector<CK_OBJECT_HANDLE>> handles_;
};

}  // namespace vtpm::pkcs11
