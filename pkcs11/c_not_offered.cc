// Functions that the token does not offer. They are in every list, because an entry is never null.
#include "pkcs11/entry.h"
#include "pkcs11/function_list.h"

using namespace vtpm::pkcs11;  // NOLINT: the C functions of this file are outside of every namespace

namespace {

CK_RV not_offered(const char* function) {
  return call(function, [](Module&) { return CKR_FUNCTION_NOT_SUPPORTED; });
}

}  // namespace

#define NOT_OFFERED(name, ...) \
  CK_RV name(__VA_ARGS__) { return not_offered(#name); }

NOT_OFFERED(C_EncapsulateKey, CK_SESSION_HANDLE, CK_MECHANISM*, CK_OBJECT_HANDLE, CK_ATTRIBUTE*, CK_ULONG, CK_BYTE*,
            CK_ULONG*, CK_OBJECT_HANDLE*)
NOT_OFFERED(C_DecapsulateKey, CK_SESSION_HANDLE, CK_MECHANISM*, CK_OBJECT_HANDLE, CK_ATTRIBUTE*, CK_ULONG, CK_BYTE*,
            CK_ULONG, CK_OBJECT_HANDLE*)
