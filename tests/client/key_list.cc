// SPDX-License-Identifier: Apache-2.0
// key_list MODULE TOKEN: prints the CKA_ID (text) of every P-256 key pair of which both halves are there and which
// signs. A half without its other half is printed to stderr and gives status 1: a pair is one transaction.
#include <cstdio>
#include <map>

#include "tests/client/loaded_module.h"

using namespace vtpm::client;

namespace {

std::map<std::string, CK_OBJECT_HANDLE> keys_of_class(const LoadedModule& module, CK_SESSION_HANDLE session,
                                                      CK_OBJECT_CLASS object_class) {
  std::map<std::string, CK_OBJECT_HANDLE> keys;
  for (CK_OBJECT_HANDLE key : find(module, session, {{CKA_CLASS, &object_class, sizeof object_class}})) {
    char id[64];
    CK_ATTRIBUTE attribute = {CKA_ID, id, sizeof id};
    must(module->C_GetAttributeValue(session, key, &attribute, 1), "C_GetAttributeValue");
    if (attribute.ulValueLen == 0) continue;  // the TPM's storage root key has no id
    keys.emplace(std::string(id, attribute.ulValueLen), key);
  }
  return keys;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) give_up("usage: key_list MODULE TOKEN");
  LoadedModule module(argv[1]);
  CK_SESSION_HANDLE session = module.open(argv[2]);
  module.log_in(session);
  auto private_keys = keys_of_class(module, session, CKO_PRIVATE_KEY);
  auto public_keys = keys_of_class(module, session, CKO_PUBLIC_KEY);
  int status = 0;
  for (const auto& [id, key] : public_keys) {
    if (private_keys.count(id) == 0) {
      std::fprintf(stderr, "%s: a public key alone\n", id.c_str());
      status = 1;
    }
  }
  for (const auto& [id, key] : private_keys) {
    auto other = public_keys.find(id);
    if (other == public_keys.end()) {
      std::fprintf(stderr, "%s: a private key alone\n", id.c_str());
      status = 1;
      continue;
    }
    sign_and_verify(module, session, {other->second, key});
    std::printf("%s\n", id.c_str());
  }
  return status;
}
