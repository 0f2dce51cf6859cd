// SPDX-License-Identifier: Apache-2.0
// The verifier's side of tpm/use/attestation.h: what follows from evidence, given the certificate of an authority.
//
// Needs no TPM and no token. Everything in the evidence may be a lie until it is checked; the checks, in this order:
// the authority issued both certificates, each for its purpose; the attestation key's names the endorsement key's; the
// public area of the attestation key is of the certified key, and restricted; it signed what it is said to have signed,
// as a primary key of the endorsement hierarchy (the qualified name says so), over this nonce; and that is about the
// key or the PCRs that the evidence shows.
#pragma once

#include <string>
#include <vector>

#include "crypto/key/key.h"
#include "tpm/use/attestation.h"

namespace vtpm::tpm {

struct Verdict {
  std::string reason;  // why the evidence proves nothing; empty: it proves what the rest says
  bool good() const { return reason.empty(); }
};

struct KeyVerdict : Verdict {
  std::optional<crypto::PublicKey> key;
  bool fixed = false;                    // fixedTPM and fixedParent: no copy can leave the TPM
  bool made_here = false;                // and this TPM made it (the creation is certified)
  std::string parent;                    // hexadecimal name of the parent at creation
  bool signs = false, decrypts = false;  // what its attributes allow
};
/// `authority`: PEM, one or more certificates, each trusted. Unless `imported`, a key that is not fixed, or whose
/// creation is not certified, is refused.
KeyVerdict verify_key(const KeyEvidence& evidence, ByteView authority, ByteView nonce, bool imported);

struct QuoteVerdict : Verdict {
  std::vector<PcrBank> banks;         // which PCRs `values` of the evidence are
  uint32_t resets = 0, restarts = 0;  // TPMS_CLOCK_INFO
};
QuoteVerdict verify_quote(const QuoteEvidence& evidence, ByteView authority, ByteView nonce);

}  // namespace vtpm::tpm
