// SPDX-License-Identifier: Apache-2.0
// SHA-512/t for any t (FIPS 180-4, 5.3.6 and 6.7). Private to crypto/.
#pragma once

#include "crypto/hash/digest.h"

struct SHA512state_st;

namespace vtpm::crypto {

class Sha512T : public DigestContext {
 public:
  /// Throws kInvalidArgument unless 0 < bits < 512 and bits != 384.
  explicit Sha512T(unsigned bits);
  ~Sha512T() override;

  std::unique_ptr<DigestContext> clone() const override { return std::unique_ptr<DigestContext>(new Sha512T(*this)); }
  void update(ByteView data) override;
  void finish(MutableByteView out) override;
  std::optional<SecretBytes> save() const override;
  void load(ByteView saved) override;

 private:
  Sha512T(const Sha512T& other);

  unsigned bits_;
  std::unique_ptr<SHA512state_st> state_;
};

}  // namespace vtpm::crypto
