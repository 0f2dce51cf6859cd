#include "crypto/tls_prf.h"

#include <algorithm>

namespace vtpm::crypto {
namespace {

Bytes joined(ByteView first, ByteView second) {
  Bytes both = to_bytes(first);
  append(both, second);
  return both;
}

}  // namespace

// RFC 5246, 5: P_hash(secret, label || seed) = HMAC(secret, A(1) || label || seed) || HMAC(secret, A(2) || …) || …
SecretBytes tls12_prf(Hash hash, ByteView secret, std::string_view label, ByteView seed, size_t size) {
  const size_t octets = hash_octets(hash);
  SecretBytes result(size), a(octets), block(octets);
  Hmac mac(hash, secret);
  mac.update(as_bytes(label)).update(seed).finish(a.span());
  for (size_t done = 0; done < size; done += octets) {
    mac.begin().update(a).update(as_bytes(label)).update(seed).finish(block.span());
    std::copy_n(block.begin(), std::min(octets, size - done), result.begin() + static_cast<ptrdiff_t>(done));
    mac.begin().update(a).finish(a.span());
  }
  return result;
}

SecretBytes tls12_master_secret(Hash hash, ByteView premaster, ByteView client_random, ByteView server_random) {
  return tls12_prf(hash, premaster, "master secret", joined(client_random, server_random), kTlsMasterSecretOctets);
}

SecretBytes tls12_extended_master_secret(Hash hash, ByteView premaster, ByteView session_hash) {
  return tls12_prf(hash, premaster, "extended master secret", session_hash, kTlsMasterSecretOctets);
}

TlsKeyBlock tls12_key_block(Hash hash, ByteView master, ByteView client_random, ByteView server_random,
                            size_t mac_octets, size_t key_octets, size_t iv_octets) {
  const SecretBytes octets = tls12_prf(hash, master, "key expansion", joined(server_random, client_random),
                                       2 * (mac_octets + key_octets + iv_octets));
  ByteView rest = octets;
  auto next = [&](size_t size) {
    ByteView part = rest.first(size);
    rest = rest.subspan(size);
    return part;
  };
  TlsKeyBlock block;
  block.client_mac = SecretBytes(next(mac_octets));
  block.server_mac = SecretBytes(next(mac_octets));
  block.client_key = SecretBytes(next(key_octets));
  block.server_key = SecretBytes(next(key_octets));
  block.client_iv = to_bytes(next(iv_octets));
  block.server_iv = to_bytes(next(iv_octets));
  return block;
}

}  // namespace vtpm::crypto
