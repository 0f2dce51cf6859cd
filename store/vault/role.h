// SPDX-License-Identifier: Apache-2.0
// Roles: the kinds of secrets for which key slots are made.
#pragma once

#include <optional>
#include <string_view>

namespace vtpm::store {

/// kSo: the PIN of the security officer. kUser: the PIN of the user. kRecovery: a phrase that was generated and written
/// down; it logs the user in. kKeyfile: the bytes of a file, for tools and services without a user who types.
enum class Role { kSo, kUser, kRecovery, kKeyfile };

/// What a key slot shows of its secret without a login.
struct SecretNotes {
  bool empty = false;          // the secret is empty: no user needs to be asked for it
  bool to_be_changed = false;  // the secret was not chosen by its owner, who must choose another
};

std::string_view role_name(Role role);  // "so", "user", "recovery", "keyfile"
std::optional<Role> role_of(std::string_view name);

}  // namespace vtpm::store
