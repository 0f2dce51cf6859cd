// SPDX-License-Identifier: Apache-2.0
// slot_list MODULE: for each slot one line with what C_GetTokenInfo and, for an initialized token, C_OpenSession
// answer.
#include <cstdio>

#include "tests/client/loaded_module.h"

using namespace vtpm::client;

int main(int argc, char** argv) {
  if (argc != 2) give_up("usage: slot_list MODULE");
  LoadedModule module(argv[1]);
  for (CK_SLOT_ID slot : module.slots()) {
    CK_TOKEN_INFO info = {};
    CK_RV result = module->C_GetTokenInfo(slot, &info);
    if (result != CKR_OK) {
      std::printf("slot %lu: %s\n", slot, result_name(result).c_str());
    } else if ((info.flags & CKF_TOKEN_INITIALIZED) == 0) {
      std::printf("slot %lu: uninitialized\n", slot);
    } else {
      CK_SESSION_HANDLE session = 0;
      result = module->C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &session);
      std::printf("slot %lu: token %.32s, session %s\n", slot, info.label, result_name(result).c_str());
    }
  }
}
