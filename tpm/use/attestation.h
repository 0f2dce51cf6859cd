// SPDX-License-Identifier: Apache-2.0
// Evidence about a TPM's keys and PCRs, for verifiers elsewhere (docs/security.md, "Attestation"). tpm/use/verifier.h
// checks it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tpm/command/commands.h"
#include "tpm/engine/engine.h"
#include "tpm/use/resident_key.h"

namespace vtpm::tpm {

/// The greatest size in bytes of a nonce, the qualifying data that a verifier chooses (TPM2B_DATA: Part 2, 10.4.3). It
/// is that of the largest hash.
constexpr size_t kNonceMost = 64;

/// The attestation key that has signed evidence, and its certificates (DER; empty if the TPM has none).
struct Attestor {
  Bytes public_area;  // TPM2B_PUBLIC of the attestation key
  Bytes attestation_certificate, endorsement_certificate;
};

/// Evidence that a key is in this TPM.
struct KeyEvidence {
  Attestor attestor;
  Bytes public_area;  // TPM2B_PUBLIC of the key
  Attested certify;   // TPM2_Certify (Part 3, 18.2): the key is loaded in this TPM
  // TPM2_CertifyCreation (Part 3, 18.3): this TPM has created the key, under this parent. Nothing for an imported key.
  std::optional<Attested> creation;
  Bytes creation_data;  // TPM2B_CREATION_DATA
};
/// Makes evidence about `key`, which must be a key under this TPM's storage root key. `nonce`: at most kNonceMost
/// bytes, otherwise throws kInvalidArgument. Stores nothing. Must not be called inside Engine::use.
KeyEvidence attest_key(Engine& engine, const KeyBlob& key, ByteView nonce);

/// PCRs of one bank.
struct PcrBank {
  std::string hash;            // sha1, sha256, sha384, sha512
  std::vector<unsigned> pcrs;  // ascending, 0 to 23
};
/// A quote, and the values that it covers.
struct QuoteEvidence {
  Attestor attestor;
  Attested quote;
  std::vector<Bytes> values;  // the values of the PCRs, bank by bank
};
/// Quotes PCRs (TPM2_Quote: Part 3, 18.4) of an instance of this process. They have the values that libtpms gives them
/// at a boot, because nothing is measured into them. Throws kInvalidArgument for a bank or a PCR that the TPM does not
/// have, and for a nonce that is too long. Must not be called inside Engine::use.
QuoteEvidence quote_pcrs(Engine& engine, const std::vector<PcrBank>& banks, ByteView nonce);

}  // namespace vtpm::tpm
