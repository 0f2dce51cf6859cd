// The function tables that C_GetFunctionList and C_GetInterface hand out.
#pragma once

#include <span>

#include "pkcs11/cryptoki.h"

namespace vtpm::pkcs11 {

/// PKCS#11 2.40: 68 functions, every entry non-null; static, owned by the module.
CK_FUNCTION_LIST* function_list_2_40();

/// "PKCS 11" 3.2 (104 functions), 3.0 (92) and 2.40, newest first: the first is the default. Static, as above.
std::span<CK_INTERFACE> interfaces();

/// C_GetInfo for a table of this version.
CK_RV library_info(CK_INFO* info, CK_VERSION version);

}  // namespace vtpm::pkcs11
