// SPDX-License-Identifier: Apache-2.0
// vtpm-token mechanisms: prints the module's table of mechanisms, as text, as Markdown (docs/pkcs11.md) or as JSON. It
// needs no token.
#include <iomanip>
#include <iostream>
#include <memory>

#include "pkcs11/mechanism/mechanism.h"
#include "tools/command/commands.h"
#include "tools/json_text.h"

namespace vtpm::tools {
namespace {

using pkcs11::Mechanism;

struct Use {
  CK_FLAGS flag;
  const char* name;
};
constexpr Use kUses[] = {{CKF_GENERATE, "generate"},
                         {CKF_GENERATE_KEY_PAIR, "generate pair"},
                         {CKF_SIGN, "sign"},
                         {CKF_VERIFY, "verify"},
                         {CKF_SIGN_RECOVER, "sign recover"},
                         {CKF_VERIFY_RECOVER, "verify recover"},
                         {CKF_ENCRYPT, "encrypt"},
                         {CKF_DECRYPT, "decrypt"},
                         {CKF_DIGEST, "digest"},
                         {CKF_WRAP, "wrap"},
                         {CKF_UNWRAP, "unwrap"},
                         {CKF_DERIVE, "derive"},
                         {CKF_ENCAPSULATE, "encapsulate"},
                         {CKF_DECAPSULATE, "decapsulate"}};

struct KeyName {
  CK_KEY_TYPE type;
  const char* name;
};
#define KEY(type) \
  { type, #type }
constexpr KeyName kKeyNames[] = {KEY(CKK_RSA),
                                 KEY(CKK_EC),
                                 KEY(CKK_EC_EDWARDS),
                                 KEY(CKK_EC_MONTGOMERY),
                                 KEY(CKK_DSA),
                                 KEY(CKK_DH),
                                 KEY(CKK_GENERIC_SECRET),
                                 KEY(CKK_HKDF),
                                 KEY(CKK_AES),
                                 KEY(CKK_AES_XTS),
                                 KEY(CKK_CAMELLIA),
                                 KEY(CKK_ARIA),
                                 KEY(CKK_CHACHA20),
                                 KEY(CKK_SHA_1_HMAC),
                                 KEY(CKK_SHA224_HMAC),
                                 KEY(CKK_SHA256_HMAC),
                                 KEY(CKK_SHA384_HMAC),
                                 KEY(CKK_SHA512_HMAC),
                                 KEY(CKK_SHA512_224_HMAC),
                                 KEY(CKK_SHA512_256_HMAC),
                                 KEY(CKK_SHA512_T_HMAC),
                                 KEY(CKK_SHA3_224_HMAC),
                                 KEY(CKK_SHA3_256_HMAC),
                                 KEY(CKK_SHA3_384_HMAC),
                                 KEY(CKK_SHA3_512_HMAC),
                                 KEY(CKK_BLAKE2B_160_HMAC),
                                 KEY(CKK_BLAKE2B_256_HMAC),
                                 KEY(CKK_BLAKE2B_384_HMAC),
                                 KEY(CKK_BLAKE2B_512_HMAC),
                                 {pkcs11::kAnySecretKey, "any secret key"},
                                 {pkcs11::kAnyPrivateKey, "any private key"},
                                 {pkcs11::kNoKey, "-"}};
#undef KEY

std::string name_of(CK_KEY_TYPE type) {
  for (const KeyName& row : kKeyNames) {
    if (row.type == type) return row.name;
  }
  throw std::logic_error("a key type of the mechanism table has no name here");
}

std::string keys_of(const Mechanism& row) {
  std::string keys = name_of(row.key_type);
  if (row.other_key_type != pkcs11::kNoKey) keys += ", " + name_of(row.other_key_type);
  if (row.mac == crypto::MacAlgorithm::kHmac) keys += ", CKK_GENERIC_SECRET";
  return keys;
}

/// The sizes of C_GetMechanismInfo: in bits for key pairs, CKM_GENERIC_SECRET_KEY_GEN and some others, in bytes for
/// other secret keys.
std::string sizes_of(const Mechanism& row) {
  const auto [least, most] = row.sizes();
  if (most == 0) return "-";
  const bool bits = !row.works_with_secret_keys() || row.type == CKM_GENERIC_SECRET_KEY_GEN || most == 8 * row.max_size;
  std::string sizes = std::to_string(least);
  if (most != least) sizes += "-" + std::to_string(most);
  return sizes + (bits && row.key_type != pkcs11::kNoKey ? " bits" : " bytes");
}

std::vector<std::string> uses_of(const Mechanism& row) {
  std::vector<std::string> uses;
  for (const Use& use : kUses) {
    if (row.flags & use.flag) uses.push_back(use.name);
  }
  return uses;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

void show_markdown() {
  std::cout << "| mechanism | keys | sizes | uses | TPM |\n|---|---|---|---|---|\n";
  for (const Mechanism& row : pkcs11::mechanisms()) {
    std::cout << "| " << row.name << " | " << keys_of(row) << " | " << sizes_of(row) << " | " << joined(uses_of(row))
              << " | " << (row.flags & CKF_HW ? "yes" : "") << " |\n";
  }
}

void show_json() {
  nlohmann::json all = nlohmann::json::array();
  for (const Mechanism& row : pkcs11::mechanisms()) {
    all.push_back({{"name", row.name},
                   {"number", row.type},
                   {"keys", keys_of(row)},
                   {"least", row.sizes().least},
                   {"most", row.sizes().most},
                   {"uses", uses_of(row)},
                   {"tpm", (row.flags & CKF_HW) != 0}});
  }
  std::cout << json_text(all) << '\n';
}

void show_text() {
  std::cout << "mechanism                                number      sizes             uses\n";
  for (const Mechanism& row : pkcs11::mechanisms()) {
    std::cout << std::left << std::setw(41) << row.name << "0x" << std::hex << std::right << std::setw(8)
              << std::setfill('0') << row.type << std::dec << std::setfill(' ') << std::left << "  " << std::setw(18)
              << sizes_of(row) << joined(uses_of(row)) << '\n';
  }
}

}  // namespace

void add_mechanisms(CLI::App& command, ExitStatus&) {
  struct Options {
    bool json = false, markdown = false;
  };
  auto options = std::make_shared<Options>();
  CLI::Option* json = command.add_flag("--json", options->json, "Answer in JSON");
  command.add_flag("--markdown", options->markdown, "Answer with the table of docs/pkcs11.md")->excludes(json);
  command.callback([options] {
    if (options->json) return show_json();
    if (options->markdown) return show_markdown();
    show_text();
  });
}

}  // namespace vtpm::tools
