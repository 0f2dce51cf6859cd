// SPDX-License-Identifier: Apache-2.0
// The names and types of the entries of a machine's TPM in a store (docs/format.md, "PKCS#11 objects"). No other file
// spells them.
#pragma once

#include <string>
#include <string_view>

namespace vtpm::device {

/// The name of a store's first machine, the TPM of a token. Other machines of the same store have other names.
inline constexpr std::string_view kFirstMachine = "tpm0";
/// Entries::object_prefix of the first machine.
inline constexpr std::string_view kFirstObjectPrefix = "tpm0/obj/";

inline constexpr const char* kPermanentType = "tpm2-permall";
inline constexpr const char* kVolatileType = "tpm2-volatile";
inline constexpr const char* kSaveType = "tpm2-savestate";

/// The entries of one machine. All but those under `object_prefix` are sealed, and carry the attribute `norollback`.
struct Entries {
  /// `name` must not end in a slash, and the name of no other machine may begin with `name` and a slash.
  explicit Entries(std::string_view name);

  std::string permanent;  // the permanent state
  // The three blobs of a machine that another program has suspended, unchanged. They belong to one permanent state, so
  // the next change of that state deletes them.
  std::string suspended_permanent;
  std::string suspended_volatile;
  std::string suspended_save;
  std::string object_prefix;  // begins the names of the records of the TPM's public objects, which the owner keeps
};

}  // namespace vtpm::device
