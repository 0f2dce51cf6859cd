// SPDX-License-Identifier: Apache-2.0
// Parameters of single messages (PKCS#11 3.2, 6.13 and 6.66).
#pragma once

#include "tests/conformance/harness/symmetric.h"

namespace vtpm::conformance {

/// The parameter of a message for one of the AEAD mechanisms, and the memory that it points to.
struct MessageParameter {
  CK_MECHANISM_TYPE mechanism;
  Bytes nonce, tag;
  CK_ULONG fixed_bits = 0;
  CK_GENERATOR_FUNCTION generator = CKG_NO_GENERATE;
  CK_ULONG data_bytes = 0;  // CCM
  Bytes bytes = {};

  void* data() {
    const CK_ULONG bits = 8 * tag.size();
    if (mechanism == CKM_AES_GCM)
      bytes = bytes_of(CK_GCM_MESSAGE_PARAMS{nonce.data(), nonce.size(), fixed_bits, generator, tag.data(), bits});
    else if (mechanism == CKM_AES_CCM)
      bytes = bytes_of(
          CK_CCM_MESSAGE_PARAMS{data_bytes, nonce.data(), nonce.size(), fixed_bits, generator, tag.data(), tag.size()});
    else
      bytes = bytes_of(CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS{nonce.data(), 8 * nonce.size(), tag.data()});
    return bytes.data();
  }
  CK_ULONG size() const { return bytes.size(); }
};

/// The mechanism of a line of aead.txt.
inline CK_MECHANISM_TYPE aead_of(const Line& line) {
  return line.text("mode") == "gcm" ? CKM_AES_GCM : line.text("mode") == "ccm" ? CKM_AES_CCM : CKM_CHACHA20_POLY1305;
}

}  // namespace vtpm::conformance
