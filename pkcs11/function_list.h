// The function table that C_GetFunctionList hands out.
#pragma once

#include "pkcs11/cryptoki.h"

namespace vtpm::pkcs11 {

/// PKCS#11 2.40: 68 functions, every entry non-null; static, owned by the module.
CK_FUNCTION_LIST* function_list_2_40();

}  // namespace vtpm::pkcs11
