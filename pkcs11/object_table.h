// The objects of a token in memory: what is known of each, and how it is found.
//
// A private object's record stays sealed until somebody touches the object. What is known of it until then stands in
// the store's clear directory: its id, and the tags of its blind index (store/blind_index.h), by which it is searched.
// Records without tags (of older versions, of NV areas) are loaded at once and indexed by what they show. Not
// thread-safe; the token guards it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "pkcs11/object.h"
#include "pkcs11/object_index.h"

namespace vtpm::pkcs11 {

class ObjectTable {
 public:
  struct Slot {
    ObjectPtr object;                   // null: its record is still sealed
    std::string_view id;                // CKA_UNIQUE_ID of a token object, in the table's memory
    std::vector<store::BlindTag> tags;  // found by these; empty: by what the object shows
    std::shared_ptr<KeyCache> keys;     // of a sealed one, when its key was used before the record changed
  };
  using Slots = std::map<CK_OBJECT_HANDLE, Slot>;

  const Slots& slots() const { return slots_; }
  Slot* find(CK_OBJECT_HANDLE handle);
  /// The handle of a token object; CK_INVALID_HANDLE when there is none of that id.
  CK_OBJECT_HANDLE handle_of(const std::string& id) const;

  /// A new object, or a new version: of that handle, of that id, or neither. Returns its handle.
  CK_OBJECT_HANDLE publish(std::shared_ptr<Object> object);
  /// The same for one whose record is not looked into yet.
  void publish_sealed(std::string id, std::vector<store::BlindTag> tags);
  /// So many will come at once.
  void make_room(size_t objects);
  /// What the record of a slot holds.
  void unsealed(CK_OBJECT_HANDLE handle, Slot& slot, std::shared_ptr<Object> object);

  void erase(CK_OBJECT_HANDLE handle);
  void forget(const std::string& id);
  /// Erases the slots that `gone` names.
  template <typename Gone>
  void erase_if(Gone&& gone) {
    for (auto at = slots_.begin(); at != slots_.end();) at = gone(at->second) ? erase(at) : std::next(at);
  }

  bool any_tagged() const { return tagged_ > 0; }
  /// Handles, ascending, among which every match of the template is. `tag` is asked for the tags of its values, and
  /// only when there are tagged objects.
  std::vector<CK_OBJECT_HANDLE> candidates(const Template& wanted, const ObjectIndex::Tagger& tag) const;

 private:
  Slots::iterator erase(Slots::iterator at);
  void unindex(CK_OBJECT_HANDLE handle, const Slot& slot);
  Slot& place_of(std::string id, CK_OBJECT_HANDLE& handle);

  Slots slots_;
  std::unordered_map<std::string, CK_OBJECT_HANDLE> handles_;  // by CKA_UNIQUE_ID, token objects
  ObjectIndex index_;
  size_t tagged_ = 0;
};

}  // namespace vtpm::pkcs11
