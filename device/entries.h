// SPDX-License-Identifier: Apache-2.0
// What the entries of a machine's TPM are called in a store, and of which types they are (docs/format.md, "PKCS#11
// objects"). Nobody else spells these names.
#pragma once

#include <string>
#include <string_view>

namespace vtpm::device {

/// The first machine of a store; other machines of the same store have names of their own.
inline constexpr std::string_view kFirstMachine = "tpm0";
/// Entries::object_prefix of the first machine.
inline constexpr std::string_view kFirstObjectPrefix = "tpm0/obj/";

inline constexpr const char* kPermanentType = "tpm2-permall";
inline constexpr const char* kVolatileType = "tpm2-volatile";
inline constexpr const char* kSaveType = "tpm2-savestate";

/// Of the machine `name`: no slash at its end, and no other machine's name may begin with it and a slash.
struct Entries {
  explicit Entries(std::string_view name);

  std::string permanent;  // the permanent state, sealed
  // A machine that was suspended somewhere else, as it came: its three blobs, sealed. They fit to one permanent state
  // only, so the next change of it deletes them.
  std::string suspended_permanent;
  std::string suspended_volatile;
  std::string suspended_save;
  std::string object_prefix;  // of what the owner of the machine keeps for each public object of its TPM
};

}  // namespace vtpm::device
