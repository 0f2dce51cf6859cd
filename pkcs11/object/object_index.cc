// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/object/object_index.h"

#include <algorithm>

#include "pkcs11/object/object.h"
#include "store/format/name_hash.h"

namespace vtpm::pkcs11 {
namespace {

constexpr CK_ATTRIBUTE_TYPE kIndexed[] = {CKA_CLASS, CKA_ID, CKA_LABEL, CKA_SUBJECT, CKA_SERIAL_NUMBER, CKA_UNIQUE_ID};
// The indexed attributes of records. With one more attribute, a search by it would not find older records; therefore a
// new list needs a new name of the attribute `ix`.
constexpr CK_ATTRIBUTE_TYPE kTagged[] = {CKA_CLASS, CKA_KEY_TYPE, CKA_ID, CKA_LABEL, CKA_SUBJECT, CKA_SERIAL_NUMBER};

/// An attacker may have written public objects, and must not be able to compute this hash.
uint64_t key_of(CK_ATTRIBUTE_TYPE type, ByteView value) {
  return store::NameHash()(as_text(value)) ^ type * 0x9e3779b97f4a7c15;
}

/// Empty values are not indexed, because half of a token's objects may have one.
template <typename Types, typename Object, typename F>
void for_each_value(const Types& types, const Object& object, F&& use) {
  for (const CK_ATTRIBUTE_TYPE type : types) {
    const ByteView value = object.get(type);
    if (!value.empty()) use(type, value);
  }
}

/// The shortest of the lists.
class Fewest {
 public:
  template <typename Postings>
  void consider(const Postings& postings, uint64_t key) {
    const auto found = postings.find(key);
    if (found == postings.end()) {
      none_ = true;
    } else if (!fewest_ || found->second.size() < fewest_->size()) {
      fewest_ = &found->second;
    }
  }
  std::optional<ObjectIndex::Handles> take() const {
    if (none_) return ObjectIndex::Handles();
    if (!fewest_) return std::nullopt;
    return *fewest_;
  }

 private:
  const ObjectIndex::Handles* fewest_ = nullptr;
  bool none_ = false;
};

}  // namespace

std::vector<store::Property> properties_of(const Attributes& shown) {
  std::vector<store::Property> properties;
  // These records are compared with what the TPM holds at login; therefore they are read then.
  if (shown.has(CKA_VTPM_NV_INDEX) || shown.has(CKA_VTPM_HANDLE)) return properties;
  if (object_class_row(shown).has(kReadAtOnce)) return properties;
  for_each_value(kTagged, shown, [&](CK_ATTRIBUTE_TYPE type, ByteView value) {
    properties.push_back({type, disk_form(type, value)});
  });
  return properties;
}

// Multiply-shift hashing (Dietzfelbinger and others, 1997): keys that were chosen without knowledge of the odd factor
// collide in the upper half about as rarely as random ones.
ObjectIndex::Spread::Spread() : factor_(store::NameHash()("factor") | 1) {}

// Handles rise, so that a new one is appended.
void ObjectIndex::add(Postings& postings, uint64_t key, CK_OBJECT_HANDLE handle) {
  Handles& same = postings[key];
  const auto at =
      same.empty() || same.back() < handle ? same.end() : std::lower_bound(same.begin(), same.end(), handle);
  if (at == same.end() || *at != handle) same.insert(at, handle);
}

void ObjectIndex::remove(Postings& postings, uint64_t key, CK_OBJECT_HANDLE handle) {
  const auto found = postings.find(key);
  if (found == postings.end()) return;
  Handles& same = found->second;
  const auto at = std::lower_bound(same.begin(), same.end(), handle);
  if (at != same.end() && *at == handle) same.erase(at);
  if (same.empty()) postings.erase(found);
}

void ObjectIndex::make_room(size_t objects) {
  constexpr size_t kTagsOfItsOwn = 2;  // id and label; what many share is found once
  by_tag_.reserve(by_tag_.size() + kTagsOfItsOwn * objects);
}

void ObjectIndex::add(CK_OBJECT_HANDLE handle, const Attributes& shown) {
  for_each_value(kIndexed, shown,
                 [&](CK_ATTRIBUTE_TYPE type, ByteView value) { add(by_value_, key_of(type, value), handle); });
}

void ObjectIndex::add(CK_OBJECT_HANDLE handle, const std::vector<store::BlindTag>& tags) {
  for (const store::BlindTag tag : tags) add(by_tag_, tag, handle);
}

void ObjectIndex::remove(CK_OBJECT_HANDLE handle, const Attributes& shown, const Attributes& kept) {
  for_each_value(kIndexed, shown, [&](CK_ATTRIBUTE_TYPE type, ByteView value) {
    if (!equal(value, kept.get(type))) remove(by_value_, key_of(type, value), handle);
  });
}

void ObjectIndex::remove(CK_OBJECT_HANDLE handle, const std::vector<store::BlindTag>& tags,
                         const std::vector<store::BlindTag>& kept) {
  for (const store::BlindTag tag : tags) {
    if (std::find(kept.begin(), kept.end(), tag) == kept.end()) remove(by_tag_, tag, handle);
  }
}

std::optional<ObjectIndex::Handles> ObjectIndex::candidates(const Template& wanted) const {
  Fewest fewest;
  for_each_value(kIndexed, wanted,
                 [&](CK_ATTRIBUTE_TYPE type, ByteView value) { fewest.consider(by_value_, key_of(type, value)); });
  return fewest.take();
}

std::optional<ObjectIndex::Handles> ObjectIndex::tagged_candidates(const Template& wanted, const Tagger& tag) const {
  Fewest fewest;
  for_each_value(kTagged, wanted, [&](CK_ATTRIBUTE_TYPE type, ByteView value) {
    fewest.consider(by_tag_, tag({type, disk_form(type, value)}));
  });
  return fewest.take();
}

}  // namespace vtpm::pkcs11
