// SPDX-License-Identifier: Apache-2.0
#include "tpm/use/attestation.h"

#include <tss2/tss2_tpm2_types.h>

#include <algorithm>

#include "base/error.h"
#include "tpm/command/marshal.h"
#include "tpm/use/identity.h"
#include "tpm/use/pcr_selection.h"

namespace vtpm::tpm {

namespace {

void check_nonce(ByteView nonce) {
  if (nonce.size() > kNonceMost) {
    throw Error(ErrorCode::kInvalidArgument,
                "a nonce has at most " + std::to_string(kNonceMost) + " bytes, not " + std::to_string(nonce.size()));
  }
}

Attestor describe(Commands& tpm, const Handle& attestation_key) {
  IdentityCertificates certificates = identity_certificates(tpm);
  return {marshal(Tss2_MU_TPM2B_PUBLIC_Marshal, tpm.read_public(attestation_key.value())),
          std::move(certificates.attestation), std::move(certificates.endorsement)};
}

}  // namespace

KeyEvidence attest_key(Engine& engine, const KeyBlob& key, ByteView nonce) {
  check_nonce(nonce);
  return engine.use_current([&](BootedTpm& tpm) {
    // The TPM has room for three transient objects: the key, for a moment its parent, and the attestation key.
    tpm.keys().make_room(0);
    const Handle loaded = tpm.load(tpm.storage_root(), key);
    const Handle signer = create_attestation_key(tpm);
    KeyEvidence evidence;
    evidence.attestor = describe(tpm, signer);
    evidence.public_area = key.public_area;
    evidence.certify = tpm.certify(loaded.value(), key.auth, signer.value(), nonce);
    if (!key.creation_data.empty()) {
      evidence.creation = tpm.certify_creation(loaded.value(), key, signer.value(), nonce);
      evidence.creation_data = key.creation_data;
    }
    return evidence;
  });
}

QuoteEvidence quote_pcrs(Engine& engine, const std::vector<PcrBank>& banks, ByteView nonce) {
  check_nonce(nonce);
  const TPML_PCR_SELECTION selection = pcr_selection(banks);
  return engine.use_current([&](BootedTpm& tpm) {
    const Handle signer = create_attestation_key(tpm);
    QuoteEvidence evidence;
    evidence.attestor = describe(tpm, signer);
    evidence.values = tpm.pcr_read(selection);
    size_t wanted = 0;
    for (const PcrBank& bank : banks) wanted += bank.pcrs.size();
    if (evidence.values.size() != wanted)
      throw Error(ErrorCode::kInvalidArgument, "the TPM does not have all PCRs of the selection");
    evidence.quote = tpm.quote(signer.value(), selection, nonce);
    return evidence;
  });
}

}  // namespace vtpm::tpm
