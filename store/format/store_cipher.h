// SPDX-License-Identifier: Apache-2.0
// The cipher that seals the blobs of a store. It is chosen when the store is made, stands in the header and never
// changes.
#pragma once

#include <optional>
#include <string_view>

namespace vtpm::store {

/// kNone: nothing is sealed, and the store has no key. kAesCbc: AES-CBC, encrypt-then-MAC with HMAC-SHA-256; the size
/// of the raw key selects AES-128, -192 or -256. kAes256Siv: AES-256-SIV, the default.
enum class Cipher { kNone, kAesCbc, kAes256Siv };

std::string_view cipher_name(Cipher cipher);  // "none", "aes-cbc", "aes-256-siv"
std::optional<Cipher> cipher_of(std::string_view name);

}  // namespace vtpm::store
