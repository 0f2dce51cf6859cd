// SPDX-License-Identifier: Apache-2.0
// The hash of the tables of names: SipHash-2-4 (Aumasson and Bernstein, 2012) under a random key of this process.
//
// The names come from a file that an attacker may have written. With a hash that the attacker can compute, a few
// megabytes of colliding names would make opening the file quadratic. It costs 20 ns for a name of 36 bytes.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace vtpm::store {

using SipKey = std::array<uint64_t, 2>;

uint64_t siphash(const SipKey& key, std::string_view text);

/// For unordered containers with lookup by string_view.
struct NameHash {
  using is_transparent = void;
  size_t operator()(std::string_view name) const;
};

}  // namespace vtpm::store
