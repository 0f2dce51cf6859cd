// SPDX-License-Identifier: Apache-2.0
// vtpm-token attest: evidence about a token's keys and its TPM's PCRs, and its verification.

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <memory>

#include "base/error.h"
#include "crypto/certificate/pem.h"
#include "tools/command/commands.h"
#include "tools/evidence.h"
#include "tools/find_key.h"
#include "tools/json_text.h"
#include "tools/key_options.h"
#include "tools/open_token.h"
#include "tools/output_file.h"
#include "tools/secret_source.h"
#include "tools/standard_output.h"
#include "tpm/use/attestation.h"
#include "tpm/use/pcr_banks.h"
#include "tpm/use/verifier.h"

namespace vtpm::tools {
namespace {

struct AttestOptions {
  std::string uri, token, nonce, output, pcrs = "sha256:0,1,2,3,4,5,6,7", directory;
  std::string evidence, authority;
  bool imported = false, json = false;
  SecretSource pin{"User PIN", "vtpm.user-pin", "", -1};
};

Bytes nonce_of(const AttestOptions& options) { return parse_hex(options.nonce, "--nonce"); }

void put_out(const AttestOptions& options, const nlohmann::json& document) {
  const std::string text = json_text(document) + "\n";
  if (options.output.empty()) {
    std::cout << text;
  } else {
    write_file(options.output, as_bytes(text), 0644);
  }
}

void warn_without_certificates(const tpm::Attestor& attestor) {
  if (attestor.attestation_certificate.empty() || attestor.endorsement_certificate.empty()) {
    std::cerr << "vtpm-token: the TPM has no certificates, so no verifier can accept this evidence (run vtpm-token ca "
                 "certify first)\n";
  }
}

void attest_key(const AttestOptions& options) {
  const Bytes nonce = nonce_of(options);
  const auto token = open_token(options.uri, options.pin);
  const tpm::KeyBlob key = token->catalogue().key_blob(*find_private_key(*token, options.uri));
  const tpm::KeyEvidence evidence = tpm::attest_key(*token->machine().engine(), key, nonce);
  warn_without_certificates(evidence.attestor);
  put_out(options, to_json(evidence));
}

/// The parts between separators, including empty ones.
std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back().push_back(c);
    }
  }
  return parts;
}

/// "0,1,2" or "all".
std::vector<unsigned> parse_pcr_numbers(const std::string& text) {
  std::vector<unsigned> pcrs;
  if (text == "all") {
    for (unsigned pcr = 0; pcr < tpm::kPcrs; ++pcr) pcrs.push_back(pcr);
    return pcrs;
  }
  for (const std::string& number : split(text, ',')) {
    if (number.empty() || number.size() > 2 || number.find_first_not_of("0123456789") != std::string::npos)
      throw Error(ErrorCode::kInvalidArgument, "\"" + number + "\" is not the number of a PCR (0 to 23, or all)");
    pcrs.push_back(static_cast<unsigned>(std::stoul(number)));
  }
  std::sort(pcrs.begin(), pcrs.end());
  pcrs.erase(std::unique(pcrs.begin(), pcrs.end()), pcrs.end());
  return pcrs;
}

/// "sha256:0,1,2+sha1:all", as tpm2-tools write it.
std::vector<tpm::PcrBank> parse_pcrs(const std::string& text) {
  std::vector<tpm::PcrBank> banks;
  for (const std::string& part : split(text, '+')) {
    const size_t colon = part.find(':');
    if (colon == std::string::npos || colon + 1 == part.size()) {
      throw Error(ErrorCode::kInvalidArgument,
                  "\"" + part + "\" does not name PCRs: write it like sha256:0,1,2 or sha256:all");
    }
    banks.push_back({part.substr(0, colon), parse_pcr_numbers(part.substr(colon + 1))});
  }
  tpm::check_pcr_banks(banks);  // checked before the prompt for the PIN
  return banks;
}

/// Writes the files that tpm2_checkquote reads.
void write_files(const std::string& directory, const tpm::QuoteEvidence& evidence) {
  Bytes values;
  for (const Bytes& value : evidence.values) append(values, value);
  tpm::KeyBlob signer;
  signer.public_area = evidence.attestor.public_area;
  write_file(directory + "/quote.msg", evidence.quote.info, 0644);
  write_file(directory + "/quote.sig", evidence.quote.signature, 0644);
  write_file(directory + "/quote.pcrs", values, 0644);
  write_file(directory + "/ak.pem", as_bytes(crypto::to_pem("PUBLIC KEY", tpm::public_key_of(signer).spki())), 0644);
}

void attest_quote(const AttestOptions& options) {
  const Bytes nonce = nonce_of(options);
  const std::vector<tpm::PcrBank> banks = parse_pcrs(options.pcrs);
  const auto token = open_token(options.token, options.pin);
  const tpm::QuoteEvidence evidence = tpm::quote_pcrs(*token->machine().engine(), banks, nonce);
  warn_without_certificates(evidence.attestor);
  std::cerr
      << "vtpm-token: these are the PCRs of an instance of the token's emulated TPM that was started for this quote;\n"
         "nothing on this machine measures into them.\n";
  if (!options.directory.empty()) write_files(options.directory, evidence);
  put_out(options, to_json(evidence, banks));
}

nlohmann::json describe(const tpm::KeyVerdict& verdict) {
  nlohmann::json answer{{"about", "key"}, {"proven", verdict.good()}};
  if (!verdict.good()) {
    answer["reason"] = verdict.reason;
    return answer;
  }
  answer["fixed"] = verdict.fixed;
  answer["made_by_this_tpm"] = verdict.made_here;
  answer["sign"] = verdict.signs;
  answer["decrypt"] = verdict.decrypts;
  if (!verdict.parent.empty()) answer["parent"] = verdict.parent;
  answer["public_key"] = crypto::to_pem("PUBLIC KEY", verdict.key->spki());
  return answer;
}

nlohmann::json describe(const tpm::QuoteVerdict& verdict, const tpm::QuoteEvidence& evidence) {
  nlohmann::json answer{{"about", "quote"}, {"proven", verdict.good()}};
  if (!verdict.good()) {
    answer["reason"] = verdict.reason;
    return answer;
  }
  size_t at = 0;
  for (const tpm::PcrBank& bank : verdict.banks) {
    for (const unsigned pcr : bank.pcrs) answer["pcrs"][bank.hash][std::to_string(pcr)] = to_hex(evidence.values[at++]);
  }
  answer["resets"] = verdict.resets;
  answer["restarts"] = verdict.restarts;
  return answer;
}

void print(const nlohmann::json& answer) {
  if (answer["about"] == "quote") {
    std::cout << "The TPM had these values in its PCRs:\n";
    for (const auto& [bank, values] : answer["pcrs"].items()) {
      for (const auto& [pcr, value] : values.items())
        std::cout << "  " << shown(bank) << ':' << pcr << ' ' << value.get<std::string>() << '\n';
    }
    std::cout << "They belong to an emulated TPM: what is measured into them is up to the program that runs it.\n";
    return;
  }
  std::cout << (answer["made_by_this_tpm"] ? "The TPM made this key, and the key cannot leave it:\n"
                                           : "The TPM holds this key; copies of it may be elsewhere:\n")
            << answer["public_key"].get<std::string>();
}

std::string read_text(const std::string& path) {
  constexpr size_t kMost = 1 << 20;
  return std::string(as_text(read_bytes(path, -1, kMost)));
}

ExitStatus verify(const AttestOptions& options) {
  setenv("TSS2_LOG", "all+none",
         /*replace=*/0);  // errors of invalid evidence are reported by the tool, not by tpm2-tss
  const Bytes nonce = nonce_of(options);
  const std::string authority = read_text(options.authority);
  const auto document = nlohmann::json::parse(read_text(options.evidence), nullptr, /*allow_exceptions=*/false);
  nlohmann::json answer;
  const std::string subject = subject_of(document);
  if (subject == "quote") {
    const tpm::QuoteEvidence evidence = quote_evidence(document);
    answer = describe(tpm::verify_quote(evidence, as_bytes(authority), nonce), evidence);
  } else {
    answer = describe(tpm::verify_key(key_evidence(document), as_bytes(authority), nonce, options.imported));
  }
  if (options.json) {
    std::cout << json_text(answer) << '\n';
  } else if (answer["proven"]) {
    print(answer);
  } else {
    std::cerr << "vtpm-token: nothing is proven: " << shown(answer["reason"].get<std::string>()) << '\n';
  }
  if (answer["proven"] && nonce.empty())
    std::cerr << "vtpm-token: without a nonce of your own the evidence may be of any age\n";
  return answer["proven"] ? 0 : 1;
}

void add_common(CLI::App& command, AttestOptions& options) {
  command.add_option("--nonce", options.nonce, "The verifier's nonce, up to 64 bytes, hexadecimal")->type_name("HEX");
  command.add_option("--output", options.output, "Write the evidence into this file")->type_name("FILE");
  add_secret(command, options.pin, "pin", "the user PIN");
}

}  // namespace

void add_attest_key(CLI::App& command, ExitStatus&) {
  auto options = std::make_shared<AttestOptions>();
  command.add_option("uri", options->uri, "The key: pkcs11:token=…;object=… (or id=…)")->type_name("URI")->required();
  add_common(command, *options);
  command.callback([options] { as_tool([&] { attest_key(*options); }); });
}

void add_attest_quote(CLI::App& command, ExitStatus&) {
  auto options = std::make_shared<AttestOptions>();
  add_token(command, options->token)->required();
  command.add_option("--pcrs", options->pcrs, "The PCRs, such as sha256:0,1,2+sha1:0, or sha256:all")
      ->type_name("LIST");
  command.add_option("--directory", options->directory, "Write quote.msg, quote.sig, quote.pcrs and ak.pem there")
      ->type_name("DIRECTORY");
  add_common(command, *options);
  command.footer("The files of --directory are what tpm2_checkquote reads.");
  command.callback([options] { as_tool([&] { attest_quote(*options); }); });
}

void add_attest_verify(CLI::App& command, ExitStatus& status) {
  auto options = std::make_shared<AttestOptions>();
  command.add_option("evidence", options->evidence, "The evidence of attest key or attest quote")
      ->type_name("FILE")
      ->required();
  command.add_option("--ca", options->authority, "The authority's certificate, PEM")->type_name("FILE")->required();
  command.add_option("--nonce", options->nonce, "The nonce that the evidence must contain, hexadecimal")
      ->type_name("HEX");
  command.add_flag("--imported", options->imported, "Accept imported keys, of which copies may exist elsewhere");
  command.add_flag("--json", options->json, "Answer in JSON");
  command.footer("The command needs no token and no PIN. The exit status is 1 if nothing is proven.");
  command.callback([options, &status] { status = verify(*options); });
}

}  // namespace vtpm::tools
