// SPDX-License-Identifier: Apache-2.0
// OpenSSL at its own speed inside a libtpms copy.
//
// libtpms describes every NIST curve to OpenSSL by its numbers and every RSA key without its primes, anew for each
// operation, so OpenSSL falls back to its slow generic code: 16 times slower for P-256, 9 times for RSA-2048. A few of
// the copies' OpenSSL calls are redirected here (tpm/host/redirections.txt) and answered with what libtpms meant:
//
// - a curve whose numbers are a named curve's becomes that named curve;
// - an RSA private key (n, e, d, dP) becomes a cached key with both primes, CRT parameters and blinding. The primes are
//   found from d, the inverse of e modulo (p - 1)(q - 1), by a square root; from a d of another kind (modulo the least
//   common multiple) as p = gcd(2^(e dP) - 2 mod n, n), since e dP = 1 mod p - 1;
// - a number that is handed over with hundreds of leading zeros loses them first.
//
// Anything not recognised falls through to OpenSSL unchanged. The cache belongs to one instance and holds private keys:
// `forget` wipes it (logout). Not thread-safe, like the copy it serves.
#pragma once

#include <cstddef>
#include <vector>

struct bignum_st;
struct ec_group_st;
struct evp_pkey_st;

namespace vtpm::tpm {

class Acceleration {
 public:
  Acceleration();
  ~Acceleration();

  /// The named curve of these numbers, owned by this object; null when there is none.
  ec_group_st* named_curve(const bignum_st* p, const bignum_st* a, const bignum_st* b);
  /// True for a group that `named_curve` has answered with.
  bool owns(const ec_group_st* group) const;
  /// The key with its primes, owned by this object; null when `key` is not an RSA private key or is inconsistent.
  evp_pkey_st* complete_rsa(const evp_pkey_st* key);
  /// Wipes the cached private keys.
  void forget() noexcept;
  size_t cached_keys() const;

  /// What OpenSSL has to say about a failed command must not be mistaken for somebody else's error.
  static void clear_errors() noexcept;

 private:
  struct Curve;
  struct RsaKey;
  static constexpr size_t kRsaKeys = 8;  // two hot keys, and some that come and go
  std::vector<Curve> curves_;            // filled as they are asked for
  std::vector<RsaKey> rsa_;              // most recently used first
};

}  // namespace vtpm::tpm
