// What the tests have seen: every pair of a function and a return value, so that another test can tell which of those
// that the standard lists were met by none (return_values.sh).
//
// The lists that the tests call through are copies of the module's, whose entries note what the module answers and pass
// it on. Where $VTPM_TEST_RETURN_VALUES names a file, each pair is appended to it once in a process, as
// "Suite.Test C_Function CKR_VALUE"; "Suite.Test begin" stands before them. Without it nothing is written.
#pragma once

#include "pkcs11/cryptoki_functions.h"

namespace vtpm::conformance {

/// This thread is inside a function of the module: what it asks the machine for is the module's.
inline thread_local bool in_module = false;

CK_FUNCTION_LIST* recorded(const CK_FUNCTION_LIST& module);
const CK_FUNCTION_LIST_3_2& recorded(const CK_FUNCTION_LIST_3_2& module);

}  // namespace vtpm::conformance
