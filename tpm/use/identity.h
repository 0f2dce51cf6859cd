// SPDX-License-Identifier: Apache-2.0
// What proves that a TPM is this TPM: endorsement keys, an attestation key, and their certificates.
//
// The endorsement keys follow the TCG's default templates L-1 and L-2 (EK Credential Profile 2.5, B.3.3 and B.3.4), so
// they are the same after every creation from one endorsement seed; they and their certificates stand where every tool
// looks for them (2.2.1.4). The attestation key (P-256, ECDSA with SHA-256, restricted: it signs what the TPM itself
// says, nothing else) is a primary key of the same hierarchy, hence of the same seed. It is made when it is needed and
// takes no NV memory; its certificate does.
#pragma once

#include "crypto/certificate/certificate_authority.h"
#include "crypto/key/key.h"
#include "tpm/command/handle.h"
#include "tpm/engine/engine.h"

namespace vtpm::tpm {

constexpr uint32_t kEndorsementRsa = 0x81010001, kEndorsementEc = 0x81010002;
constexpr uint32_t kCertificateRsa = 0x01C00002, kCertificateEc = 0x01C0000A;
/// The issuer's own certificate, where nobody else keeps it (2.2.1.5.2, the first index of the chain).
constexpr uint32_t kCertificateIssuer = 0x01C00100;
/// Within the range of certificates of identity and attestation keys (TPM 2.0 Keys for Device Identity and
/// Attestation).
constexpr uint32_t kCertificateAttestation = 0x01C90010;

/// Whether the issuer's certificate is put into the TPM, for want of another place, or taken out of it.
enum class IssuerKept { kElsewhere, kInTheTpm };

/// Creates and persists both endorsement keys where they are missing, and writes certificates of `authority` for them
/// and for the attestation key, in the place of older ones. Stores: runs inside Engine::change, manufacture or visit.
/// Throws kInvalidArgument when a certificate does not fit into an NV area (the authority's key or name is too large).
void endorse(BootedTpm& tpm, const crypto::CertificateAuthority& authority, IssuerKept kept);

/// What an owner's TPM2_Clear leaves, for a new owner: the endorsement keys, the attestation key and their certificates
/// stay; every other key, NV area and auth value goes (but for areas that only a policy of theirs deletes), a new
/// storage root key is made, another one. False when the TPM had not all of its certificates, so that it must be
/// endorsed. Stores.
bool renew_owner(BootedTpm& tpm);

/// The attestation key, loaded.
Handle create_attestation_key(BootedTpm& tpm);

struct IdentityCertificates {
  Bytes endorsement, attestation;  // DER, empty where there is none; `endorsement` is the RSA key's
};
IdentityCertificates identity_certificates(Commands& tpm);

}  // namespace vtpm::tpm
