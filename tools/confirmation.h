// SPDX-License-Identifier: Apache-2.0
// The question before an action that cannot be undone.
#pragma once

#include <string>

namespace vtpm::tools {

/// Asks at the terminal for the word "yes". Throws Error if another word is typed, or if there is no terminal; then the
/// sentence contains `without_terminal`, which says what to give on the command line instead.
void require_confirmation(const std::string& without_terminal);

}  // namespace vtpm::tools
