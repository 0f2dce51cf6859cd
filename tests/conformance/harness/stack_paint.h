// SPDX-License-Identifier: Apache-2.0
// How much of its thread's stack each C_ function uses. Where $VTPM_TEST_STACK is a number, the recorder's lists paint
// what lies below their frame before a call and look afterwards how far down the paint is gone; a program in which a
// function has used more than that number of bytes fails at its end.
#pragma once

#include <cstddef>

namespace vtpm::conformance {

/// Around one call, for the recorder: nullptr where nobody wants to know.
const unsigned char* paint_stack();
void note_stack(const char* function, const unsigned char* painted, const void* frame);

/// Names the functions that have used too much, on standard error; false when there are any.
bool stack_sufficed();

}  // namespace vtpm::conformance
