#include "pkcs11/object_index.h"

#include <algorithm>
#include <functional>

namespace vtpm::pkcs11 {
namespace {

constexpr CK_ATTRIBUTE_TYPE kIndexed[] = {CKA_ID, CKA_LABEL, CKA_SUBJECT, CKA_SERIAL_NUMBER, CKA_UNIQUE_ID};

uint64_t key_of(CK_ATTRIBUTE_TYPE type, ByteView value) {
  return std::hash<std::string_view>()(as_text(value)) ^ type * 0x9e3779b97f4a7c15;
}

/// An empty value says nothing, and half of a token's objects may have it.
template <typename Object, typename F>
void for_each_key(const Object& object, F&& use) {
  for (const CK_ATTRIBUTE_TYPE type : kIndexed) {
    const ByteView value = object.get(type);
    if (!value.empty()) use(key_of(type, value));
  }
}

}  // namespace

void ObjectIndex::add(CK_OBJECT_HANDLE handle, const Attributes& shown) {
  for_each_key(shown, [&](uint64_t key) { handles_[key].push_back(handle); });
}

void ObjectIndex::remove(CK_OBJECT_HANDLE handle, const Attributes& shown) {
  for_each_key(shown, [&](uint64_t key) {
    const auto found = handles_.find(key);
    if (found == handles_.end()) return;
    std::vector<CK_OBJECT_HANDLE>& same = found->second;
    const auto at = std::find(same.begin(), same.end(), handle);
    if (at == same.end()) return;
    *at = same.back();
    same.pop_back();
    if (same.empty()) handles_.erase(found);
  });
}

std::optional<std::vector<CK_OBJECT_HANDLE>> ObjectIndex::candidates(const Template& wanted) const {
  static const std::vector<CK_OBJECT_HANDLE> none;
  const std::vector<CK_OBJECT_HANDLE>* fewest = nullptr;
  for_each_key(wanted, [&](uint64_t key) {
    const auto found = handles_.find(key);
    const std::vector<CK_OBJECT_HANDLE>& same = found == handles_.end() ? none : found->second;
    if (!fewest || same.size() < fewest->size()) fewest = &same;
  });
  if (!fewest) return std::nullopt;
  std::vector<CK_OBJECT_HANDLE> ascending = *fewest;
  std::sort(ascending.begin(), ascending.end());
  return ascending;
}

}  // namespace vtpm::pkcs11
