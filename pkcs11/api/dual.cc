// SPDX-License-Identifier: Apache-2.0
// Dual-function operations (PKCS#11 3.2, 5.17): a cipher and a digest, a signature or a verification process one plain
// text together, part by part. The application passes on what C_DecryptFinal returns, as the standard requires.
#include "pkcs11/api/entry.h"
#include "pkcs11/cryptoki/function_list.h"
#include "pkcs11/operation/kinds.h"

using namespace vtpm;          // NOLINT: the C functions of this file are outside of every namespace
using namespace vtpm::pkcs11;  // NOLINT

namespace {

void take(Session&, DigestOperation& operation, ByteView part) { operation.digest.update(part); }
void take(Session& session, SignOperation& operation, ByteView part) {
  session.require_login(operation.use);
  operation.signer->update(part);
}
void take(Session& session, VerifyOperation& operation, ByteView part) {
  session.require_login(operation.use);
  operation.verifier->update(part);
}

enum class Order { kTakeThenEncrypt, kDecryptThenTake };

struct Part {
  const CK_BYTE* in;
  CK_ULONG in_length;
  CK_BYTE* out;
  CK_ULONG* out_length;
};

template <typename Other>
Step step(Session& session, Order order, CryptOperation& crypt, Other& other, const Part& part) {
  const ByteView in = input(part.in, part.in_length);
  Output out(part.out, part.out_length);
  require_parts(*crypt.crypt);
  session.require_login(crypt.use);
  const size_t bytes = crypt.crypt->update_bytes(in.size());
  if (auto early = out.early(bytes)) return {*early, true};
  crypt.multi_part = other.multi_part = true;
  if (order == Order::kTakeThenEncrypt) take(session, other, in);  // encryption in place overwrites the plain text
  crypt.crypt->update(in, out.room(bytes));
  out.put_in_place(bytes);
  if (order == Order::kDecryptThenTake) take(session, other, out.room(bytes));
  return {CKR_OK, true};
}

/// An error ends both operations, except that a missing operation does not end the other.
template <typename Other>
CK_RV run_both(Session& session, Order order, Running<CryptOperation> crypt, Running<Other> other, const Part& part) {
  require_operation(session, crypt);
  require_operation(session, other);
  return run_operation(session, crypt, [&](CryptOperation& first) {
    Step ended;
    run_operation(session, other, [&](Other& second) { return ended = step(session, order, first, second, part); });
    return ended;
  });
}

}  // namespace

CK_RV C_DigestEncryptUpdate(CK_SESSION_HANDLE handle, CK_BYTE* part, CK_ULONG length, CK_BYTE* encrypted,
                            CK_ULONG* encrypted_length) {
  return call_session("C_DigestEncryptUpdate", handle, [&](Module&, Session& session) {
    return run_both(session, Order::kTakeThenEncrypt, kEncrypting, kDigesting,
                    {part, length, encrypted, encrypted_length});
  });
}

CK_RV C_DecryptDigestUpdate(CK_SESSION_HANDLE handle, CK_BYTE* encrypted, CK_ULONG length, CK_BYTE* part,
                            CK_ULONG* part_length) {
  return call_session("C_DecryptDigestUpdate", handle, [&](Module&, Session& session) {
    return run_both(session, Order::kDecryptThenTake, kDecrypting, kDigesting, {encrypted, length, part, part_length});
  });
}

CK_RV C_SignEncryptUpdate(CK_SESSION_HANDLE handle, CK_BYTE* part, CK_ULONG length, CK_BYTE* encrypted,
                          CK_ULONG* encrypted_length) {
  return call_session("C_SignEncryptUpdate", handle, [&](Module&, Session& session) {
    return run_both(session, Order::kTakeThenEncrypt, kEncrypting, kSigning,
                    {part, length, encrypted, encrypted_length});
  });
}

CK_RV C_DecryptVerifyUpdate(CK_SESSION_HANDLE handle, CK_BYTE* encrypted, CK_ULONG length, CK_BYTE* part,
                            CK_ULONG* part_length) {
  return call_session("C_DecryptVerifyUpdate", handle, [&](Module&, Session& session) {
    return run_both(session, Order::kDecryptThenTake, kDecrypting, kVerifying, {encrypted, length, part, part_length});
  });
}
