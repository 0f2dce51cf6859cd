// SPDX-License-Identifier: Apache-2.0
// Measures how much of its thread's stack each C_ function uses. If $VTPM_TEST_STACK is a number, the recorder's lists
// paint the memory below their frame before a call, and look afterwards how much of the paint was overwritten. If a
// function has used more than that number of bytes, the test program fails at its end.
#pragma once

#include <cstddef>

namespace vtpm::conformance {

/// Returns the paint for one call of the recorder, or nullptr if nothing is measured.
const unsigned char* paint_stack();
void note_stack(const char* function, const unsigned char* painted, const void* frame);

/// Prints the functions that have used too much stack to standard error, and returns false if there are any.
bool stack_sufficed();

}  // namespace vtpm::conformance
