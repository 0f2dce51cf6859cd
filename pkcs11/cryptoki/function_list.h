// SPDX-License-Identifier: Apache-2.0
// The function lists that C_GetFunctionList and C_GetInterface return (PKCS#11 3.2, 5.4).
#pragma once

#include <span>

#include "pkcs11/cryptoki/cryptoki.h"

namespace vtpm::pkcs11 {

/// The list of PKCS#11 2.40: 68 functions, none of them null. Static.
CK_FUNCTION_LIST* function_list_2_40();

/// The interfaces "PKCS 11" 3.2 (104 functions), 3.0 (92) and 2.40 (68), newest first; the first is the default.
/// Static.
std::span<CK_INTERFACE> interfaces();

/// C_GetAttributeValue of the list of 3.2, where the CKA_EC_POINT of Edwards and Montgomery keys is the bare bytes. The
/// exported symbol, which is in the older lists, returns them in a DER OCTET STRING.
CK_RV get_attribute_value_3_2(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE* rows, CK_ULONG count);

/// C_GetInfo for a function list of this version.
CK_RV library_info(CK_INFO* info, CK_VERSION version);

}  // namespace vtpm::pkcs11
