// SPDX-License-Identifier: Apache-2.0
#include "tpm/use/identity.h"

#include <tss2/tss2_tpm2_types.h>

#include <map>

#include "base/error.h"
#include "crypto/certificate/certificate.h"
#include "tpm/command/commands.h"
#include "tpm/command/marshal.h"
#include "tpm/engine/storage_root.h"
#include "tpm/use/nv.h"
#include "tpm/use/persistent_key.h"
#include "tpm/use/resident_key.h"

namespace vtpm::tpm {

namespace {

// PolicySecret(TPM_RH_ENDORSEMENT) under SHA-256 (EK Credential Profile, B.6.2, PolicyA).
constexpr uint8_t kPolicyA[] = {0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xB3, 0xF8, 0x1A, 0x90, 0xCC,
                                0x8D, 0x46, 0xA5, 0xD7, 0x24, 0xFD, 0x52, 0xD7, 0x6E, 0x06, 0x52,
                                0x0B, 0x64, 0xF2, 0xA1, 0xDA, 0x1B, 0x33, 0x14, 0x69, 0xAA};

TPM2B_PUBLIC endorsement_template(TPM2_ALG_ID type) {
  TPM2B_PUBLIC wanted = {};
  TPMT_PUBLIC& area = wanted.publicArea;
  area.type = type;
  area.nameAlg = TPM2_ALG_SHA256;
  area.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |
                          TPMA_OBJECT_ADMINWITHPOLICY | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT;
  assign(area.authPolicy, kPolicyA);
  TPMT_SYM_DEF_OBJECT symmetric = {};
  symmetric.algorithm = TPM2_ALG_AES;
  symmetric.keyBits.aes = 128;
  symmetric.mode.aes = TPM2_ALG_CFB;
  if (type == TPM2_ALG_RSA) {
    area.parameters.rsaDetail.symmetric = symmetric;
    area.parameters.rsaDetail.scheme.scheme = TPM2_ALG_NULL;
    area.parameters.rsaDetail.keyBits = 2048;
    area.unique.rsa.size = 256;
  } else {
    area.parameters.eccDetail.symmetric = symmetric;
    area.parameters.eccDetail.scheme.scheme = TPM2_ALG_NULL;
    area.parameters.eccDetail.curveID = TPM2_ECC_NIST_P256;
    area.parameters.eccDetail.kdf.scheme = TPM2_ALG_NULL;
    area.unique.ecc.x.size = area.unique.ecc.y.size = 32;
  }
  return wanted;
}

TPM2B_PUBLIC attestation_template() {
  TPM2B_PUBLIC wanted = {};
  TPMT_PUBLIC& area = wanted.publicArea;
  area.type = TPM2_ALG_ECC;
  area.nameAlg = TPM2_ALG_SHA256;
  area.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |
                          TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED |
                          TPMA_OBJECT_SIGN_ENCRYPT;
  area.parameters.eccDetail.symmetric.algorithm = TPM2_ALG_NULL;
  area.parameters.eccDetail.scheme.scheme = TPM2_ALG_ECDSA;
  area.parameters.eccDetail.scheme.details.ecdsa.hashAlg = TPM2_ALG_SHA256;
  area.parameters.eccDetail.curveID = TPM2_ECC_NIST_P256;
  area.parameters.eccDetail.kdf.scheme = TPM2_ALG_NULL;
  return wanted;
}

void persist(BootedTpm& tpm, TPM2_ALG_ID type, uint32_t handle) {
  const std::vector<uint32_t> used = tpm.handles(handle);
  if (!used.empty() && used.front() == handle) return;
  tpm.keys().make_room(LoadedKeys::kLoaded - 1);
  const Handle key = tpm.create_primary(TPM2_RH_ENDORSEMENT, endorsement_template(type));
  tpm.evict_control(key.value(), handle);
}

// As the profile requires (2.2.1.4.1): created by the platform, so that an owner's TPM2_Clear leaves it, and readable
// by every user of the TPM.
constexpr uint32_t kCertificateAttributes =
    TPMA_NV_PPWRITE | TPMA_NV_PPREAD | TPMA_NV_OWNERREAD | TPMA_NV_AUTHREAD | TPMA_NV_NO_DA | TPMA_NV_PLATFORMCREATE;

void write_certificate(Commands& tpm, uint32_t index, ByteView certificate) {
  if (certificate.size() > kNvMaxBytes) {
    throw Error(ErrorCode::kInvalidArgument, "The authority's certificates have " + std::to_string(certificate.size()) +
                                                 " bytes, but an NV area of the TPM holds " +
                                                 std::to_string(kNvMaxBytes) +
                                                 ": use an authority with a smaller key or name.");
  }
  if (nv_public(tpm, index)) nv_undefine(tpm, index);
  nv_define(tpm, index, static_cast<uint16_t>(certificate.size()), kCertificateAttributes);
  nv_write(tpm, nv_public(tpm, index).value(), 0, certificate);
}

crypto::PublicKey endorsement_key(Commands& tpm, uint32_t handle) {
  for (const PersistentObject& key : persistent_objects(tpm)) {
    if (key.handle == handle && key.public_key) return *key.public_key;
  }
  throw Error(ErrorCode::kUnsupported, "the type of an endorsement key is not supported");
}

Bytes certificate_at(Commands& tpm, uint32_t index) {
  const auto area = nv_public(tpm, index);
  if (!area || !area->is_ordinary()) return {};
  try {
    const SecretBytes contents = nv_read(tpm, *area);
    const auto fields = crypto::parse_certificate(contents);
    return fields ? to_bytes(contents.view().first(fields->bytes)) : Bytes();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kAuthFailed || error.code() == ErrorCode::kNotFound) return {};
    throw;
  }
}

constexpr uint32_t kCertificates[] = {kCertificateRsa, kCertificateEc, kCertificateAttestation, kCertificateIssuer};

}  // namespace

void endorse(BootedTpm& tpm, const crypto::CertificateAuthority& authority, IssuerKept kept) {
  persist(tpm, TPM2_ALG_RSA, kEndorsementRsa);
  persist(tpm, TPM2_ALG_ECC, kEndorsementEc);
  const crypto::PublicKey rsa = endorsement_key(tpm, kEndorsementRsa), ec = endorsement_key(tpm, kEndorsementEc);
  write_certificate(tpm, kCertificateRsa, authority.certify_endorsement_key(rsa));
  write_certificate(tpm, kCertificateEc, authority.certify_endorsement_key(ec));
  KeyBlob attestation;
  attestation.public_area = marshal(Tss2_MU_TPM2B_PUBLIC_Marshal, tpm.read_public(create_attestation_key(tpm).value()));
  write_certificate(tpm, kCertificateAttestation, authority.certify_attestation_key(public_key_of(attestation), rsa));
  if (kept == IssuerKept::kInTheTpm) {
    write_certificate(tpm, kCertificateIssuer, authority.certificate());
  } else if (nv_public(tpm, kCertificateIssuer)) {
    nv_undefine(tpm, kCertificateIssuer);
  }
}

bool renew_owner(BootedTpm& tpm) {
  std::map<uint32_t, Bytes> certificates;
  for (const uint32_t index : kCertificates) certificates[index] = certificate_at(tpm, index);
  tpm.keys().make_room(0);
  tpm.clear();
  // Areas that the platform has created survive TPM2_Clear. The platform of an emulated TPM is the token's user as
  // well, so they are deleted too.
  for (const uint32_t index : nv_list(tpm)) {
    if ((tpm.nv_read_public(index).attributes & nv::kPolicyDelete) == 0) nv_undefine(tpm, index);
  }
  create_storage_root(tpm);
  persist(tpm, TPM2_ALG_RSA, kEndorsementRsa);
  persist(tpm, TPM2_ALG_ECC, kEndorsementEc);
  for (const auto& [index, certificate] : certificates) {
    if (!certificate.empty()) write_certificate(tpm, index, certificate);
  }
  return !certificates[kCertificateRsa].empty() && !certificates[kCertificateEc].empty() &&
         !certificates[kCertificateAttestation].empty();
}

Handle create_attestation_key(BootedTpm& tpm) {
  tpm.keys().make_room(LoadedKeys::kLoaded - 1);
  return tpm.create_primary(TPM2_RH_ENDORSEMENT, attestation_template());
}

IdentityCertificates identity_certificates(Commands& tpm) {
  return {certificate_at(tpm, kCertificateRsa), certificate_at(tpm, kCertificateAttestation)};
}

}  // namespace vtpm::tpm
