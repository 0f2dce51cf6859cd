// SPDX-License-Identifier: Apache-2.0
#include "tpm/engine/loaded_keys.h"

#include <algorithm>

#include "tpm/engine/booted_tpm.h"

namespace vtpm::tpm {

void LoadedKeys::follow_session() noexcept {
  if (session_ == tpm_.session()) return;
  clear();
  session_ = tpm_.session();
}

uint32_t LoadedKeys::load(uint64_t id, const KeyBlob& key) {
  follow_session();
  const auto found = std::find_if(loaded_.begin(), loaded_.end(), [&](const Loaded& each) { return each.id == id; });
  if (found != loaded_.end()) {
    loaded_.splice(loaded_.begin(), loaded_, found);
    return loaded_.front().handle.value();
  }
  const uint32_t parent = tpm_.storage_root();  // first, because it may load the storage root key
  make_room(kLoaded - 1);
  const auto context = contexts_.find(id);
  Handle handle = context != contexts_.end() ? tpm_.context_load(context->second) : tpm_.load(parent, key);
  // TPM2B_PUBLIC begins with its size and the type; TPM_ALG_RSA is 0x0001.
  const bool rsa = key.public_area.size() > 3 && key.public_area[2] == 0x00 && key.public_area[3] == 0x01;
  loaded_.push_front({id, std::move(handle), rsa});
  return loaded_.front().handle.value();
}

void LoadedKeys::forget(uint64_t id) {
  loaded_.remove_if([&](const Loaded& each) { return each.id == id; });
  contexts_.erase(id);
}

void LoadedKeys::make_room(size_t count) {
  follow_session();
  if (count > 0 && tpm_.storage_root_is_transient()) --count;
  while (loaded_.size() > count) {
    const Loaded& last = loaded_.back();
    if (last.save && !contexts_.contains(last.id)) {
      if (contexts_.size() >= kContexts) contexts_.erase(contexts_.begin());
      contexts_.emplace(last.id, tpm_.context_save(last.handle));
    }
    loaded_.pop_back();
  }
}

size_t LoadedKeys::loaded() {
  follow_session();
  return loaded_.size();
}

void LoadedKeys::clear() noexcept {
  loaded_.clear();
  contexts_.clear();
}

}  // namespace vtpm::tpm
