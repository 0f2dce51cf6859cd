// SPDX-License-Identifier: Apache-2.0
// The user that is logged in to a token, in this process (PKCS#11 3.2, 5.6).
#pragma once

namespace vtpm::pkcs11 {

enum class Who { kNobody, kUser, kSo };

}  // namespace vtpm::pkcs11
