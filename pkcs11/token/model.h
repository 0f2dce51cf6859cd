// SPDX-License-Identifier: Apache-2.0
// The manufacturer and model of every token of this module (CK_TOKEN_INFO).
#pragma once

#include <string_view>

namespace vtpm::pkcs11 {

inline constexpr std::string_view kManufacturer = "vtpm-pkcs11";
inline constexpr std::string_view kModel = "libtpms 2.0";

}  // namespace vtpm::pkcs11
