// SPDX-License-Identifier: Apache-2.0
// The objects of a token in memory: what is known of each, and how it is found.
//
// An object's record is read when the object is first used. Until then the module knows what is in the store's
// directory: the object's id, and the tags of its index (store/format/blind_index.h), by which it is searched. Records
// without tags (of older versions, and of NV areas) are read at once and indexed by what they show. Of the others, the
// module keeps those that were read last, so that an application that looks at every object does not make it keep all
// of them in memory.
//
// Not thread-safe; the mutex of the catalogue guards it.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "pkcs11/object/object.h"
#include "pkcs11/object/object_index.h"
#include "store/format/name_hash.h"

namespace vtpm::pkcs11 {

class ObjectTable {
 public:
  struct Slot {
    ObjectPtr object;                   // null: its record has not been read
    std::string_view id;                // CKA_UNIQUE_ID of a token object, in the table's memory
    std::vector<store::BlindTag> tags;  // by which it is found; empty: it is found by what it shows
    std::shared_ptr<KeyCache> keys;     // of an object that is not read and whose key was used earlier
    bool sealed = false;                // whether its record is sealed; valid if it has tags
    bool hidden = false;                // Object::hidden
    uint64_t born = 0;                  // its place in listings (`in_order`)
  };
  /// The Object::born of objects without an entry, which only the TPM has: they come last in listings.
  static constexpr uint64_t kWithoutEntry = UINT64_MAX;
  using Slots = std::map<CK_OBJECT_HANDLE, Slot>;

  const Slots& slots() const { return slots_; }
  Slot* find(CK_OBJECT_HANDLE handle);
  /// The handle of the token object with this id; CK_INVALID_HANDLE if there is none.
  CK_OBJECT_HANDLE handle_of(const std::string& id) const;

  /// A handle that no object has, had, or will have.
  static CK_OBJECT_HANDLE void_handle();

  /// Adds a new object, or a new version of the object with that handle or id. Returns its handle.
  CK_OBJECT_HANDLE publish(std::shared_ptr<Object> object);
  /// The same for an object whose record has not been read.
  void publish_unread(std::string id, std::vector<store::BlindTag> tags, bool sealed, uint64_t born);
  /// Reserves memory for so many new objects.
  void make_room(size_t objects);
  /// Completes an element with the object that was read from its record.
  void fill(CK_OBJECT_HANDLE handle, Slot& slot, std::shared_ptr<Object> object);
  /// Forgets what was read from clear records and can be read again: a login or logout may change whether it is
  /// authentic.
  void forget_clear();
  /// The objects whose records have no tags.
  std::vector<ObjectPtr> without_tags() const;

  void erase(CK_OBJECT_HANDLE handle);
  void forget(const std::string& id);
  /// Erases the elements for which `gone` returns true, from the end, because removing the last handle from an
  /// ascending list costs nothing.
  template <typename Gone>
  void erase_if(Gone&& gone) {
    for (auto at = slots_.end(); at != slots_.begin();) {
      const auto before = std::prev(at);
      at = gone(before->second) ? erase(before) : before;
    }
  }

  /// The handles of all objects that can match the template, in order of creation. Hidden objects come last, and a
  /// session object comes after the token objects that were known when it was made. `tag` computes the tags that the
  /// template's values have in sealed records; it is called only if there are such records.
  std::vector<CK_OBJECT_HANDLE> candidates(const Template& wanted, const ObjectIndex::Tagger& tag) const;

 private:
  static void unread(Slot& slot);
  Slots::iterator erase(Slots::iterator at);
  void unindex(CK_OBJECT_HANDLE handle, const Slot& slot);
  Slot& place_of(std::string id, CK_OBJECT_HANDLE& handle);

  std::vector<CK_OBJECT_HANDLE> in_order(const std::vector<CK_OBJECT_HANDLE>& handles) const;

  Slots slots_;
  uint64_t newest_ = 0;  // the highest `born` of any entry's object so far
  // The token objects, by CKA_UNIQUE_ID. An attacker may have written the ids: the hash has a key.
  std::unordered_map<std::string, CK_OBJECT_HANDLE, store::NameHash> handles_;
  ObjectIndex index_;
  size_t sealed_ = 0, clear_ = 0;  // elements with tags
  std::deque<CK_OBJECT_HANDLE>
      known_;  // objects that were read, oldest first; some may have been forgotten or read again
};

}  // namespace vtpm::pkcs11
