// vtpm-token list: the tokens of the configured store directory.
#include <iomanip>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "pkcs11/refusal.h"
#include "tools/commands.h"
#include "tools/cryptoki_client.h"

namespace vtpm::tools {
namespace {

std::string state_of(CK_FLAGS flags) {
  if (!(flags & CKF_TOKEN_INITIALIZED)) return "free";
  if (flags & CKF_USER_PIN_LOCKED) return "user PIN locked";
  if (!(flags & CKF_USER_PIN_INITIALIZED)) return "no user PIN";
  if (flags & CKF_WRITE_PROTECTED) return "read-only";
  if (flags & CKF_USER_PIN_FINAL_TRY) return "one try left";
  return "ready";
}

nlohmann::json describe(CK_SLOT_ID slot) {
  CK_TOKEN_INFO info{};
  const CK_RV rv = C_GetTokenInfo(slot, &info);
  if (rv != CKR_OK) return {{"slot", slot}, {"state", "unreadable"}, {"error", pkcs11::rv_name(rv)}};
  nlohmann::json token{{"slot", slot}, {"state", state_of(info.flags)}};
  if (info.flags & CKF_TOKEN_INITIALIZED) {
    token["label"] = trimmed(info.label);
    token["serial"] = trimmed(info.serialNumber);
    token["uri"] = token_uri(info);
  }
  return token;
}

void list(bool as_json) {
  const Cryptoki cryptoki;
  nlohmann::json tokens = nlohmann::json::array();
  for (CK_SLOT_ID slot : cryptoki.slots()) tokens.push_back(describe(slot));
  if (as_json) {
    std::cout << tokens.dump(2) << '\n';
    return;
  }
  std::cout << "slot  serial            state            label\n";
  for (const auto& token : tokens) {
    std::cout << std::left << std::setw(6) << token["slot"].get<CK_SLOT_ID>() << std::setw(18)
              << token.value("serial", "-") << std::setw(17) << token.value("state", "") << token.value("label", "-")
              << '\n';
  }
}

}  // namespace

void add_list(CLI::App& app, ExitStatus&) {
  auto json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("list", "Show the tokens: slot, serial number, state, label");
  command->add_flag("--json", *json, "Answer in JSON");
  command->callback([json] { list(*json); });
}

}  // namespace vtpm::tools
