#include "tpm/identity.h"

#include <tss2/tss2_tpm2_types.h>

#include <algorithm>

#include "crypto/error.h"
#include "tpm/commands.h"
#include "tpm/loaded_keys.h"
#include "tpm/marshal.h"
#include "tpm/nv.h"
#include "tpm/persistent_key.h"

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

void persist(Commands& tpm, TPM2_ALG_ID type, uint32_t handle) {
  const std::vector<uint32_t> used = tpm.handles(handle);
  if (!used.empty() && used.front() == handle) return;
  tpm.keys().make_room(LoadedKeys::kLoaded - 1);
  const Handle key = tpm.create_primary(TPM2_RH_ENDORSEMENT, endorsement_template(type));
  tpm.evict_control(key.value(), handle);
}

void write_certificate(Commands& tpm, uint32_t index, ByteView certificate) {
  if (nv_public(tpm, index)) nv_undefine(tpm, index);
  // Readable by whoever may use the TPM, as the profile wants (2.2.1.4.1); written by the owner, that is, by us.
  constexpr uint32_t kAttributes = nv::kOwnerWrite | nv::kOwnerRead | nv::kAuthRead | nv::kNoDa;
  nv_define(tpm, index, static_cast<uint16_t>(certificate.size()), kAttributes);
  nv_write(tpm, nv_public(tpm, index).value(), 0, certificate);
}

}  // namespace

void endorse(Commands& tpm, const std::function<Bytes(const crypto::PublicKey&)>& certify) {
  persist(tpm, TPM2_ALG_RSA, kEndorsementRsa);
  persist(tpm, TPM2_ALG_ECC, kEndorsementEc);
  for (const PersistentObject& key : persistent_objects(tpm)) {
    if (key.handle != kEndorsementRsa && key.handle != kEndorsementEc) continue;
    if (!key.public_key) throw Error(ErrorCode::kUnsupported, "An endorsement key is of a kind that is not known.");
    const bool rsa = key.public_key->type() == crypto::KeyType::kRsa;
    write_certificate(tpm, rsa ? kCertificateRsa : kCertificateEc, certify(*key.public_key));
  }
}

}  // namespace vtpm::tpm
