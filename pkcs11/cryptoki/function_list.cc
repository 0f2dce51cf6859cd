// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/cryptoki/function_list.h"

namespace vtpm::pkcs11 {
namespace {

/// An application that took a table of this version is told of this version; 5.4, C_GetInfo.
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
  // After a fork each process has sessions, login, operations and session objects of its own, so all are fork-safe.
  static CK_INTERFACE all[] = {{name, &list_3_2(), CKF_INTERFACE_FORK_SAFE},
                               {name, &list_3_0(), CKF_INTERFACE_FORK_SAFE},
                               {name, &list_2_40(), CKF_INTERFACE_FORK_SAFE}};
  return all;
}

}  // namespace vtpm::pkcs11
