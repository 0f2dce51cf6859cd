// SPDX-License-Identifier: Apache-2.0
// The keys that are loaded in one device.
//
// libtpms has room for three transient objects. Two places contain the keys that were used last. The third is for what
// a command needs itself: a persistent key that it uses or reads, or the storage root key while a key is created or
// loaded. If the storage root key is transient itself, it takes one of the two places. An RSA key that must make room
// is saved as a context first, because loading it again costs twelve times as much (83 us against 7). An EC key is
// loaded again (16 us). Contexts become void at the end of the session. Not thread-safe: the caller holds the device's
// lock.
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

  /// Returns the handle of a key, and loads the key first if necessary. The handle is valid until the next call. `id`
  /// names `key` in this process. Throws the errors of TPM2_Load and TPM2_ContextLoad.
  uint32_t load(uint64_t id, const KeyBlob& key);
  /// Flushes the key `id`, and deletes its saved context.
  void forget(uint64_t id);
  /// Leaves at most `count` keys loaded; one less if the storage root key is transient.
  void make_room(size_t count);
  /// To be called when the device was turned on or off: no key is loaded any more.
  void clear() noexcept;
  /// How many keys are loaded in this session.
  size_t loaded();

 private:
  struct Loaded {
    uint64_t id;
    Handle handle;
    bool save;  // an RSA key, which is saved as a context
  };
  /// Clears what belongs to an earlier session.
  void follow_session() noexcept;

  BootedTpm& tpm_;
  uint64_t session_ = 0;      // to which the next two belong
  std::list<Loaded> loaded_;  // most recently used first
  std::unordered_map<uint64_t, Bytes> contexts_;
};

}  // namespace vtpm::tpm
