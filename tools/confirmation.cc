// SPDX-License-Identifier: Apache-2.0
#include "tools/confirmation.h"

#include "base/error.h"
#include "tools/secret_source.h"

namespace vtpm::tools {

void require_confirmation(const std::string& without_terminal) {
  const auto answer = answer_at_the_terminal("Type yes to go on: ");
  if (!answer) throw Error(ErrorCode::kInvalidArgument, without_terminal);
  if (*answer != "yes") throw Error(ErrorCode::kInvalidArgument, "the answer was not yes; nothing was changed");
}

}  // namespace vtpm::tools
