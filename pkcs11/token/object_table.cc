// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/token/object_table.h"

#include <algorithm>
#include <atomic>
#include <iterator>
#include <tuple>

namespace vtpm::pkcs11 {
namespace {

// An object that was read takes two KB more, and reading it again some ten microseconds. With this limit each of ten
// thousand objects takes less than two KB, however many were read.
constexpr size_t kMostKnown = 3072;

// A process never uses a handle again, so that an old handle identifies no object.
std::atomic<CK_OBJECT_HANDLE> next_handle{1};

}  // namespace

ObjectTable::Slot* ObjectTable::find(CK_OBJECT_HANDLE handle) {
  const auto at = slots_.find(handle);
  return at == slots_.end() ? nullptr : &at->second;
}

CK_OBJECT_HANDLE ObjectTable::handle_of(const std::string& id) const {
  const auto known = handles_.find(id);
  return known == handles_.end() ? CK_INVALID_HANDLE : known->second;
}

CK_OBJECT_HANDLE ObjectTable::void_handle() { return next_handle++; }

void ObjectTable::make_room(size_t objects) {
  if (objects < handles_.size()) return;  // the table grows by itself, in larger steps
  handles_.reserve(handles_.size() + objects);
  index_.make_room(objects);
}

ObjectTable::Slot& ObjectTable::place_of(std::string id, CK_OBJECT_HANDLE& handle) {
  const auto [known, is_new] = handles_.try_emplace(std::move(id), CK_INVALID_HANDLE);
  if (is_new) known->second = next_handle++;
  handle = known->second;
  const auto at = is_new ? slots_.emplace_hint(slots_.end(), handle, Slot()) : slots_.try_emplace(handle).first;
  at->second.id = known->first;
  return at->second;
}

// Both functions can run out of memory only before they change anything except the index, and the index may then have
// entries too many: a search compares the objects themselves, and a record is published again by the next call
// (Catalogue::catch_up_locked).

CK_OBJECT_HANDLE ObjectTable::publish(std::shared_ptr<Object> object) {
  CK_OBJECT_HANDLE handle = object->handle;
  Slot* slot = object->is_token() ? &place_of(object->id, handle) : nullptr;
  if (handle == CK_INVALID_HANDLE) handle = next_handle++;
  index_.add(handle, object->shown);
  if (object->is_token()) {
    slot->born = object->born;
    slot->hidden = object->hidden;
    if (object->born != kWithoutEntry) newest_ = std::max(newest_, object->born);
  } else {
    const auto [at, is_new] = slots_.try_emplace(handle);
    slot = &at->second;
    if (is_new) slot->born = newest_;
  }
  if (!slot->tags.empty()) {
    unindex(handle, *slot);
    slot->tags.clear();
    slot->sealed = false;
  } else if (slot->object) {
    index_.remove(handle, slot->object->shown, object->shown);
  }
  object->handle = handle;
  slot->object = std::move(object);
  return handle;
}

void ObjectTable::publish_unread(std::string id, std::vector<store::BlindTag> tags, bool sealed, uint64_t born) {
  CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
  Slot& slot = place_of(std::move(id), handle);
  index_.add(handle, tags);
  if (!slot.tags.empty()) {
    index_.remove(handle, slot.tags, tags);
    --(slot.sealed ? sealed_ : clear_);
  } else if (slot.object) {
    index_.remove(handle, slot.object->shown);
  }
  unread(slot);
  slot.tags = std::move(tags);
  slot.sealed = sealed;
  slot.born = born;
  newest_ = std::max(newest_, born);
  ++(sealed ? sealed_ : clear_);
}

void ObjectTable::fill(CK_OBJECT_HANDLE handle, Slot& slot, std::shared_ptr<Object> object) {
  known_.push_back(handle);
  object->handle = handle;
  // The record of a persistent key holds its auth value, which may have changed.
  if (slot.keys && object->bound && object->tpm_handle() == 0) object->keys = std::move(slot.keys);
  slot.object = std::move(object);
  if (known_.size() <= kMostKnown) return;
  const CK_OBJECT_HANDLE oldest = known_.front();
  known_.pop_front();
  Slot* const other = oldest == handle ? nullptr : find(oldest);
  if (other && !other->tags.empty()) unread(*other);
}

// The loaded keys of an authentic record stay valid and may have been expensive; those of a record that an attacker may
// have written are dropped.
void ObjectTable::unread(Slot& slot) {
  if (slot.object && slot.object->bound && !slot.object->keys->empty()) slot.keys = slot.object->keys;
  slot.object = nullptr;
}

void ObjectTable::forget_clear() {
  if (clear_ == 0) return;
  for (auto& [handle, slot] : slots_) {
    if (slot.tags.empty() || slot.sealed) continue;
    slot.object = nullptr;
    slot.keys = nullptr;
  }
}

std::vector<ObjectPtr> ObjectTable::without_tags() const {
  std::vector<ObjectPtr> found;
  if (slots_.size() == sealed_ + clear_) return found;
  for (const auto& [handle, slot] : slots_) {
    if (slot.tags.empty() && slot.object && slot.object->sequence != 0) found.push_back(slot.object);
  }
  return found;
}

void ObjectTable::unindex(CK_OBJECT_HANDLE handle, const Slot& slot) {
  if (!slot.tags.empty()) {
    index_.remove(handle, slot.tags);
    --(slot.sealed ? sealed_ : clear_);
  } else if (slot.object) {
    index_.remove(handle, slot.object->shown);
  }
}

ObjectTable::Slots::iterator ObjectTable::erase(Slots::iterator at) {
  const std::string id(at->second.id);
  unindex(at->first, at->second);
  const auto next = slots_.erase(at);
  if (!id.empty()) handles_.erase(id);
  return next;
}

void ObjectTable::erase(CK_OBJECT_HANDLE handle) {
  if (const auto at = slots_.find(handle); at != slots_.end()) erase(at);
}

void ObjectTable::forget(const std::string& id) {
  erase(handle_of(id));
  handles_.erase(id);  // there may have been no memory for its element
}

// Handles rise in the order in which this process found the objects: those that a login shows come last.
std::vector<CK_OBJECT_HANDLE> ObjectTable::in_order(const std::vector<CK_OBJECT_HANDLE>& handles) const {
  using Place = std::tuple<bool, uint64_t, bool, CK_OBJECT_HANDLE>;  // hidden, born, of a session, handle
  std::vector<Place> places;
  places.reserve(handles.size());
  for (const CK_OBJECT_HANDLE handle : handles) {
    const auto at = slots_.find(handle);
    if (at == slots_.end()) continue;
    const Slot& slot = at->second;
    places.emplace_back(slot.hidden, slot.born, slot.id.empty(), handle);
  }
  std::sort(places.begin(), places.end());
  places.erase(std::unique(places.begin(), places.end()), places.end());
  std::vector<CK_OBJECT_HANDLE> ordered;
  ordered.reserve(places.size());
  for (const Place& place : places) ordered.push_back(std::get<3>(place));
  return ordered;
}

std::vector<CK_OBJECT_HANDLE> ObjectTable::candidates(const Template& wanted, const ObjectIndex::Tagger& tag) const {
  using Handles = std::optional<ObjectIndex::Handles>;  // nothing: every handle
  Handles shown = index_.candidates(wanted), sealed(std::in_place), clear(std::in_place);
  if (sealed_ > 0) sealed = index_.tagged_candidates(wanted, tag);
  if (clear_ > 0) clear = index_.tagged_candidates(wanted, store::clear_tag);
  // The id of an object with tags is in the name of its record, and is not secret.
  if (const ByteView id = wanted.get(CKA_UNIQUE_ID); !id.empty()) {
    sealed.emplace().assign(1, handle_of(std::string(as_text(id))));
    clear.emplace();
  }
  std::vector<CK_OBJECT_HANDLE> all;
  for (const auto& [handle, slot] : slots_) {
    if (shown && sealed && clear) break;
    const Handles& of_its_kind = slot.tags.empty() ? shown : slot.sealed ? sealed : clear;
    if (!of_its_kind) all.push_back(handle);
  }
  for (const Handles* some : {&shown, &sealed, &clear}) {
    if (*some) all.insert(all.end(), (*some)->begin(), (*some)->end());
  }
  return in_order(all);
}

}  // namespace vtpm::pkcs11
