// SPDX-License-Identifier: Apache-2.0
// The identity of a TPM: endorsement keys, an attestation key, and their certificates.
//
// The endorsement keys follow the TCG's default templates L-1 and L-2 (EK Credential Profile 2.5, B.3.3 and B.3.4), so
// one endorsement seed gives the same keys at every creation. The keys and their certificates have the handles and
// indices of the profile (2.2.1.4), where every tool looks for them. The attestation key is a primary key of the same
// hierarchy, hence of the same seed: P-256, ECDSA with SHA-256, restricted, so that it signs only statements of the TPM
// itself. It is created when it is needed and takes no NV memory, but its certificate does.
#pragma once

#include "crypto/certificate/certificate_authority.h"
#include "crypto/key/key.h"
#include "tpm/command/handle.h"
#include "tpm/engine/engine.h"

namespace vtpm::tpm {

constexpr uint32_t kEndorsementRsa = 0x81010001, kEndorsementEc = 0x81010002;
constexpr uint32_t kCertificateRsa = 0x01C00002, kCertificateEc = 0x01C0000A;
/// The index of the issuer's own certificate, if it is kept in the TPM (2.2.1.5.2: the first index of the chain).
constexpr uint32_t kCertificateIssuer = 0x01C00100;
/// The index of the attestation key's certificate, in the range for identity and attestation keys (TPM 2.0 Keys for
/// Device Identity and Attestation).
constexpr uint32_t kCertificateAttestation = 0x01C90010;

/// Where the issuer's certificate is kept: `endorse` writes it into the TPM, or deletes it there.
enum class IssuerKept { kElsewhere, kInTheTpm };

/// Creates and persists the endorsement keys that are missing. Then writes certificates of `authority` for them and for
/// the attestation key, replacing older ones. Stores, so it runs inside Engine::change, manufacture or visit. Throws
/// kInvalidArgument if a certificate does not fit into an NV area, because the authority's key or name is too large.
void endorse(BootedTpm& tpm, const crypto::CertificateAuthority& authority, IssuerKept kept);

/// Prepares the TPM for a new owner, with TPM2_Clear. The endorsement keys, the attestation key and their certificates
/// stay. Every other key, NV area and auth value is deleted, except areas that only their own policy can delete, and a
/// new storage root key is made. Returns false if a certificate is missing, so that the TPM must be endorsed. Stores.
bool renew_owner(BootedTpm& tpm);

/// Creates the attestation key and returns it, loaded. Takes room for one transient object.
Handle create_attestation_key(BootedTpm& tpm);

/// DER; empty if the TPM has none. `endorsement` is that of the RSA key.
struct IdentityCertificates {
  Bytes endorsement, attestation;
};
/// Reads the certificates from the TPM's NV.
IdentityCertificates identity_certificates(Commands& tpm);

}  // namespace vtpm::tpm
