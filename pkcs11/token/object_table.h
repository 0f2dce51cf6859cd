// SPDX-License-Identifier: Apache-2.0
// The objects of a token in memory: what is known of each, and how it is found.
//
// An object's record is not read until somebody touches the object. What is known of it until then stands in the
// store's directory: its id, and the tags of its index (store/format/blind_index.h), by which it is searched. Records
// without tags (of older versions, of NV areas) are read at once and indexed by what they show. Of the others those are
// kept that were read last: an application that looks at everything does not make the module keep everything. Not
// thread-safe; the token guards it.
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
    ObjectPtr object;                   // null: its record is not read
    std::string_view id;                // CKA_UNIQUE_ID of a token object, in the table's memory
    std::vector<store::BlindTag> tags;  // found by these; empty: by what the object shows
    std::shared_ptr<KeyCache> keys;     // of one that is not read, when its key was used before the record changed
    bool sealed = false;                // its record; told of those with tags
    bool hidden = false;                // Object::hidden
    uint64_t born = 0;                  // its place in listings; see `in_order`
  };
  /// Object::born of what no entry stands behind, but the TPM: behind all that one does.
  static constexpr uint64_t kWithoutEntry = UINT64_MAX;
  using Slots = std::map<CK_OBJECT_HANDLE, Slot>;

  const Slots& slots() const { return slots_; }
  Slot* find(CK_OBJECT_HANDLE handle);
  /// The handle of a token object; CK_INVALID_HANDLE when there is none of that id.
  CK_OBJECT_HANDLE handle_of(const std::string& id) const;

  /// A handle that was never an object's, and never will be.
  static CK_OBJECT_HANDLE void_handle();

  /// A new object, or a new version: of that handle, of that id, or neither. Returns its handle.
  CK_OBJECT_HANDLE publish(std::shared_ptr<Object> object);
  /// The same for one whose record is not read yet.
  void publish_unread(std::string id, std::vector<store::BlindTag> tags, bool sealed, uint64_t born);
  /// So many will come at once.
  void make_room(size_t objects);
  /// What the record of a slot holds.
  void fill(CK_OBJECT_HANDLE handle, Slot& slot, std::shared_ptr<Object> object);
  /// What was read of clear records, and can be read again: whether it is authentic is another question after a login,
  /// and after a logout.
  void forget_clear();
  /// Objects of records that are read at once.
  std::vector<ObjectPtr> without_tags() const;

  void erase(CK_OBJECT_HANDLE handle);
  void forget(const std::string& id);
  /// Erases the slots that `gone` names; from the end, where lists of ascending handles lose one at no cost.
  template <typename Gone>
  void erase_if(Gone&& gone) {
    for (auto at = slots_.end(); at != slots_.begin();) {
      const auto before = std::prev(at);
      at = gone(before->second) ? erase(before) : before;
    }
  }

  /// Handles, in order of creation, among which every match of the template is; hidden objects stand behind all others,
  /// and a session object behind the token objects that were known when it was made. `tag` is asked for the tags that
  /// the template's values have in sealed records, and only when there are such.
  std::vector<CK_OBJECT_HANDLE> candidates(const Template& wanted, const ObjectIndex::Tagger& tag) const;

 private:
  static void unread(Slot& slot);
  Slots::iterator erase(Slots::iterator at);
  void unindex(CK_OBJECT_HANDLE handle, const Slot& slot);
  Slot& place_of(std::string id, CK_OBJECT_HANDLE& handle);

  std::vector<CK_OBJECT_HANDLE> in_order(const std::vector<CK_OBJECT_HANDLE>& handles) const;

  Slots slots_;
  uint64_t newest_ = 0;  // the highest `born` of any entry's object so far
  // By CKA_UNIQUE_ID, token objects. These, too, come from a file that anybody may have written.
  std::unordered_map<std::string, CK_OBJECT_HANDLE, store::NameHash> handles_;
  ObjectIndex index_;
  size_t sealed_ = 0, clear_ = 0;       // slots with tags
  std::deque<CK_OBJECT_HANDLE> known_;  // that were read, oldest first; perhaps forgotten or read again since
};

}  // namespace vtpm::pkcs11
