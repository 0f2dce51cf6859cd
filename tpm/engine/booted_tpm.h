// SPDX-License-Identifier: Apache-2.0
// What an engine hands to those who use its TPM: the commands of one booted instance, the storage root key and the keys
// that are loaded.
//
// The storage root key and the loaded keys belong to one boot. Each looks at `Commands::boot` before it answers, so
// nobody has to say when a boot has ended.
#pragma once

#include "tpm/command/commands.h"
#include "tpm/engine/loaded_keys.h"

namespace vtpm::tpm {

class BootedTpm : public Commands {
 public:
  explicit BootedTpm(Instance& instance) : Commands(instance), keys_(*this) {}

  /// The keys of this instance. A reference stays valid as long as this.
  LoadedKeys& keys() { return keys_; }

  /// The storage root key's handle, looked up once a boot. Where the TPM does not keep the key it is derived, and takes
  /// one of the three slots for transient objects until the boot ends. Throws what TPM2_CreatePrimary answers.
  uint32_t storage_root();
  /// Whether the storage root key was derived in this boot.
  bool storage_root_is_transient() const { return root_boot_ == boot() && derived_root_.value() != 0; }

  /// The instance was powered off: what was known of its keys is wiped at once, not at the next boot.
  void forget_keys() noexcept;

 private:
  uint64_t root_boot_ = 0;     // the boot that the next two belong to; 0: none
  uint32_t storage_root_ = 0;  // 0: not looked up in that boot
  Handle derived_root_;        // where the TPM keeps none
  LoadedKeys keys_;            // last: its handles flush themselves through the rest
};

}  // namespace vtpm::tpm
