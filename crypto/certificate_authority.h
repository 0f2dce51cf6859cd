// A small certificate authority for endorsement keys (TCG EK Credential Profile 2.5, chapter 3): a P-256 key and its
// self-signed certificate, or whatever key and certificate the user's own authority has.
#pragma once

#include <memory>
#include <string>

#include "crypto/key.h"

namespace vtpm::crypto {

class CertificateAuthority {
 public:
  /// PEM of a fresh key (PKCS#8, not encrypted) and of its certificate, good for 30 years.
  struct Made {
    SecretBytes key;
    Bytes certificate;
  };
  static Made create(const std::string& common_name);

  /// From PEM. Throws kInvalidArgument when they do not parse, do not belong together, or the certificate is not an
  /// authority's.
  CertificateAuthority(ByteView key, ByteView certificate);
  ~CertificateAuthority();

  /// The DER certificate of an endorsement key: empty subject, the TPM's manufacturer and model as alternative name,
  /// extended key usage tcg-kp-EKCertificate.
  Bytes certify_endorsement_key(const PublicKey& key) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vtpm::crypto
