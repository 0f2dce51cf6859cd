// SPDX-License-Identifier: Apache-2.0
// The independent implementation that tests compare the module with: signatures, encryption and certificates by the
// system's OpenSSL, which is not the module's private one.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

#include "tests/conformance/harness/harness.h"

namespace vtpm::conformance::peer {

/// The scheme of a signature.
struct Scheme {
  enum Kind { kPkcs1, kPss, kRaw, kEcdsa } kind;
  std::string hash = {};      // OpenSSL's name; empty: the data is signed as it is
  bool hash_the_data = true;  // false: the data is the digest already
  std::string mgf_hash = {};  // PSS
  int salt = 0;               // PSS
};

class Key {
 public:
  static Key generate_rsa(unsigned bits);
  static Key generate_ec(const std::string& group);
  static Key rsa_public(const Bytes& modulus, const Bytes& exponent);
  /// `point`: 04 || X || Y.
  static Key ec_public(const std::string& group, const Bytes& point);
  static Key rsa_private(const Bytes& n, const Bytes& e, const Bytes& d, const Bytes& p, const Bytes& q,
                         const Bytes& dp, const Bytes& dq, const Bytes& qinv);
  static Key ec_private(const std::string& group, const Bytes& point, const Bytes& scalar);
  /// SubjectPublicKeyInfo.
  static Key from_spki(const Bytes& der);

  /// A number of the key (OSSL_PKEY_PARAM_…), big-endian, without leading zeros or left-padded to `size`.
  Bytes number(const char* parameter, size_t size = 0) const;
  Bytes ec_point() const;
  Bytes spki() const;
  /// Whether OpenSSL's check of a private key finds that its parts belong together.
  bool consistent() const;
  bool same_public_key(const Key& other) const;

  /// Whether OpenSSL accepts the signature; ECDSA signatures are r || s, as PKCS#11 has them.
  bool verifies(const Scheme& scheme, const Bytes& data, const Bytes& signature) const;
  Bytes sign(const Scheme& scheme, const Bytes& data) const;

  /// RSA encryption. `padding`: RSA_PKCS1_PADDING, RSA_PKCS1_OAEP_PADDING, RSA_NO_PADDING.
  Bytes encrypt(int padding, const Bytes& data, const std::string& hash = {}, const std::string& mgf_hash = {},
                const Bytes& label = {}) const;
  Bytes decrypt(int padding, const Bytes& data, const std::string& hash = {}, const std::string& mgf_hash = {},
                const Bytes& label = {}) const;

  EVP_PKEY* get() const { return key_.get(); }

 private:
  explicit Key(EVP_PKEY* key) : key_(key, EVP_PKEY_free) {}
  std::shared_ptr<EVP_PKEY> key_;
};

Bytes digest(const std::string& hash, const Bytes& data);

/// Writes a DER OCTET STRING around `contents`; and reads the contents of one (throws if `der` is anything else).
Bytes octet_string(const Bytes& contents);
Bytes octet_string_contents(const Bytes& der);

struct Certificate {
  Bytes der, subject, issuer, serial;
};
/// A self-signed certificate of `key`, valid from 2024-01-01 to 2034-01-01.
Certificate self_signed(const Key& key, const std::string& common_name);

}  // namespace vtpm::conformance::peer
