// SPDX-License-Identifier: Apache-2.0
// Evidence about a TPM's keys and PCRs, for verifiers elsewhere (docs/security.md, "Attestation"; tpm/use/verifier.h is
// the other side).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tpm/command/commands.h"
#include "tpm/engine/engine.h"
#include "tpm/use/resident_key.h"

namespace vtpm::tpm {

/// Of the qualifying data that a verifier chooses (TPM2B_DATA holds a hash's name and value; the same for all of ours).
constexpr size_t kNonceMost = 64;

/// Who vouches for the attestation key. Certificates are DER, empty where the TPM has none.
struct Attestor {
  Bytes public_area;  // TPM2B_PUBLIC of the attestation key
  Bytes attestation_certificate, endorsement_certificate;
};

struct KeyEvidence {
  Attestor attestor;
  Bytes public_area;  // TPM2B_PUBLIC of the key
  Attested certify;   // TPM2_Certify: the key is loaded in this TPM
  // TPM2_CertifyCreation: this TPM made it, under this parent. Absent for an imported key.
  std::optional<Attested> creation;
  Bytes creation_data;  // TPM2B_CREATION_DATA
};
KeyEvidence attest_key(Engine& engine, const KeyBlob& key, ByteView nonce);

struct PcrBank {
  std::string hash;            // sha1, sha256, sha384, sha512
  std::vector<unsigned> pcrs;  // ascending, 0 to 23
};
struct QuoteEvidence {
  Attestor attestor;
  Attested quote;
  std::vector<Bytes> values;  // of the PCRs, in the banks' order
};
/// Of an instance of this process: its PCRs are what libtpms makes them at a start, since nobody measures anything into
/// them. Throws kInvalidArgument for a bank or a PCR that the TPM does not have.
QuoteEvidence quote_pcrs(Engine& engine, const std::vector<PcrBank>& banks, ByteView nonce);

}  // namespace vtpm::tpm
