// SPDX-License-Identifier: Apache-2.0
// Attestation commands (Part 3, chapters 18 and 22).
#include <algorithm>

#include "tpm/command/sapi.h"
#include "tpm/host/device.h"

namespace vtpm::tpm {

namespace {

/// The scheme of the signing key.
TPMT_SIG_SCHEME own_scheme() {
  TPMT_SIG_SCHEME scheme = {};
  scheme.scheme = TPM2_ALG_NULL;
  return scheme;
}

TPM2B_DATA qualifying(ByteView nonce) {
  TPM2B_DATA data = {};
  assign(data, nonce);
  return data;
}

Attested marshalled(const TPM2B_ATTEST& info, const TPMT_SIGNATURE& signature) {
  return {to_bytes(bytes_of(info)), marshal(Tss2_MU_TPMT_SIGNATURE_Marshal, signature)};
}

bool empty(const TPML_PCR_SELECTION& selection) {
  for (uint32_t i = 0; i < selection.count; ++i) {
    const TPMS_PCR_SELECTION& bank = selection.pcrSelections[i];
    for (unsigned byte = 0; byte < bank.sizeofSelect; ++byte) {
      if (bank.pcrSelect[byte] != 0) return false;
    }
  }
  return true;
}

/// Removes the PCRs of `read` from `wanted`.
void subtract(TPML_PCR_SELECTION& wanted, const TPML_PCR_SELECTION& read) {
  for (uint32_t i = 0; i < std::min(wanted.count, read.count); ++i) {
    for (unsigned byte = 0; byte < wanted.pcrSelections[i].sizeofSelect; ++byte)
      wanted.pcrSelections[i].pcrSelect[byte] &= static_cast<uint8_t>(~read.pcrSelections[i].pcrSelect[byte]);
  }
}

}  // namespace

Attested Commands::certify(uint32_t object, ByteView auth, uint32_t signer, ByteView nonce) {
  const Password passwords(auth, {});
  const TPM2B_DATA outside = qualifying(nonce);
  const TPMT_SIG_SCHEME scheme = own_scheme();
  const auto info = large<TPM2B_ATTEST>();
  TPMT_SIGNATURE signature = {};
  VTPM_RUN(Certify, object, signer, &passwords, &outside, &scheme, info.get(), &signature, nullptr);
  return marshalled(*info, signature);
}

Attested Commands::certify_creation(uint32_t object, const KeyBlob& key, uint32_t signer, ByteView nonce) {
  const Password password;
  const TPM2B_DATA outside = qualifying(nonce);
  const TPMT_SIG_SCHEME scheme = own_scheme();
  TPM2B_DIGEST hash = {};
  TPMT_TK_CREATION ticket = {};
  unmarshal(Tss2_MU_TPM2B_DIGEST_Unmarshal, key.creation_hash, hash);
  unmarshal(Tss2_MU_TPMT_TK_CREATION_Unmarshal, key.creation_ticket, ticket);
  const auto info = large<TPM2B_ATTEST>();
  TPMT_SIGNATURE signature = {};
  VTPM_RUN(CertifyCreation, signer, object, &password, &outside, &hash, &scheme, &ticket, info.get(), &signature,
           nullptr);
  return marshalled(*info, signature);
}

Attested Commands::quote(uint32_t signer, const TPML_PCR_SELECTION& selection, ByteView nonce) {
  const Password password;
  const TPM2B_DATA outside = qualifying(nonce);
  const TPMT_SIG_SCHEME scheme = own_scheme();
  const auto info = large<TPM2B_ATTEST>();
  TPMT_SIGNATURE signature = {};
  VTPM_RUN(Quote, signer, &password, &outside, &scheme, &selection, info.get(), &signature, nullptr);
  return marshalled(*info, signature);
}

std::vector<Bytes> Commands::pcr_read(const TPML_PCR_SELECTION& selection) {
  std::vector<Bytes> values;
  TPML_PCR_SELECTION wanted = selection;
  while (!empty(wanted)) {  // each command returns at most eight
    uint32_t counter = 0;
    TPML_PCR_SELECTION read = {};
    TPML_DIGEST part = {};
    VTPM_RUN(PCR_Read, nullptr, &wanted, &counter, &read, &part, nullptr);
    if (part.count == 0) break;  // the TPM does not have the remaining PCRs
    for (uint32_t i = 0; i < part.count; ++i) values.push_back(to_bytes(bytes_of(part.digests[i])));
    subtract(wanted, read);
  }
  return values;
}

}  // namespace vtpm::tpm
