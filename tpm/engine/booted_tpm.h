// SPDX-License-Identifier: Apache-2.0
// What an engine hands to those who use its TPM: the commands of one device that is on, the storage root key and the
// keys that are loaded.
//
// The storage root key's handle and the loaded keys belong to one session of the device. Each looks at
// `Commands::session` before it answers, so nobody has to say when a session has ended.
#pragma once

#include "tpm/command/commands.h"
#include "tpm/engine/loaded_keys.h"

namespace vtpm::tpm {

class BootedTpm : public Commands {
 public:
  explicit BootedTpm(Device& device) : Commands(device), keys_(*this) {}

  /// The keys of this device. A reference stays valid as long as this.
  LoadedKeys& keys() { return keys_; }

  /// The storage root key's handle, looked up once a session. Where the TPM does not keep the key it is derived, and
  /// takes one of the three slots for transient objects until the session ends. Throws what TPM2_CreatePrimary answers.
  uint32_t storage_root();
  /// Whether the storage root key was derived in this session.
  bool storage_root_is_transient() const { return root_session_ == session() && derived_root_.value() != 0; }

  /// The device was turned off: what was known of its keys is wiped at once, not in the next session.
  void forget_keys() noexcept;

 private:
  uint64_t root_session_ = 0;  // the session that the next two belong to; 0: none
  uint32_t storage_root_ = 0;  // 0: not looked up in that session
  Handle derived_root_;        // where the TPM keeps none
  LoadedKeys keys_;            // last: its handles flush themselves through the rest
};

}  // namespace vtpm::tpm
