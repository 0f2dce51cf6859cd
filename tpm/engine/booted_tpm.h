// SPDX-License-Identifier: Apache-2.0
// The TPM that an engine passes to its callers: the commands of one device that is on, the storage root key, and the
// keys that are loaded.
//
// The handle of the storage root key and the loaded keys belong to one session of the device. Each compares the session
// with `Commands::session` before it answers, so no caller has to report the end of a session. Not thread-safe: the
// caller holds the device's lock.
#pragma once

#include "tpm/command/commands.h"
#include "tpm/engine/loaded_keys.h"

namespace vtpm::tpm {

class BootedTpm : public Commands {
 public:
  explicit BootedTpm(Device& device) : Commands(device), keys_(*this) {}

  /// The keys that are loaded in this device. The reference is valid as long as this object.
  LoadedKeys& keys() { return keys_; }

  /// The handle of the storage root key, found once in each session. If the TPM does not contain the key, it is
  /// derived, and takes the room of one of three transient objects until the session ends. Throws the error of
  /// TPM2_CreatePrimary.
  uint32_t storage_root();
  /// Whether the storage root key was derived in this session.
  bool storage_root_is_transient() const { return root_session_ == session() && derived_root_.value() != 0; }

  /// To be called when the device was turned off: wipes at once what is known of its keys.
  void forget_keys() noexcept;

 private:
  uint64_t root_session_ = 0;  // the session to which the next two belong; 0: none
  uint32_t storage_root_ = 0;  // 0: not yet found in that session
  Handle derived_root_;        // if the TPM does not contain it
  LoadedKeys keys_;            // the last member: its handles flush themselves through the others
};

}  // namespace vtpm::tpm
