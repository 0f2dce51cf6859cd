// Encryption and decryption (PKCS#11 2.40, 5.8 and 5.9). RSA encrypts one block: the multi-part forms do not exist for
// it.
#include "pkcs11/entry.h"
#include "pkcs11/function_list.h"
#include "pkcs11/lookup.h"

using namespace vtpm;          // NOLINT: the C functions of this file are outside of every namespace
using namespace vtpm::pkcs11;  // NOLINT

CK_RV C_EncryptInit(CK_SESSION_HANDLE handle, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  return call_session("C_EncryptInit", handle, [&](Module&, Session& session) {
    refuse_if(session.encrypt.has_value(), CKR_OPERATION_ACTIVE, "an encryption is active in this session");
    const Mechanism& row = require_mechanism(mechanism, CKF_ENCRYPT);
    const ObjectPtr object = require_key_for(session, key, CKO_PUBLIC_KEY, CKA_ENCRYPT, row);
    session.encrypt.emplace(EncryptOperation{CipherScheme(row, *mechanism, *public_key_of(*object))});
    return CKR_OK;
  });
}

CK_RV C_Encrypt(CK_SESSION_HANDLE handle, CK_BYTE* data, CK_ULONG length, CK_BYTE* encrypted,
                CK_ULONG* encrypted_length) {
  return call_session("C_Encrypt", handle, [&](Module&, Session& session) {
    return run_operation(session.encrypt, [&](EncryptOperation& operation) -> Step {
      const ByteView message = input(data, length);
      Output out(encrypted, encrypted_length);
      if (auto early = out.early(operation.scheme.block_octets())) return {*early, true};
      out.put(operation.scheme.encrypt(message));
      return {};
    });
  });
}

CK_RV C_DecryptInit(CK_SESSION_HANDLE handle, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  return call_session("C_DecryptInit", handle, [&](Module&, Session& session) {
    refuse_if(session.decrypt.has_value(), CKR_OPERATION_ACTIVE, "a decryption is active in this session");
    const Mechanism& row = require_mechanism(mechanism, CKF_DECRYPT);
    const ObjectPtr object = require_key_for(session, key, CKO_PRIVATE_KEY, CKA_DECRYPT, row);
    session.decrypt.emplace(DecryptOperation{CipherScheme(row, *mechanism, *public_key_of(*object)),
                                             use_private_key(session, *object), std::nullopt});
    return CKR_OK;
  });
}

CK_RV C_Decrypt(CK_SESSION_HANDLE handle, CK_BYTE* encrypted, CK_ULONG length, CK_BYTE* data, CK_ULONG* data_length) {
  return call_session("C_Decrypt", handle, [&](Module&, Session& session) {
    return run_operation(session.decrypt, [&](DecryptOperation& operation) -> Step {
      session.require_login(operation.use);
      const ByteView block = input(encrypted, length);
      Output out(data, data_length);
      // The size of the plain text is known after decryption only; a size query is answered with the upper bound.
      if (!data) return {*out.early(operation.scheme.block_octets()), true};
      if (!operation.message) operation.message = operation.scheme.decrypt(*operation.use.key, block);
      if (auto early = out.early(operation.message->size())) return {*early, true};
      out.put(*operation.message);
      return {};
    });
  });
}
