// SPDX-License-Identifier: Apache-2.0
// What seals the blobs of a store: chosen when it is made, recorded in its header, the same ever after.
#pragma once

#include <optional>
#include <string_view>

namespace vtpm::store {

/// kNone: nothing is sealed, there is no key. kAesCbc: AES-CBC, encrypt-then-MAC with HMAC-SHA-256; the key's size is
/// AES's. kAes256Siv: AES-256-SIV, the default.
enum class Cipher { kNone, kAesCbc, kAes256Siv };

std::string_view cipher_name(Cipher cipher);  // "none", "aes-cbc", "aes-256-siv"
std::optional<Cipher> cipher_of(std::string_view name);

}  // namespace vtpm::store
