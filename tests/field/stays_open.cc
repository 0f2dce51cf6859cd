// SPDX-License-Identifier: Apache-2.0
// stays_open MODULE LABEL FILE: opens a session with the token, prints "ready", and reads FILE to its end. Then,
// without listing the slots again, it prints the token's label and the return value of a search.
#include <cstdio>
#include <fstream>
#include <string>

#include "tests/client/loaded_module.h"

using namespace vtpm::client;

int main(int argc, char** argv) {
  if (argc != 4) give_up("usage: stays_open MODULE LABEL FILE");
  LoadedModule module(argv[1]);
  const std::string label = std::string(argv[2]) + " ";
  CK_TOKEN_INFO info = {};
  for (const CK_SLOT_ID slot : module.slots()) {
    if (module->C_GetTokenInfo(slot, &info) != CKR_OK ||
        std::string(reinterpret_cast<const char*>(info.label), sizeof info.label).find(label) != 0)
      continue;
    CK_SESSION_HANDLE session = 0;
    if (module->C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &session) != CKR_OK) give_up("no session");
    std::printf("ready\n");
    std::fflush(stdout);
    std::ifstream file(argv[3]);
    for (std::string line; std::getline(file, line);) {
    }
    const CK_RV result = module->C_FindObjectsInit(session, nullptr, 0);
    if (result == CKR_OK && module->C_GetTokenInfo(slot, &info) == CKR_OK) std::printf("label %.32s\n", info.label);
    std::printf("%s\n", result_name(result).c_str());
    return 0;
  }
  give_up("no such token");
}
