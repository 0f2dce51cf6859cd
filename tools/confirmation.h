// SPDX-License-Identifier: Apache-2.0
// The question before something that cannot be undone.
#pragma once

#include <string>

namespace vtpm::tools {

/// Asks at the terminal for the word "yes". Throws Error unless it is typed; `without_terminal` says then what to give
/// on the command line instead.
void require_confirmation(const std::string& without_terminal);

}  // namespace vtpm::tools
