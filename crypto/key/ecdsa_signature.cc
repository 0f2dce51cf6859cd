// SPDX-License-Identifier: Apache-2.0
#include "crypto/key/ecdsa_signature.h"

#include <openssl/ec.h>

#include "crypto/key/big_number.h"

namespace vtpm::crypto {
namespace {

using Signature = Owned<ECDSA_SIG, ECDSA_SIG_free>;

}  // namespace

Bytes ecdsa_signature_to_der(ByteView raw) {
  size_t bytes = raw.size() / 2;
  Signature signature(ECDSA_SIG_new());
  BigNumber r = public_number(raw.first(bytes)), s = public_number(raw.subspan(bytes));
  require_openssl(signature != nullptr && ECDSA_SIG_set0(signature.get(), r.get(), s.get()) == 1, "an ECDSA signature");
  static_cast<void>(r.release()), static_cast<void>(s.release());  // the signature owns them now
  int size = i2d_ECDSA_SIG(signature.get(), nullptr);
  require_openssl(size > 0, "writing an ECDSA signature");
  Bytes der(static_cast<size_t>(size));
  uint8_t* next = der.data();
  i2d_ECDSA_SIG(signature.get(), &next);
  return der;
}

Bytes ecdsa_signature_from_der(ByteView der, size_t bytes) {
  const uint8_t* next = der.data();
  Signature signature(d2i_ECDSA_SIG(nullptr, &next, static_cast<long>(der.size())));
  Bytes raw(2 * bytes);
  int size = static_cast<int>(bytes);
  require_openssl(signature != nullptr && BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), raw.data(), size) == size &&
                      BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), raw.data() + bytes, size) == size,
                  "reading an ECDSA signature");
  return raw;
}

}  // namespace vtpm::crypto
