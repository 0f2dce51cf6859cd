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
/// Calls C_Finalize, restores the store, and calls C_Initialize.
void restore_token();
/// The token's slot.
CK_SLOT_ID slot();

extern CK_FUNCTION_LIST* p11;

/// Ends the process, which the fuzzer detects, and prints the call's name if the call returned CKR_GENERAL_ERROR or
/// another value for a fault inside the module.
CK_RV checked(const char* call, CK_RV rv);
#define CALL(function, ...) ::vtpm::fuzz::checked(#function, ::vtpm::fuzz::p11->function(__VA_ARGS__))

}  // namespace vtpm::fuzz
