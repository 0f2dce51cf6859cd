// SPDX-License-Identifier: Apache-2.0
#include "crypto/certificate/certificate.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <climits>
#include <cstdio>
#include <ctime>

#include "crypto/library/openssl.h"

namespace vtpm::crypto {
namespace {

using Certificate = Owned<X509, X509_free>;

// DER of a part of the certificate. `write` is one of libcrypto's i2d functions.
template <typename T>
Bytes encoded(int (*write)(const T*, unsigned char**), const T* part) {
  int size = write(part, nullptr);
  require_openssl(size > 0, "writing a part of a certificate");
  Bytes der(static_cast<size_t>(size));
  uint8_t* next = der.data();
  write(part, &next);
  return der;
}

std::string date_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return {};
  char text[32];
  int size = std::snprintf(text, sizeof text, "%04d%02d%02d", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
  return size == 8 ? std::string(text) : std::string();
}

}  // namespace

std::optional<CertificateFields> parse_certificate(ByteView der) {
  ensure_openssl();
  const uint8_t* next = der.data();
  long size = der.size() > LONG_MAX ? LONG_MAX : static_cast<long>(der.size());
  Certificate certificate(d2i_X509(nullptr, &next, size));
  if (!certificate) {
    ERR_clear_error();
    return std::nullopt;
  }
  CertificateFields fields;
  fields.subject = encoded(i2d_X509_NAME, X509_get_subject_name(certificate.get()));
  fields.issuer = encoded(i2d_X509_NAME, X509_get_issuer_name(certificate.get()));
  fields.serial = encoded(i2d_ASN1_INTEGER, X509_get0_serialNumber(certificate.get()));
  fields.public_key =
      encoded(i2d_X509_PUBKEY, static_cast<const X509_PUBKEY*>(X509_get_X509_PUBKEY(certificate.get())));
  if (const ASN1_OCTET_STRING* id = X509_get0_subject_key_id(certificate.get())) {
    fields.subject_key_id.assign(ASN1_STRING_get0_data(id), ASN1_STRING_get0_data(id) + ASN1_STRING_length(id));
  }
  fields.not_before = date_of(X509_get0_notBefore(certificate.get()));
  fields.not_after = date_of(X509_get0_notAfter(certificate.get()));
  fields.bytes = static_cast<size_t>(next - der.data());
  ERR_clear_error();  // parsing extensions and keys of unknown kinds leaves entries behind
  return fields;
}

}  // namespace vtpm::crypto
