// SPDX-License-Identifier: Apache-2.0
// A small certificate authority for the keys that identify a TPM (TCG EK Credential Profile 2.5, chapter 3): a P-256
// key and its self-signed certificate, or the key and certificate of the user's own authority.
#pragma once

#include <memory>
#include <string>

#include "crypto/key/key.h"

namespace vtpm::crypto {

class CertificateAuthority {
 public:
  /// A new key (PKCS#8, not encrypted) and its certificate, valid until 9999, in PEM.
  struct Made {
    SecretBytes key;
    Bytes certificate;
  };
  static Made create(const std::string& common_name);

  /// From PEM. Throws kInvalidArgument if they do not parse, do not match, or the certificate is not that of an
  /// authority.
  CertificateAuthority(ByteView key, ByteView certificate);
  ~CertificateAuthority();
  CertificateAuthority(CertificateAuthority&&) noexcept;

  /// Issues the certificate of an endorsement key, in DER: empty subject, the TPM's manufacturer and model as
  /// alternative name, extended key usage tcg-kp-EKCertificate.
  Bytes certify_endorsement_key(const PublicKey& key) const;
  /// Issues the certificate of an attestation key, in DER: the serialNumber of the subject is the fingerprint of the
  /// TPM's endorsement key; extended key usage tcg-kp-AIKCertificate. The caller must know that both keys are in the
  /// same TPM.
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
