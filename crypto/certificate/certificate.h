// SPDX-License-Identifier: Apache-2.0
// The fields of an X.509 certificate that PKCS#11 shows as attributes (CKO_CERTIFICATE, CKC_X_509).
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"

namespace vtpm::crypto {

struct CertificateFields {
  Bytes subject;                      // DER Name
  Bytes issuer;                       // DER Name
  Bytes serial;                       // DER INTEGER
  Bytes public_key;                   // DER SubjectPublicKeyInfo
  Bytes subject_key_id;               // extension contents, empty if absent
  std::string not_before, not_after;  // YYYYMMDD, empty if not representable
  size_t octets = 0;                  // length of the certificate itself: what follows in the input is padding
};
/// Nothing when `der` does not begin with a certificate. Trailing octets are allowed (certificates in NV are padded).
std::optional<CertificateFields> parse_certificate(ByteView der);

}  // namespace vtpm::crypto
