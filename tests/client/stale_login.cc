// SPDX-License-Identifier: Apache-2.0
// stale_login MODULE TOKEN: logs in, makes a key, begins to sign and prints "ready". After a line on standard input,
// when another process has re-keyed the store, it prints the return value of each call, and again after another login.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/client/loaded_module.h"

using namespace vtpm::client;

namespace {

void say(const char* call, CK_RV result) { std::printf("%s %s\n", call, result_name(result).c_str()); }

CK_RV begin(const LoadedModule& module, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key) {
  CK_MECHANISM mechanism = {CKM_ECDSA, nullptr, 0};
  return module->C_SignInit(session, &mechanism, key);
}

CK_RV finish(const LoadedModule& module, CK_SESSION_HANDLE session) {
  unsigned char digest[32] = {1}, signature[64];
  CK_ULONG size = sizeof signature;
  return module->C_Sign(session, digest, sizeof digest, signature, &size);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) give_up("usage: stale_login MODULE TOKEN");
  LoadedModule module(argv[1]);
  CK_SESSION_HANDLE session = module.open(argv[2]);
  module.log_in(session);
  const KeyPair keys = generate_ec(module, session, "stale");
  must(begin(module, session, keys.private_key), "C_SignInit");
  std::puts("ready");
  std::fflush(stdout);
  std::getchar();
  CK_SESSION_INFO info{};
  must(module->C_GetSessionInfo(session, &info), "C_GetSessionInfo");
  std::printf("state %lu\n", info.state);
  say("C_Sign", finish(module, session));
  say("C_SignInit", begin(module, session, keys.private_key));
  CK_OBJECT_CLASS kind = CKO_PRIVATE_KEY;
  std::printf("private keys %zu\n", find(module, session, {{CKA_CLASS, &kind, sizeof kind}}).size());
  module.log_in(session);
  char id[] = "stale";
  const auto again = find(module, session, {{CKA_CLASS, &kind, sizeof kind}, {CKA_ID, id, sizeof id - 1}});
  std::printf("keys after login %zu\n", again.size());
  sign_and_verify(module, session, {keys.public_key, again.at(0)});
  std::puts("signed");
}
