// SPDX-License-Identifier: Apache-2.0
// Whose secret a key slot holds.
#pragma once

#include <optional>
#include <string_view>

namespace vtpm::store {

/// kSo: the security officer's PIN. kUser: the user's. kRecovery: a phrase that was generated and written down; it logs
/// the user in. kKeyfile: the bytes of a file, for tools and services that nobody types for.
enum class Role { kSo, kUser, kRecovery, kKeyfile };

/// What a key slot shows of its secret to anyone, before a login too.
struct SecretNotes {
  bool empty = false;          // no bytes: whoever knows of the slot opens it
  bool to_be_changed = false;  // somebody else chose it; its owner is to choose another
};

std::string_view role_name(Role role);  // "so", "user", "recovery", "keyfile"
std::optional<Role> role_of(std::string_view name);

}  // namespace vtpm::store
