// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/cryptoki/function_list.h"

namespace vtpm::pkcs11 {
namespace {

/// C_GetInfo returns the version of the function list that the application took (PKCS#11 3.2, 5.4).
template <CK_BYTE kMajor, CK_BYTE kMinor>
CK_RV get_info(CK_INFO* info) {
  return library_info(info, {kMajor, kMinor});
}

#define ENTRY(name) .name = ::name,
CK_FUNCTION_LIST& list_2_40() {
  static CK_FUNCTION_LIST list = {.version = {2, 40}, VTPM_FUNCTIONS_2_40(ENTRY)};
  return list;
}

CK_FUNCTION_LIST_3_0& list_3_0() {
  static CK_FUNCTION_LIST_3_0 list = [] {
    CK_FUNCTION_LIST_3_0 made = {.version = {3, 0}, VTPM_FUNCTIONS_2_40(ENTRY) VTPM_FUNCTIONS_3_0(ENTRY)};
    made.C_GetInfo = get_info<3, 0>;
    return made;
  }();
  return list;
}

CK_FUNCTION_LIST_3_2& list_3_2() {
  static CK_FUNCTION_LIST_3_2 list = [] {
    CK_FUNCTION_LIST_3_2 made = {.version = {3, 2},
                                 VTPM_FUNCTIONS_2_40(ENTRY) VTPM_FUNCTIONS_3_0(ENTRY) VTPM_FUNCTIONS_3_2(ENTRY)};
    made.C_GetInfo = get_info<3, 2>;
    made.C_GetAttributeValue = get_attribute_value_3_2;
    return made;
  }();
  return list;
}
#undef ENTRY

}  // namespace

CK_FUNCTION_LIST* function_list_2_40() { return &list_2_40(); }

std::span<CK_INTERFACE> interfaces() {
  static CK_UTF8CHAR name[] = "PKCS 11";
  // After a fork each process has its own sessions, login, operations and session objects; therefore every interface is
  // fork-safe.
  static CK_INTERFACE all[] = {{name, &list_3_2(), CKF_INTERFACE_FORK_SAFE},
                               {name, &list_3_0(), CKF_INTERFACE_FORK_SAFE},
                               {name, &list_2_40(), CKF_INTERFACE_FORK_SAFE}};
  return all;
}

}  // namespace vtpm::pkcs11
