// SPDX-License-Identifier: Apache-2.0
// Records every pair of a function and a return value, so that another test can find the listed values that no test has
// produced (return_values.sh).
//
// The lists that the tests call through are copies of the module's, whose entries record what the module returns and
// pass it on. Where $VTPM_TEST_RETURN_VALUES names a file, each pair is appended to it once in a process, as
// "Suite.Test C_Function CKR_VALUE"; "Suite.Test begin" stands before them. Without it nothing is written.
//
// In the same way $VTPM_TEST_VECTORS names a file for the mechanisms that published vectors went through (vectors.sh):
// "Suite.Test mechanism data-file", the mechanism as a number.
#pragma once

#include <string>

#include "pkcs11/cryptoki/functions.h"

namespace vtpm::conformance {

/// While an object lives, the test checks vectors of a data file (its path below tests/data), and each mechanism that
/// the module accepts is recorded with that file. Calls that no vector covers (to make a key, for instance) belong
/// before its construction.
class CheckingVectors {
 public:
  explicit CheckingVectors(std::string file);
  ~CheckingVectors();
  CheckingVectors(const CheckingVectors&) = delete;
  CheckingVectors& operator=(const CheckingVectors&) = delete;
};

CK_FUNCTION_LIST* recorded(const CK_FUNCTION_LIST& module);
const CK_FUNCTION_LIST_3_2& recorded(const CK_FUNCTION_LIST_3_2& module);

}  // namespace vtpm::conformance
