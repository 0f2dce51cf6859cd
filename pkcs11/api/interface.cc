// SPDX-License-Identifier: Apache-2.0
// How an application gets the function list of a version of PKCS#11 (PKCS#11 3.2, 5.4).
#include <algorithm>
#include <cstring>

#include "pkcs11/api/entry.h"
#include "pkcs11/cryptoki/function_list.h"

using namespace vtpm;          // NOLINT: the C functions of this file are outside of every namespace
using namespace vtpm::pkcs11;  // NOLINT

namespace {

/// Every function list begins with its version.
CK_VERSION version_of(const CK_INTERFACE& interface) {
  return *static_cast<const CK_VERSION*>(interface.pFunctionList);
}

bool matches(const CK_INTERFACE& interface, const CK_UTF8CHAR* name, const CK_VERSION* version, CK_FLAGS flags) {
  const auto text = [](const CK_UTF8CHAR* utf8) { return reinterpret_cast<const char*>(utf8); };
  if (name && std::strcmp(text(name), text(interface.pInterfaceName)) != 0) return false;
  const CK_VERSION offered = version_of(interface);
  if (version && (version->major != offered.major || version->minor != offered.minor)) return false;
  return (interface.flags & flags) == flags;
}

}  // namespace

CK_RV C_GetInterfaceList(CK_INTERFACE* list, CK_ULONG* count) {
  return run_guarded("C_GetInterfaceList", [&]() -> CK_RV {
    CK_ULONG& room = require(count);
    const auto all = interfaces();
    const bool fits = room >= all.size();
    room = all.size();
    if (!list) return CKR_OK;
    if (!fits) return CKR_BUFFER_TOO_SMALL;
    std::copy(all.begin(), all.end(), list);
    return CKR_OK;
  });
}

CK_RV C_GetInterface(CK_UTF8CHAR* name, CK_VERSION* version, CK_INTERFACE** found, CK_FLAGS flags) {
  return run_guarded("C_GetInterface", [&] {
    CK_INTERFACE*& out = require(found);
    const auto all = interfaces();
    const auto first =
        std::find_if(all.begin(), all.end(), [&](const CK_INTERFACE& it) { return matches(it, name, version, flags); });
    // The standard has no code for an interface that is not offered; this is what other modules and p11-kit return.
    refuse_if(first == all.end(), CKR_ARGUMENTS_BAD, "there is no interface of this name, version and flags");
    out = &*first;
    return CKR_OK;
  });
}
