// SPDX-License-Identifier: Apache-2.0
// How the names of a store are spread over a table.
//
// SipHash-2-4 (Aumasson and Bernstein, 2012) under a key that this process draws: the names come from a file that
// anybody may have written, and with a hash that everybody can compute a few megabytes of colliding names would make
// opening it quadratic. 20 ns for a name of 36 bytes.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace vtpm::store {

using SipKey = std::array<uint64_t, 2>;

uint64_t siphash(const SipKey& key, std::string_view text);

/// For unordered containers that are looked up by string_view.
struct NameHash {
  using is_transparent = void;
  size_t operator()(std::string_view name) const;
};

}  // namespace vtpm::store
