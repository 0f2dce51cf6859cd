// SPDX-License-Identifier: Apache-2.0
// The verification of evidence (tpm/use/attestation.h), given the certificate of an authority. Needs no TPM and no
// token.
//
// Nothing in the evidence is trusted before it is checked. The checks, in this order:
//   1. The authority has issued both certificates, each for its purpose.
//   2. The certificate of the attestation key names the endorsement key.
//   3. The public area of the attestation key is that of the certified key, and the key is restricted.
//   4. It has signed the statement, over this nonce, as a primary key of the endorsement hierarchy (by its qualified
//   name).
//   5. The statement is about the key or the PCRs that the evidence contains.
#pragma once

#include <string>
#include <vector>

#include "crypto/key/key.h"
#include "tpm/use/attestation.h"

namespace vtpm::tpm {

/// The result of a verification. A bad signature is an answer, not an Error.
struct Verdict {
  std::string reason;  // why the evidence proves nothing; empty: it proves the other members
  bool good() const { return reason.empty(); }
};

struct KeyVerdict : Verdict {
  std::optional<crypto::PublicKey> key;
  bool fixed = false;                    // fixedTPM and fixedParent: the TPM exports no copy
  bool made_here = false;                // this TPM has created the key (the creation is certified)
  std::string parent;                    // the name (Part 1, 16) of its parent at creation, hexadecimal
  bool signs = false, decrypts = false;  // what its attributes allow
};
/// `authority`: one or more certificates in PEM, each of them trusted. `imported`: accepts also a key that is not
/// fixed, or whose creation is not certified. Throws kInvalidArgument if `authority` contains no certificate.
KeyVerdict verify_key(const KeyEvidence& evidence, ByteView authority, ByteView nonce, bool imported);

struct QuoteVerdict : Verdict {
  std::vector<PcrBank> banks;         // the PCRs to which the values of the evidence belong
  uint32_t resets = 0, restarts = 0;  // TPMS_CLOCK_INFO
};
/// The parameters are those of `verify_key`.
QuoteVerdict verify_quote(const QuoteEvidence& evidence, ByteView authority, ByteView nonce);

}  // namespace vtpm::tpm
