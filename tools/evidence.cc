// SPDX-License-Identifier: Apache-2.0
#include "tools/evidence.h"

#include "base/error.h"
#include "crypto/certificate/pem.h"

namespace vtpm::tools {
namespace {

using nlohmann::json;
using tpm::Attested;
using tpm::Attestor;

constexpr const char* kFormat = "vtpm-pkcs11 evidence 1";
constexpr const char* kCertificate = "CERTIFICATE";

[[noreturn]] void broken(const std::string& what) {
  throw Error(ErrorCode::kCorrupt, "the document is not evidence of vtpm-pkcs11: " + what);
}

std::string text_at(const json& object, const char* name) {
  if (!object.is_object() || !object.contains(name) || !object[name].is_string())
    broken(std::string("\"") + name + "\" is missing");
  return object[name].get<std::string>();
}

Bytes bytes_at(const json& object, const char* name) {
  return parse_hex(text_at(object, name), std::string("\"") + name + "\"");
}

std::string certificate(const Bytes& der) { return der.empty() ? "" : crypto::to_pem(kCertificate, der); }

Bytes certificate_at(const json& object, const char* name) {
  const std::string text = text_at(object, name);
  if (text.empty()) return {};
  const auto der = crypto::from_pem(kCertificate, as_bytes(text));
  if (!der) broken(std::string("\"") + name + "\" is not a certificate in PEM");
  return *der;
}

json to_json(const Attested& attested) {
  return {{"info", to_hex(attested.info)}, {"signature", to_hex(attested.signature)}};
}

Attested attested_at(const json& document, const char* name) {
  if (!document.contains(name)) broken(std::string("\"") + name + "\" is missing");
  return {bytes_at(document[name], "info"), bytes_at(document[name], "signature")};
}

json begin(const char* about, const Attestor& attestor) {
  return {{"format", kFormat},
          {"about", about},
          {"attestation_key", to_hex(attestor.public_area)},
          {"attestation_certificate", certificate(attestor.attestation_certificate)},
          {"endorsement_certificate", certificate(attestor.endorsement_certificate)}};
}

Attestor attestor_of(const json& document) {
  return {bytes_at(document, "attestation_key"), certificate_at(document, "attestation_certificate"),
          certificate_at(document, "endorsement_certificate")};
}

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Bytes parse_hex(const std::string& text, const std::string& what) {
  Bytes bytes(text.size() / 2);
  for (size_t i = 0; i < text.size(); ++i) {
    const int value = digit(text[i]);
    if (value < 0) {
      throw Error(ErrorCode::kInvalidArgument,
                  "character " + std::to_string(i + 1) + " of " + what + " is not a hexadecimal digit");
    }
    if (i / 2 < bytes.size()) bytes[i / 2] = static_cast<uint8_t>(bytes[i / 2] << 4 | value);
  }
  if (text.size() % 2 != 0) throw Error(ErrorCode::kInvalidArgument, what + " has an odd number of hexadecimal digits");
  return bytes;
}

json to_json(const tpm::KeyEvidence& evidence) {
  json document = begin("key", evidence.attestor);
  document["key"] = to_hex(evidence.public_area);
  document["certify"] = to_json(evidence.certify);
  if (evidence.creation) {
    document["creation"] = to_json(*evidence.creation);
    document["creation"]["data"] = to_hex(evidence.creation_data);
  }
  return document;
}

json to_json(const tpm::QuoteEvidence& evidence, const std::vector<tpm::PcrBank>& banks) {
  json document = begin("quote", evidence.attestor);
  document["quote"] = to_json(evidence.quote);
  json selection = json::array(), values = json::array();
  for (const tpm::PcrBank& bank : banks) selection.push_back({{"hash", bank.hash}, {"pcrs", bank.pcrs}});
  for (const Bytes& value : evidence.values) values.push_back(to_hex(value));
  document["selection"] = selection;
  document["values"] = values;
  document["pcrs_of"] = "an instance of the token's emulated TPM, started for this quote; nothing is measured into it";
  return document;
}

std::string subject_of(const json& document) {
  if (text_at(document, "format") != kFormat) broken("its format is unknown");
  const std::string about = text_at(document, "about");
  if (about != "key" && about != "quote") broken("it is about neither a key nor a quote");
  return about;
}

tpm::KeyEvidence key_evidence(const json& document) {
  tpm::KeyEvidence evidence;
  evidence.attestor = attestor_of(document);
  evidence.public_area = bytes_at(document, "key");
  evidence.certify = attested_at(document, "certify");
  if (document.contains("creation")) {
    evidence.creation = attested_at(document, "creation");
    evidence.creation_data = bytes_at(document["creation"], "data");
  }
  return evidence;
}

tpm::QuoteEvidence quote_evidence(const json& document) {
  tpm::QuoteEvidence evidence;
  evidence.attestor = attestor_of(document);
  evidence.quote = attested_at(document, "quote");
  if (!document.contains("values") || !document["values"].is_array()) broken("\"values\" is missing");
  for (const json& value : document["values"]) {
    if (!value.is_string()) broken("a value of a PCR is not a string");
    evidence.values.push_back(parse_hex(value.get<std::string>(), "a value of a PCR"));
  }
  return evidence;
}

}  // namespace vtpm::tools
