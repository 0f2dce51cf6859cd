// SPDX-License-Identifier: Apache-2.0
#include "tests/client/loaded_module.h"

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace vtpm::client {

void give_up(const std::string& sentence) {
  std::fprintf(stderr, "%s\n", sentence.c_str());
  std::exit(2);
}

std::string result_name(CK_RV result) {
  switch (result) {
    case CKR_OK:
      return "CKR_OK";
    case CKR_TOKEN_NOT_RECOGNIZED:
      return "CKR_TOKEN_NOT_RECOGNIZED";
    case CKR_TOKEN_NOT_PRESENT:
      return "CKR_TOKEN_NOT_PRESENT";
    case CKR_DEVICE_ERROR:
      return "CKR_DEVICE_ERROR";
    case CKR_PIN_INCORRECT:
      return "CKR_PIN_INCORRECT";
    default: {
      char number[40];
      std::snprintf(number, sizeof number, "CK_RV 0x%08lx", static_cast<unsigned long>(result));
      return number;
    }
  }
}

void must(CK_RV result, const char* function) {
  if (result != CKR_OK) give_up(std::string(function) + " answered " + result_name(result));
}

LoadedModule::LoadedModule(const char* path) {
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) give_up(dlerror());
  auto get = reinterpret_cast<CK_RV (*)(CK_FUNCTION_LIST**)>(dlsym(library, "C_GetFunctionList"));
  if (get == nullptr) give_up(std::string(path) + " has no C_GetFunctionList");
  must(get(&functions_), "C_GetFunctionList");
  CK_C_INITIALIZE_ARGS arguments = {};
  arguments.flags = CKF_OS_LOCKING_OK;  // without this flag some modules take no locks, and the benchmarks have threads
  must(functions_->C_Initialize(&arguments), "C_Initialize");
}

LoadedModule::~LoadedModule() { functions_->C_Finalize(nullptr); }

std::vector<CK_SLOT_ID> LoadedModule::slots() const {
  CK_ULONG count = 0;
  must(functions_->C_GetSlotList(CK_FALSE, nullptr, &count), "C_GetSlotList");
  std::vector<CK_SLOT_ID> slots(count);
  must(functions_->C_GetSlotList(CK_FALSE, slots.data(), &count), "C_GetSlotList");
  slots.resize(count);
  return slots;
}

CK_SESSION_HANDLE LoadedModule::open(const std::string& token_label) const {
  std::string padded = token_label;
  padded.resize(sizeof(CK_TOKEN_INFO::label), ' ');
  for (CK_SLOT_ID slot : slots()) {
    CK_TOKEN_INFO info = {};
    if (functions_->C_GetTokenInfo(slot, &info) != CKR_OK) continue;
    if ((info.flags & CKF_TOKEN_INITIALIZED) == 0) continue;
    if (std::memcmp(info.label, padded.data(), padded.size()) != 0) continue;
    CK_SESSION_HANDLE session = 0;
    must(functions_->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session),
         "C_OpenSession");
    return session;
  }
  give_up("no token is called " + token_label);
}

void LoadedModule::log_in(CK_SESSION_HANDLE session) const {
  const char* pin = std::getenv("PIN");
  if (pin == nullptr) give_up("the environment has no PIN");
  std::string copy = pin;
  must(functions_->C_Login(session, CKU_USER, reinterpret_cast<CK_UTF8CHAR*>(copy.data()), copy.size()), "C_Login");
}

std::vector<CK_OBJECT_HANDLE> find(const LoadedModule& module, CK_SESSION_HANDLE session,
                                   std::vector<CK_ATTRIBUTE> pattern) {
  must(module->C_FindObjectsInit(session, pattern.data(), pattern.size()), "C_FindObjectsInit");
  std::vector<CK_OBJECT_HANDLE> all;
  for (;;) {
    CK_OBJECT_HANDLE some[64];
    CK_ULONG count = 0;
    must(module->C_FindObjects(session, some, 64, &count), "C_FindObjects");
    if (count == 0) break;
    all.insert(all.end(), some, some + count);
  }
  must(module->C_FindObjectsFinal(session), "C_FindObjectsFinal");
  return all;
}

KeyPair generate_ec(const LoadedModule& module, CK_SESSION_HANDLE session, std::string id) {
  CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, nullptr, 0};
  unsigned char p256[] = {0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07};  // RFC 5480: secp256r1
  CK_BBOOL yes = CK_TRUE;
  CK_ATTRIBUTE public_template[] = {{CKA_TOKEN, &yes, sizeof yes},
                                    {CKA_VERIFY, &yes, sizeof yes},
                                    {CKA_EC_PARAMS, p256, sizeof p256},
                                    {CKA_ID, id.data(), id.size()}};
  CK_ATTRIBUTE private_template[] = {{CKA_TOKEN, &yes, sizeof yes},
                                     {CKA_PRIVATE, &yes, sizeof yes},
                                     {CKA_SIGN, &yes, sizeof yes},
                                     {CKA_ID, id.data(), id.size()}};
  KeyPair keys;
  must(module->C_GenerateKeyPair(session, &mechanism, public_template, 4, private_template, 4, &keys.public_key,
                                 &keys.private_key),
       "C_GenerateKeyPair");
  return keys;
}

void sign_and_verify(const LoadedModule& module, CK_SESSION_HANDLE session, const KeyPair& keys) {
  CK_MECHANISM mechanism = {CKM_ECDSA, nullptr, 0};
  unsigned char digest[32] = {1, 2, 3};
  unsigned char signature[64];
  CK_ULONG size = sizeof signature;
  must(module->C_SignInit(session, &mechanism, keys.private_key), "C_SignInit");
  must(module->C_Sign(session, digest, sizeof digest, signature, &size), "C_Sign");
  must(module->C_VerifyInit(session, &mechanism, keys.public_key), "C_VerifyInit");
  must(module->C_Verify(session, digest, sizeof digest, signature, size), "C_Verify");
}

}  // namespace vtpm::client
