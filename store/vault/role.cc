// SPDX-License-Identifier: Apache-2.0
#include "store/vault/role.h"

#include <array>
#include <utility>

namespace vtpm::store {
namespace {

constexpr std::array<std::pair<Role, std::string_view>, 4> kRoles = {{
    {Role::kSo, "so"},
    {Role::kUser, "user"},
    {Role::kRecovery, "recovery"},
    {Role::kKeyfile, "keyfile"},
}};

}  // namespace

std::string_view role_name(Role role) {
  for (const auto& [known, name] : kRoles) {
    if (known == role) return name;
  }
  return "?";
}

std::optional<Role> role_of(std::string_view name) {
  for (const auto& [role, known] : kRoles) {
    if (known == name) return role;
  }
  return std::nullopt;
}

}  // namespace vtpm::store
