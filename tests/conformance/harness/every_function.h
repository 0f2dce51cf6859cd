// SPDX-License-Identifier: Apache-2.0
// This table contains all functions of PKCS#11 3.2 that need an initialized library. Each is called with as little as a
// caller can pass: null pointers, zero lengths, handle 0. Tests use it for rules that hold for every function.
#pragma once

#include <functional>
#include <vector>

#include "tests/conformance/harness/harness.h"

namespace vtpm::conformance {

struct Function {
  const char* name;
  std::function<CK_RV(CK_SESSION_HANDLE)> call;
  bool uses_session;  // takes a session handle (section 5.1.2)
  /// The value that the function returns in a public session without an active operation.
  ReturnValues with_nothing;
};

const std::vector<Function>& every_function();

}  // namespace vtpm::conformance
