// SPDX-License-Identifier: Apache-2.0
// Evidence of tpm/use/attestation.h as a JSON document (docs/security.md, "Attestation").
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "tpm/use/attestation.h"

namespace vtpm::tools {

/// Hexadecimal, as a nonce is given. Throws Error kInvalidArgument that names the place.
Bytes parse_hex(const std::string& text, const std::string& what);

nlohmann::json to_json(const tpm::KeyEvidence& evidence);
nlohmann::json to_json(const tpm::QuoteEvidence& evidence, const std::vector<tpm::PcrBank>& banks);

/// What a document says it is about: "key" or "quote". Throws Error kCorrupt when it is no evidence.
std::string subject_of(const nlohmann::json& document);
tpm::KeyEvidence key_evidence(const nlohmann::json& document);
tpm::QuoteEvidence quote_evidence(const nlohmann::json& document);

}  // namespace vtpm::tools
