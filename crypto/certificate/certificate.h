// SPDX-License-Identifier: Apache-2.0
// The fields of an X.509 certificate that are attributes in PKCS#11 (CKO_CERTIFICATE, CKC_X_509).
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
  size_t bytes = 0;                   // length of the certificate in bytes; the rest of the input is padding
};
/// Parses the certificate at the start of `der`; returns nothing if there is none. Trailing bytes are allowed, because
/// certificates in NV are padded.
std::optional<CertificateFields> parse_certificate(ByteView der);

}  // namespace vtpm::crypto
