// SPDX-License-Identifier: Apache-2.0
// C_EncapsulateKey and C_DecapsulateKey (PKCS#11 3.2, 5.18).
#include "pkcs11/keys/encapsulate/encapsulate.h"
#include "pkcs11/api/entry.h"
#include "pkcs11/cryptoki/function_list.h"

using namespace vtpm;          // NOLINT: the C functions of this file are outside of every namespace
using namespace vtpm::pkcs11;  // NOLINT

namespace {

CK_OBJECT_HANDLE add(Session& session, Draft key) {
  std::vector<Draft> drafts;
  drafts.push_back(std::move(key));
  return session.token->catalogue().add(std::move(drafts), session.handle).front();
}

}  // namespace

CK_RV C_EncapsulateKey(CK_SESSION_HANDLE handle, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE public_key,
                       CK_ATTRIBUTE* rows, CK_ULONG count, CK_BYTE* encrypted, CK_ULONG* length,
                       CK_OBJECT_HANDLE* key) {
  return call_session("C_EncapsulateKey", handle, [&](Module&, Session& session) {
    const Mechanism& row = require_mechanism(mechanism, CKF_ENCAPSULATE);
    Template wanted(rows, count);
    Output out(encrypted, length);
    const ObjectPtr object = require_encapsulating_key(session, public_key, row);
    const WrapCall by{session, row, *mechanism, *object};
    if (auto early = out.early(encapsulated_bytes(by))) return *early;
    CK_OBJECT_HANDLE& made = require(key);
    Encapsulation fresh = encapsulate_key(by, std::move(wanted));
    made = add(session, std::move(fresh.key));
    out.put(fresh.encrypted);
    return CK_RV{CKR_OK};
  });
}

CK_RV C_DecapsulateKey(CK_SESSION_HANDLE handle, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE private_key,
                       CK_ATTRIBUTE* rows, CK_ULONG count, CK_BYTE* encrypted, CK_ULONG length, CK_OBJECT_HANDLE* key) {
  return call_session("C_DecapsulateKey", handle, [&](Module&, Session& session) {
    const Mechanism& row = require_mechanism(mechanism, CKF_DECAPSULATE);
    CK_OBJECT_HANDLE& made = require(key);
    require(encrypted);
    const ByteView bytes = input(encrypted, length, kEncapsulatedLimit);
    Template wanted(rows, count);
    const ObjectPtr object = require_decapsulating_key(session, private_key, row);
    session.require_login(use_key(session, *object));
    made = add(session, decapsulate_key({session, row, *mechanism, *object}, bytes, std::move(wanted)));
    return CKR_OK;
  });
}
