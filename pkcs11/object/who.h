// SPDX-License-Identifier: Apache-2.0
// Who is logged in to a token, in this process.
#pragma once

namespace vtpm::pkcs11 {

enum class Who { kNobody, kUser, kSo };

}  // namespace vtpm::pkcs11
