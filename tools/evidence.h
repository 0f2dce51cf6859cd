// SPDX-License-Identifier: Apache-2.0
// Reads and writes the evidence of tpm/use/attestation.h as a JSON document (docs/security.md, "Attestation").
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "tpm/use/attestation.h"

namespace vtpm::tools {

/// Parses hexadecimal digits, for instance of a nonce. Throws Error kInvalidArgument, which names `what` and the
/// position.
Bytes parse_hex(const std::string& text, const std::string& what);

nlohmann::json to_json(const tpm::KeyEvidence& evidence);
nlohmann::json to_json(const tpm::QuoteEvidence& evidence, const std::vector<tpm::PcrBank>& banks);

/// The subject of a document: "key" or "quote". Throws Error kCorrupt if the document is not evidence.
std::string subject_of(const nlohmann::json& document);
tpm::KeyEvidence key_evidence(const nlohmann::json& document);
tpm::QuoteEvidence quote_evidence(const nlohmann::json& document);

}  // namespace vtpm::tools
