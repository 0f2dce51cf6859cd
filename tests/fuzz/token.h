// SPDX-License-Identifier: Apache-2.0
// A token for a fuzzer: created once and restored to its first contents for every input, so that an input alone
// reproduces a crash.
#pragma once

#include <string_view>

#include "pkcs11/cryptoki/functions.h"

namespace vtpm::fuzz {

constexpr std::string_view kSoPin = "so-pin", kUserPin = "user-pin";

/// Prepares a directory with a configuration and a token with both PINs and an object of each common class; removed at
/// exit. The library is initialized afterwards.
void make_token();
/// C_Finalize, the store as it was, C_Initialize.
void restore_token();
/// The token's slot.
CK_SLOT_ID slot();

extern CK_FUNCTION_LIST* p11;

/// Ends the process, for the fuzzer to see, with the call's name when it answered what no caller can act on: a fault
/// inside the module that has no return value of its own.
CK_RV checked(const char* call, CK_RV rv);
#define CALL(function, ...) ::vtpm::fuzz::checked(#function, ::vtpm::fuzz::p11->function(__VA_ARGS__))

}  // namespace vtpm::fuzz
