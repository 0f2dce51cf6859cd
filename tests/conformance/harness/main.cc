// SPDX-License-Identifier: Apache-2.0
// The main function runs the tests, or with `--act name argument…` plays the part of another application.
#include <cstdio>
#include <cstring>
#include <exception>

#include "tests/conformance/harness/harness.h"
#include "tests/conformance/harness/process.h"
#include "tests/conformance/harness/stack_paint.h"

int main(int argc, char** argv) {
  using vtpm::conformance::acts;
  if (argc >= 3 && strcmp(argv[1], "--act") == 0) {
    const auto act = acts().find(argv[2]);
    if (act == acts().end()) {
      fprintf(stderr, "no act is called %s\n", argv[2]);
      return 2;
    }
    try {
      act->second({argv + 3, argv + argc});
      return 0;
    } catch (const std::exception& error) {
      fprintf(stderr, "%s\n", error.what());
      return 1;
    }
  }
  testing::InitGoogleTest(&argc, argv);
  const int failed = RUN_ALL_TESTS();
  return vtpm::conformance::stack_sufficed() ? failed : 1;
}
