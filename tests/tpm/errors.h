// SPDX-License-Identifier: Apache-2.0
// The code of the Error that an action throws.
#pragma once

#include <gtest/gtest.h>

#include "base/error.h"

namespace vtpm {

template <typename F>
ErrorCode code_of(F&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorCode::kInternal;
}

}  // namespace vtpm
