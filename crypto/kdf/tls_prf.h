// SPDX-License-Identifier: Apache-2.0
// The pseudo-random function of TLS 1.2 and the values derived with it (RFC 5246, sections 5, 6.3 and 8.1; RFC 7627),
// and that of TLS 1.0 and 1.1 (RFC 2246, section 5). Sizes are in bytes.
#pragma once

#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "crypto/hash/digest.h"

namespace vtpm::crypto {

/// `size` bytes of PRF(secret, label, seed) over HMAC with `hash`.
SecretBytes tls12_prf(Hash hash, ByteView secret, std::string_view label, ByteView seed, size_t size);

/// The function of TLS 1.0 and 1.1: over HMAC with MD5 and with SHA-1, each with half of the secret.
SecretBytes tls10_prf(ByteView secret, std::string_view label, ByteView seed, size_t size);
/// One or the other: without a hash the function of TLS 1.0 and 1.1.
inline SecretBytes tls_prf(std::optional<Hash> hash, ByteView secret, std::string_view label, ByteView seed,
                           size_t size) {
  return hash ? tls12_prf(*hash, secret, label, seed, size) : tls10_prf(secret, label, seed, size);
}

constexpr size_t kTlsMasterSecretBytes = 48;
SecretBytes tls12_master_secret(Hash hash, ByteView premaster, ByteView client_random, ByteView server_random);
/// RFC 7627; `session_hash` is the hash of the handshake messages.
SecretBytes tls12_extended_master_secret(Hash hash, ByteView premaster, ByteView session_hash);

/// The keys of both directions. A size is 0 if the cipher suite does not have the value.
struct TlsKeyBlock {
  SecretBytes client_mac, server_mac, client_key, server_key;
  Bytes client_iv, server_iv;
};
TlsKeyBlock tls12_key_block(Hash hash, ByteView master, ByteView client_random, ByteView server_random,
                            size_t mac_bytes, size_t key_bytes, size_t iv_bytes);

}  // namespace vtpm::crypto
