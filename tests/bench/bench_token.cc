// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/bench_token.h"

#include <stdlib.h>

#include <cstring>
#include <fstream>

namespace vtpm::bench {

using client::must;

namespace {

// The user PIN of both tokens, which client::LoadedModule takes from the environment.
constexpr const char* kPin = "271828";
CK_BBOOL yes = CK_TRUE;

CK_UTF8CHAR* bytes(const char* text) { return reinterpret_cast<CK_UTF8CHAR*>(const_cast<char*>(text)); }

}  // namespace

Scratch::Scratch() {
  std::string name = (std::filesystem::temp_directory_path() / "vtpm-bench.XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) client::give_up("no scratch directory can be made in the temporary directory");
  path_ = name;
  std::filesystem::create_directory(path_ / "softhsm");
  // The KDF has the least cost that is allowed: its cost depends on the configuration, and is measured separately.
  std::ofstream(path_ / "vtpm.toml") << "store_dir = \"" << (path_ / "stores").string()
                                     << "\"\n[kdf]\nalgorithm = \"argon2id\"\nmemory_kib = 8192\npasses = 1\n";
  std::ofstream(path_ / "softhsm.conf") << "directories.tokendir = " << (path_ / "softhsm").string()
                                        << "\nobjectstore.backend = file\nlog.level = ERROR\n";
  setenv("VTPM_PKCS11_CONF", (path_ / "vtpm.toml").c_str(), 1);
  setenv("SOFTHSM2_CONF", (path_ / "softhsm.conf").c_str(), 1);
  setenv("PIN", kPin, 1);
}

Scratch::~Scratch() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

BenchToken::BenchToken(const char* module_path) : module_(module_path) {
  const CK_SLOT_ID free_slot = module_.slots().back();
  std::string label = kLabel;
  label.resize(sizeof(CK_TOKEN_INFO::label), ' ');
  must(module_->C_InitToken(free_slot, bytes(kPin), std::strlen(kPin), bytes(label.c_str())), "C_InitToken");
  session_ = open();
  must(module_->C_Login(session_, CKU_SO, bytes(kPin), std::strlen(kPin)), "C_Login");
  must(module_->C_InitPIN(session_, bytes(kPin), std::strlen(kPin)), "C_InitPIN");
  logout();
  login();
}

void BenchToken::generate(CK_MECHANISM_TYPE type, CK_ATTRIBUTE size, CK_ATTRIBUTE_TYPE usage, std::string label) const {
  CK_MECHANISM mechanism = {type, nullptr, 0};
  const CK_ATTRIBUTE token = {CKA_TOKEN, &yes, sizeof yes}, named = {CKA_LABEL, label.data(), label.size()};
  CK_ATTRIBUTE public_template[] = {token, named, size};
  CK_ATTRIBUTE private_template[] = {
      token, named, {CKA_PRIVATE, &yes, sizeof yes}, {CKA_SIGN, &yes, sizeof yes}, {usage, &yes, sizeof yes}};
  CK_OBJECT_HANDLE public_key = 0, made = 0;
  must(module_->C_GenerateKeyPair(session_, &mechanism, public_template, 3, private_template, 5, &public_key, &made),
       "C_GenerateKeyPair");
}

void BenchToken::rsa(CK_ULONG bits, std::string label) const {
  generate(CKM_RSA_PKCS_KEY_PAIR_GEN, {CKA_MODULUS_BITS, &bits, sizeof bits}, CKA_DECRYPT, std::move(label));
}

void BenchToken::ec(const std::string& parameters, std::string label) const {
  generate(CKM_EC_KEY_PAIR_GEN, {CKA_EC_PARAMS, const_cast<char*>(parameters.data()), parameters.size()}, CKA_DERIVE,
           std::move(label));
}

void BenchToken::sign(CK_SESSION_HANDLE session, CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key,
                      const std::string& input) const {
  CK_MECHANISM mechanism = {type, nullptr, 0};
  CK_BYTE signature[512];
  CK_ULONG size = sizeof signature;
  must(module_->C_SignInit(session, &mechanism, key), "C_SignInit");
  must(module_->C_Sign(session, bytes(input.data()), input.size(), signature, &size), "C_Sign");
}

void BenchToken::derive(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, const std::string& point) const {
  CK_ECDH1_DERIVE_PARAMS parameters = {CKD_NULL, 0, nullptr, point.size(), bytes(point.data())};
  CK_MECHANISM mechanism = {CKM_ECDH1_DERIVE, &parameters, sizeof parameters};
  CK_OBJECT_CLASS secret = CKO_SECRET_KEY;
  CK_KEY_TYPE generic = CKK_GENERIC_SECRET;
  CK_ULONG size = 32;
  CK_ATTRIBUTE wanted[] = {{CKA_CLASS, &secret, sizeof secret},
                           {CKA_KEY_TYPE, &generic, sizeof generic},
                           {CKA_VALUE_LEN, &size, sizeof size}};
  CK_OBJECT_HANDLE made = 0;
  must(module_->C_DeriveKey(session, &mechanism, key, wanted, 3, &made), "C_DeriveKey");
  must(module_->C_DestroyObject(session, made), "C_DestroyObject");
}

std::string BenchToken::point(CK_SESSION_HANDLE session, std::string label) const {
  CK_BYTE value[256];
  CK_ATTRIBUTE attribute = {CKA_EC_POINT, value, sizeof value};
  must(module_->C_GetAttributeValue(session, key(session, CKO_PUBLIC_KEY, std::move(label)), &attribute, 1),
       "C_GetAttributeValue");
  // An OCTET STRING: 04, a length in one byte or two, the point.
  const size_t header = value[1] < 0x80 ? 2 : 3;
  return {reinterpret_cast<char*>(value) + header, attribute.ulValueLen - header};
}

CK_OBJECT_HANDLE BenchToken::private_key(CK_SESSION_HANDLE session, std::string label) const {
  return key(session, CKO_PRIVATE_KEY, std::move(label));
}

CK_OBJECT_HANDLE BenchToken::key(CK_SESSION_HANDLE session, CK_OBJECT_CLASS type, std::string label) const {
  const auto found =
      client::find(module_, session, {{CKA_CLASS, &type, sizeof type}, {CKA_LABEL, label.data(), label.size()}});
  if (found.empty()) client::give_up("the token has lost a key");
  return found.front();
}

}  // namespace vtpm::bench
