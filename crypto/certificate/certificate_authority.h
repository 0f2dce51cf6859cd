// SPDX-License-Identifier: Apache-2.0
// A small certificate authority for the keys that identify a TPM (TCG EK Credential Profile 2.5, chapter 3): a P-256
// key and its self-signed certificate, or whatever key and certificate the user's own authority has.
#pragma once

#include <memory>
#include <string>

#include "crypto/key/key.h"

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
  CertificateAuthority(CertificateAuthority&&) noexcept;

  /// The DER certificate of an endorsement key: empty subject, the TPM's manufacturer and model as alternative name,
  /// extended key usage tcg-kp-EKCertificate.
  Bytes certify_endorsement_key(const PublicKey& key) const;
  /// The DER certificate of an attestation key: it says, in the subject's serialNumber, by the fingerprint of whose
  /// endorsement key the TPM is known that holds it; extended key usage tcg-kp-AIKCertificate. The caller has seen that
  /// the key is that TPM's.
  Bytes certify_attestation_key(const PublicKey& key, const PublicKey& endorsement_key) const;
  /// The authority's own certificate, DER.
  Bytes certificate() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// TCG OID registry: tcg-kp-EKCertificate, tcg-kp-AIKCertificate.
inline constexpr const char* kEndorsementPurpose = "2.23.133.8.1";
inline constexpr const char* kAttestationPurpose = "2.23.133.8.3";

/// SHA-256 of the SubjectPublicKeyInfo, hexadecimal.
std::string key_fingerprint(const PublicKey& key);

}  // namespace vtpm::crypto
