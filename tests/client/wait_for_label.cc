// SPDX-License-Identifier: Apache-2.0
// wait_for_label MODULE TOKEN LABEL: logs in and prints "ready", waits until another process has made an object with
// that label, and prints "found". Fails after 20 seconds.
#include <cstdio>
#include <ctime>

#include "tests/client/loaded_module.h"

using namespace vtpm::client;

int main(int argc, char** argv) {
  if (argc != 4) give_up("usage: wait_for_label MODULE TOKEN LABEL");
  LoadedModule module(argv[1]);
  CK_SESSION_HANDLE session = module.open(argv[2]);
  module.log_in(session);
  std::string label = argv[3];
  if (!find(module, session, {{CKA_LABEL, label.data(), label.size()}}).empty()) give_up("it is there already");
  std::puts("ready");
  std::fflush(stdout);
  for (int round = 0; round < 2000; ++round) {
    if (!find(module, session, {{CKA_LABEL, label.data(), label.size()}}).empty()) {
      std::puts("found");
      return 0;
    }
    timespec pause = {0, 10'000'000};
    nanosleep(&pause, nullptr);
  }
  give_up("no object of that label appeared");
}
