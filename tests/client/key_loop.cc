// SPDX-License-Identifier: Apache-2.0
// key_loop MODULE TOKEN: generates P-256 keys until it is killed. A key's CKA_ID is printed, by one write, only after
// its C_GenerateKeyPair has answered CKR_OK: each printed key must exist after the kill.
#include <unistd.h>

#include <cstdio>

#include "tests/client/loaded_module.h"

using namespace vtpm::client;

int main(int argc, char** argv) {
  if (argc != 3) give_up("usage: key_loop MODULE TOKEN");
  LoadedModule module(argv[1]);
  CK_SESSION_HANDLE session = module.open(argv[2]);
  module.log_in(session);
  for (unsigned count = 0;; ++count) {
    char id[17];
    std::snprintf(id, sizeof id, "%08x%08x", static_cast<unsigned>(getpid()), count);
    generate_ec(module, session, id);
    std::string line = std::string(id) + "\n";
    if (write(STDOUT_FILENO, line.data(), line.size()) != static_cast<ssize_t>(line.size())) give_up("stdout is full");
  }
}
