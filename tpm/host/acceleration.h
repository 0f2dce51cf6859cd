// SPDX-License-Identifier: Apache-2.0
// Makes OpenSSL as fast inside a libtpms copy as outside of it.
//
// libtpms passes every NIST curve to OpenSSL as numbers, and every RSA key without its primes, and does so again for
// each operation. OpenSSL then uses its slow generic code: P-256 is 16 times slower and RSA-2048 nine times. A few of
// the copies' calls to OpenSSL are redirected here (tpm/host/redirections.txt):
//
// - A curve whose numbers are those of a named curve becomes the named curve.
// - An RSA private key (n, e, d, dP) becomes a cached key with both primes, CRT parameters and blinding. If d is the
//   inverse of e modulo (p - 1)(q - 1), a square root gives the primes. For a d modulo the least common multiple,
//   p = gcd(2^(e dP) - 2 mod n, n), since e dP = 1 mod p - 1.
// - A number with hundreds of leading zeros is passed without them.
//
// Everything else is passed to OpenSSL unchanged. The cache belongs to one instance and contains private keys; `forget`
// wipes it when the instance is turned off. Not thread-safe, like the copy that it serves.
// docs/decisions/0007-acceleration-of-libtpms.md has the measurements.
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

  /// The named curve with these numbers, owned by this object; null if there is none, or memory ran out.
  ec_group_st* named_curve(const bignum_st* p, const bignum_st* a, const bignum_st* b);
  /// Whether `named_curve` has returned `group`.
  bool owns(const ec_group_st* group) const;
  /// The key with its primes, owned by this object and valid until the next call; null if `key` is not an RSA private
  /// key, if its numbers are inconsistent, or if memory ran out.
  evp_pkey_st* complete_rsa(const evp_pkey_st* key);
  /// Wipes the cached private keys.
  void forget() noexcept;
  size_t cached_keys() const;

  /// Clears this thread's queue of OpenSSL errors, so that no later function takes an error of a failed command for its
  /// own.
  static void clear_errors() noexcept;

 private:
  struct Curve;
  struct RsaKey;
  static constexpr size_t kRsaKeys = 8;  // two hot keys, and some that are used now and then
  std::vector<Curve> curves_;            // filled when they are first used
  std::vector<RsaKey> rsa_;              // most recently used first
};

}  // namespace vtpm::tpm
