// SPDX-License-Identifier: Apache-2.0
#include "crypto/kdf/tls_prf.h"

#include <openssl/core_names.h>

#include <algorithm>

#include "crypto/library/openssl.h"

namespace vtpm::crypto {
namespace {

Bytes joined(ByteView first, ByteView second) {
  Bytes both = to_bytes(first);
  append(both, second);
  return both;
}

/// libcrypto's HMAC with MD5, which is used only here.
class HmacMd5 {
 public:
  explicit HmacMd5(ByteView key) {
    ensure_openssl();
    const Owned<EVP_MAC, EVP_MAC_free> hmac(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
    require_openssl(hmac != nullptr, "finding HMAC");
    context_.reset(EVP_MAC_CTX_new(hmac.get()));
    char md5[] = "MD5";
    const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, md5, 0),
                                     OSSL_PARAM_construct_end()};
    require_openssl(context_ && EVP_MAC_init(context_.get(), key.data(), key.size(), parameters) == 1,
                    "beginning HMAC-MD5");
  }
  HmacMd5& begin() {
    require_openssl(EVP_MAC_init(context_.get(), nullptr, 0, nullptr) == 1, "beginning HMAC-MD5");
    return *this;
  }
  HmacMd5& update(ByteView data) {
    require_openssl(EVP_MAC_update(context_.get(), data.data(), data.size()) == 1, "HMAC-MD5");
    return *this;
  }
  void finish(MutableByteView out) {
    size_t size = 0;
    require_openssl(EVP_MAC_final(context_.get(), out.data(), &size, out.size()) == 1, "ending HMAC-MD5");
  }
  static constexpr size_t size() { return 16; }

 private:
  Owned<EVP_MAC_CTX, EVP_MAC_CTX_free> context_;
};

// RFC 5246, 5: P_hash(secret, label || seed) = HMAC(secret, A(1) || label || seed) || HMAC(secret, A(2) || …) || …
template <typename KeyedMac>
SecretBytes expanded(KeyedMac mac, std::string_view label, ByteView seed, size_t size) {
  const size_t bytes = mac.size();
  SecretBytes result(size), a(bytes), block(bytes);
  mac.update(as_bytes(label)).update(seed).finish(a.span());
  for (size_t done = 0; done < size; done += bytes) {
    mac.begin().update(a).update(as_bytes(label)).update(seed).finish(block.span());
    std::copy_n(block.begin(), std::min(bytes, size - done), result.begin() + static_cast<ptrdiff_t>(done));
    mac.begin().update(a).finish(a.span());
  }
  return result;
}

}  // namespace

SecretBytes tls12_prf(Hash hash, ByteView secret, std::string_view label, ByteView seed, size_t size) {
  return expanded(Hmac(hash, secret), label, seed, size);
}

SecretBytes tls10_prf(ByteView secret, std::string_view label, ByteView seed, size_t size) {
  const size_t half = (secret.size() + 1) / 2;  // an odd secret has its middle byte in both
  SecretBytes result = expanded(HmacMd5(secret.first(half)), label, seed, size);
  const SecretBytes other = expanded(Hmac(Hash::kSha1, secret.last(half)), label, seed, size);
  for (size_t i = 0; i < size; ++i) result[i] ^= other[i];
  return result;
}

SecretBytes tls12_master_secret(Hash hash, ByteView premaster, ByteView client_random, ByteView server_random) {
  return tls12_prf(hash, premaster, "master secret", joined(client_random, server_random), kTlsMasterSecretBytes);
}

SecretBytes tls12_extended_master_secret(Hash hash, ByteView premaster, ByteView session_hash) {
  return tls12_prf(hash, premaster, "extended master secret", session_hash, kTlsMasterSecretBytes);
}

TlsKeyBlock tls12_key_block(Hash hash, ByteView master, ByteView client_random, ByteView server_random,
                            size_t mac_bytes, size_t key_bytes, size_t iv_bytes) {
  const SecretBytes bytes = tls12_prf(hash, master, "key expansion", joined(server_random, client_random),
                                      2 * (mac_bytes + key_bytes + iv_bytes));
  ByteView rest = bytes;
  auto next = [&](size_t size) {
    ByteView part = rest.first(size);
    rest = rest.subspan(size);
    return part;
  };
  TlsKeyBlock block;
  block.client_mac = SecretBytes(next(mac_bytes));
  block.server_mac = SecretBytes(next(mac_bytes));
  block.client_key = SecretBytes(next(key_bytes));
  block.server_key = SecretBytes(next(key_bytes));
  block.client_iv = to_bytes(next(iv_bytes));
  block.server_iv = to_bytes(next(iv_bytes));
  return block;
}

}  // namespace vtpm::crypto
