// SPDX-License-Identifier: Apache-2.0
// The keys that are loaded into one device.
//
// libtpms has three slots for transient objects. Two hold the keys that were used last; the third belongs to whatever a
// command needs for itself (a persistent key that it works with or reads, the storage root key while a key is created
// or loaded). Where the storage root key is transient itself, it takes one of the two. A key that is pushed out is
// saved as a context if it is RSA, because loading it anew costs twelve times as much (83 us against 7); an EC key is
// simply loaded again (16 us). Contexts die with the session.
#pragma once

#include <cstdint>
#include <list>
#include <unordered_map>

#include "base/bytes.h"
#include "tpm/command/handle.h"
#include "tpm/command/key_blob.h"

namespace vtpm::tpm {

class BootedTpm;

class LoadedKeys {
 public:
  static constexpr size_t kLoaded = 2;
  static constexpr size_t kContexts = 256;  // about 1.5 KB each

  explicit LoadedKeys(BootedTpm& tpm) : tpm_(tpm) {}

  /// The handle of a key, loaded if need be; valid until the next call. `id` names the blob within this process.
  uint32_t load(uint64_t id, const KeyBlob& key);
  /// The key is no more: it is flushed, and its context forgotten.
  void forget(uint64_t id);
  /// Leaves at most `count` keys loaded; one less where the storage root key is transient.
  void make_room(size_t count);
  /// Nothing is loaded any more (the device was turned on or off).
  void clear() noexcept;
  /// How many keys are loaded in this session.
  size_t loaded();

 private:
  struct Loaded {
    uint64_t id;
    Handle handle;
    bool save;  // worth a context
  };
  /// Forgets what belongs to an earlier session.
  void follow_session() noexcept;

  BootedTpm& tpm_;
  uint64_t session_ = 0;      // what follows belongs to it
  std::list<Loaded> loaded_;  // most recently used first
  std::unordered_map<uint64_t, Bytes> contexts_;
};

}  // namespace vtpm::tpm
