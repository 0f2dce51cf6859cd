// SPDX-License-Identifier: Apache-2.0
// auth_of_key MODULE LABEL [AUTH …]: logs in to the token and signs with its persistent private key, first as it is,
// then after setting CKA_VTPM_AUTH to each of the values. One line for each signature: its result.
#include <cstdio>
#include <string>

#include "tests/client/loaded_module.h"

using namespace vtpm::client;

namespace {

constexpr CK_ATTRIBUTE_TYPE kAuth = CKA_VENDOR_DEFINED | 0x56540007UL, kHandle = CKA_VENDOR_DEFINED | 0x56540008UL;

CK_OBJECT_HANDLE persistent_key(const LoadedModule& module, CK_SESSION_HANDLE session) {
  CK_OBJECT_CLASS kind = CKO_PRIVATE_KEY;
  for (const CK_OBJECT_HANDLE key : find(module, session, {{CKA_CLASS, &kind, sizeof kind}})) {
    CK_ULONG handle = 0;
    CK_ATTRIBUTE row = {kHandle, &handle, sizeof handle};
    if (module->C_GetAttributeValue(session, key, &row, 1) == CKR_OK) return key;
  }
  give_up("no persistent key");
}

void sign(const LoadedModule& module, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key) {
  CK_MECHANISM ecdsa = {CKM_ECDSA, nullptr, 0};
  CK_BYTE digest[32] = {1}, signature[64];
  CK_ULONG size = sizeof signature;
  CK_RV result = module->C_SignInit(session, &ecdsa, key);
  if (result == CKR_OK) result = module->C_Sign(session, digest, sizeof digest, signature, &size);
  std::printf("%s\n", result_name(result).c_str());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) give_up("usage: auth_of_key MODULE LABEL [AUTH …]");
  const LoadedModule module(argv[1]);
  const CK_SESSION_HANDLE session = module.open(argv[2]);
  module.log_in(session);
  const CK_OBJECT_HANDLE key = persistent_key(module, session);
  sign(module, session, key);
  for (int i = 3; i < argc; ++i) {
    std::string auth(argv[i]);
    CK_ATTRIBUTE row = {kAuth, auth.data(), auth.size()};
    must(module->C_SetAttributeValue(session, key, &row, 1), "C_SetAttributeValue");
    sign(module, session, key);
  }
  return 0;
}
