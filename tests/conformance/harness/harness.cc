// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/harness/harness.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "tests/conformance/harness/recorder.h"

namespace vtpm::conformance {

// --- bytes ---

Bytes from_hex(std::string_view hex) {
  Bytes bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<uint8_t>(std::stoul(std::string(hex.substr(i, 2)), nullptr, 16)));
  return bytes;
}

std::string to_hex(const Bytes& bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const uint8_t byte : bytes) {
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

const Bytes kP256 = from_hex("06082a8648ce3d030107"), kP384 = from_hex("06052b81040022"),
            kP521 = from_hex("06052b81040023");

// --- the module ---

std::string module_path() {
  const char* other = getenv("VTPM_TEST_MODULE");
  return other ? other : VTPM_TEST_MODULE_FILE;
}

void* module_symbol(const char* name) {
  // The library is never closed: a module cannot be unloaded safely while its memory is in use, and this module is
  // linked with nodelete.
  static void* const module = dlopen(module_path().c_str(), RTLD_NOW | RTLD_LOCAL);
  return module ? dlsym(module, name) : nullptr;
}

CK_FUNCTION_LIST* module_list() {
  void* symbol = module_symbol("C_GetFunctionList");
  CK_FUNCTION_LIST* list = nullptr;
  if (!symbol || reinterpret_cast<CK_C_GetFunctionList>(symbol)(&list) != CKR_OK || !list) {
    const char* reason = symbol ? "C_GetFunctionList failed" : dlerror();
    fprintf(stderr, "%s: %s\n", module_path().c_str(), reason);
    abort();
  }
  return list;
}

const CK_FUNCTION_LIST_3_2& module_list_3() {
  static CK_UTF8CHAR name[] = "PKCS 11";
  static CK_VERSION version = {3, 2};
  CK_INTERFACE* found = nullptr;
  auto* get = reinterpret_cast<decltype(&::C_GetInterface)>(module_symbol("C_GetInterface"));
  if (!get || get(name, &version, &found, 0) != CKR_OK)
    throw std::runtime_error("the module has no interface of PKCS#11 3.2");
  return *static_cast<const CK_FUNCTION_LIST_3_2*>(found->pFunctionList);
}

CK_FUNCTION_LIST* const p11 = recorded(*module_list());

const CK_FUNCTION_LIST_3_2& p11_3() {
  static const CK_FUNCTION_LIST_3_2& list = recorded(module_list_3());
  return list;
}

// --- templates and mechanisms ---

Template Template::with(std::initializer_list<Attribute> attributes) const {
  Template result = *this;
  for (const Attribute& attribute : attributes) {
    auto& all = result.attributes_;
    const auto same =
        std::find_if(all.begin(), all.end(), [&](const Attribute& old) { return old.type == attribute.type; });
    if (same != all.end())
      same->value = attribute.value;
    else
      all.push_back(attribute);
  }
  return result;
}

Template Template::without(CK_ATTRIBUTE_TYPE type) const {
  Template result = *this;
  std::erase_if(result.attributes_, [&](const Attribute& attribute) { return attribute.type == type; });
  return result;
}

CK_ATTRIBUTE* Template::data() {
  raw_.clear();
  for (Attribute& attribute : attributes_)
    raw_.push_back(
        {attribute.type, attribute.value.empty() ? nullptr : attribute.value.data(), attribute.value.size()});
  return raw_.empty() ? nullptr : raw_.data();
}

Mechanism Mechanism::pss(CK_MECHANISM_TYPE type, CK_MECHANISM_TYPE hash, CK_ULONG mgf, CK_ULONG salt) {
  Mechanism mechanism(type);
  mechanism.parameter_ = CK_RSA_PKCS_PSS_PARAMS{hash, mgf, salt};
  return mechanism;
}

Mechanism Mechanism::oaep(CK_MECHANISM_TYPE hash, CK_ULONG mgf, Bytes label) {
  Mechanism mechanism(CKM_RSA_PKCS_OAEP);
  mechanism.parameter_ = CK_RSA_PKCS_OAEP_PARAMS{hash, mgf, CKZ_DATA_SPECIFIED, nullptr, 0};
  mechanism.label_ = std::move(label);
  return mechanism;
}

Mechanism Mechanism::with_parameter(CK_MECHANISM_TYPE type, Bytes parameter) {
  Mechanism mechanism(type);
  mechanism.parameter_ = std::move(parameter);
  return mechanism;
}

CK_MECHANISM* Mechanism::get() {
  raw_ = {type_, nullptr, 0};
  if (auto* pss = std::get_if<CK_RSA_PKCS_PSS_PARAMS>(&parameter_)) {
    raw_ = {type_, pss, sizeof *pss};
  } else if (auto* oaep = std::get_if<CK_RSA_PKCS_OAEP_PARAMS>(&parameter_)) {
    oaep->pSourceData = label_.empty() ? nullptr : label_.data();
    oaep->ulSourceDataLen = label_.size();
    raw_ = {type_, oaep, sizeof *oaep};
  } else if (auto* bytes = std::get_if<Bytes>(&parameter_)) {
    raw_ = {type_, bytes->data(), bytes->size()};
  }
  return &raw_;
}

// --- surroundings ---

Scratch::Scratch() {
  path_ = std::filesystem::temp_directory_path().string() + "/vtpm-conformance-XXXXXX";
  if (!mkdtemp(path_.data())) throw std::runtime_error("mkdtemp " + path_);
  std::ofstream(path_ + "/vtpm-pkcs11.toml") << "store_dir = \"" << store() << "\"\n"
                                             << "[kdf]\nmemory_kib = 8192\npasses = 1\n";
  setenv("VTPM_PKCS11_CONF", (path_ + "/vtpm-pkcs11.toml").c_str(), 1);
  mkdir((path_ + "/peer").c_str(), 0700);
  std::ofstream(path_ + "/softhsm2.conf") << "directories.tokendir = " << path_ << "/peer\nlog.level = ERROR\n";
  setenv("SOFTHSM2_CONF", (path_ + "/softhsm2.conf").c_str(), 1);
}

Scratch::~Scratch() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void Library::initialize() {
  CK_C_INITIALIZE_ARGS arguments{};
  arguments.flags = CKF_OS_LOCKING_OK;
  MUST(p11->C_Initialize(&arguments));
}

void Library::restart() {
  MUST(p11->C_Finalize(nullptr));
  initialize();
}

std::vector<CK_SLOT_ID> slots() {
  CK_ULONG count = 0;
  MUST(p11->C_GetSlotList(CK_FALSE, nullptr, &count));
  std::vector<CK_SLOT_ID> list(count);
  MUST(p11->C_GetSlotList(CK_FALSE, list.data(), &count));
  list.resize(count);
  return list;
}

CK_TOKEN_INFO token_info(CK_SLOT_ID slot) {
  CK_TOKEN_INFO info{};
  MUST(p11->C_GetTokenInfo(slot, &info));
  return info;
}

CK_FLAGS token_flags(CK_SLOT_ID slot) { return token_info(slot).flags; }

CK_SLOT_ID free_slot() {
  for (const CK_SLOT_ID slot : slots()) {
    CK_TOKEN_INFO info{};
    const CK_RV rv = p11->C_GetTokenInfo(slot, &info);
    if (rv == CKR_TOKEN_NOT_PRESENT || (rv == CKR_OK && !(info.flags & CKF_TOKEN_INITIALIZED))) return slot;
  }
  throw std::runtime_error("no slot for another token");
}

CK_RV try_init_token(CK_SLOT_ID slot, const Bytes& so_pin, std::string_view label) {
  std::string padded(label);
  padded.resize(32, ' ');
  return p11->C_InitToken(slot, const_cast<CK_BYTE*>(so_pin.data()), so_pin.size(),
                          reinterpret_cast<CK_BYTE*>(padded.data()));
}

CK_SLOT_ID make_token(std::string_view label) {
  MUST(try_init_token(free_slot(), kSoPin, label));
  const CK_SLOT_ID slot = slot_of(label);
  Session session(slot);
  session.login(CKU_SO);
  MUST(p11->C_InitPIN(session, const_cast<CK_BYTE*>(kUserPin.data()), kUserPin.size()));
  session.logout();
  return slot;
}

CK_SLOT_ID slot_of(std::string_view label) {
  for (const CK_SLOT_ID slot : slots()) {
    CK_TOKEN_INFO info{};
    const CK_RV rv = p11->C_GetTokenInfo(slot, &info);
    if (rv == CKR_TOKEN_NOT_PRESENT) continue;  // the free slot
    must(rv, "C_GetTokenInfo");
    std::string shown(reinterpret_cast<const char*>(info.label), sizeof info.label);
    shown.erase(shown.find_last_not_of(' ') + 1);
    if ((info.flags & CKF_TOKEN_INITIALIZED) && shown == label) return slot;
  }
  throw std::runtime_error("no token has the label " + std::string(label));
}

}  // namespace vtpm::conformance
