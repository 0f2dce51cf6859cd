// SPDX-License-Identifier: Apache-2.0
// Key management functions (PKCS#11 3.2, 5.18).
#include "pkcs11/api/entry.h"
#include "pkcs11/cryptoki/function_list.h"
#include "pkcs11/keys/derive/derive.h"
#include "pkcs11/keys/generate/generate.h"
#include "pkcs11/keys/wrap/wrap.h"
#include "pkcs11/session/object_factory.h"

using namespace vtpm;          // NOLINT: the C functions of this file are outside of every namespace
using namespace vtpm::pkcs11;  // NOLINT

namespace {

/// GnuTLS 3.7 and Knot DNS generate Ed25519 keys with the mechanism that signs with them.
const Mechanism& require_key_pair_mechanism(const CK_MECHANISM* mechanism) {
  const CK_MECHANISM generation = {CKM_EC_EDWARDS_KEY_PAIR_GEN, nullptr, 0};
  const bool by_signature = mechanism && mechanism->mechanism == CKM_EDDSA && is_offered(*find_mechanism(CKM_EDDSA));
  return require_mechanism(by_signature ? &generation : mechanism, CKF_GENERATE_KEY_PAIR);
}

/// Reads a template for a derived key. An error sets the key's handle to CK_INVALID_HANDLE, by which SP 800-108
/// identifies the template at fault (PKCS#11 3.2, 6.42); for other mechanisms this does no harm.
Template derived_template(const CK_ATTRIBUTE* rows, CK_ULONG count, CK_OBJECT_HANDLE* key) {
  try {
    return Template(rows, count);
  } catch (const Refusal&) {
    if (key) *key = CK_INVALID_HANDLE;
    throw;
  }
}

using Associated = std::optional<ByteView>;

CK_RV wrap_out(Session& session, const Mechanism& row, const CK_MECHANISM& mechanism, CK_OBJECT_HANDLE wrapping_key,
               CK_OBJECT_HANDLE key, Associated associated, Output out) {
  const ObjectPtr wraps = require_wrapping_key(session, wrapping_key, row);
  const ObjectPtr leaves = require_key(session, key);
  Wrapping wrapping({session, row, mechanism, *wraps, associated}, *leaves);
  if (auto early = out.early(wrapping.size())) return *early;
  out.put(wrapping.wrap());
  return CKR_OK;
}

CK_OBJECT_HANDLE unwrap_in(Session& session, const Mechanism& row, const CK_MECHANISM& mechanism,
                           CK_OBJECT_HANDLE unwrapping_key, Associated associated, ByteView wrapped, Template wanted) {
  const ObjectPtr unwraps = require_unwrapping_key(session, unwrapping_key, row);
  session.require_login(use_key(session, *unwraps));
  std::vector<Draft> drafts;
  drafts.push_back(unwrap_key({session, row, mechanism, *unwraps, associated}, wrapped, std::move(wanted)));
  return session.token->catalogue().add(std::move(drafts), session.handle).front();
}

}  // namespace

CK_RV C_GenerateKey(CK_SESSION_HANDLE handle, CK_MECHANISM* mechanism, CK_ATTRIBUTE* rows, CK_ULONG count,
                    CK_OBJECT_HANDLE* key) {
  return call_session("C_GenerateKey", handle, [&](Module&, Session& session) {
    CK_OBJECT_HANDLE& out = require(key);
    const Mechanism& row = require_mechanism(mechanism, CKF_GENERATE);
    const Template wanted(rows, count);
    // The rights are checked first, because stretching a password takes long.
    const bool on_token = wanted.flag(CKA_TOKEN, false);
    const Who who = session.token->login().who();
    session.require_write(on_token, wanted.flag(CKA_PRIVATE, makes_private(row, on_token, who)));
    std::vector<Draft> drafts;
    drafts.push_back(generate(row, *mechanism, wanted, session.token->login().who()));
    out = session.token->catalogue().add(std::move(drafts), session.handle).front();
    return CKR_OK;
  });
}

CK_RV C_GenerateKeyPair(CK_SESSION_HANDLE handle, CK_MECHANISM* mechanism, CK_ATTRIBUTE* public_rows,
                        CK_ULONG public_count, CK_ATTRIBUTE* private_rows, CK_ULONG private_count,
                        CK_OBJECT_HANDLE* public_key, CK_OBJECT_HANDLE* private_key) {
  return call_session("C_GenerateKeyPair", handle, [&](Module&, Session& session) {
    require(public_key);
    require(private_key);
    const Mechanism& row = require_key_pair_mechanism(mechanism);
    const Template public_template(public_rows, public_count);
    const Template private_template(private_rows, private_count);
    // The rights are checked first, because generating an RSA key takes long.
    session.require_write(public_template.flag(CKA_TOKEN, false), public_template.flag(CKA_PRIVATE, false));
    const bool on_token = private_template.flag(CKA_TOKEN, false);
    session.require_write(
        on_token, private_template.flag(CKA_PRIVATE, private_by_default(on_token, session.token->login().who())));
    KeyPairDraft pair = generate_key_pair(row, public_template, private_template, key_making(session));
    std::vector<Draft> drafts;
    drafts.push_back(std::move(pair.public_key));
    drafts.push_back(std::move(pair.private_key));
    const std::vector<CK_OBJECT_HANDLE> handles = session.token->catalogue().add(std::move(drafts), session.handle);
    *public_key = handles[0];
    *private_key = handles[1];
    return CKR_OK;
  });
}

CK_RV C_WrapKey(CK_SESSION_HANDLE handle, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE wrapping_key, CK_OBJECT_HANDLE key,
                CK_BYTE* wrapped, CK_ULONG* length) {
  return call_session("C_WrapKey", handle, [&](Module&, Session& session) {
    const Mechanism& row = require_mechanism(mechanism, CKF_WRAP);
    return wrap_out(session, row, *mechanism, wrapping_key, key, {}, Output(wrapped, length));
  });
}

CK_RV C_WrapKeyAuthenticated(CK_SESSION_HANDLE handle, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE wrapping_key,
                             CK_OBJECT_HANDLE key, CK_BYTE* associated, CK_ULONG associated_length, CK_BYTE* wrapped,
                             CK_ULONG* length) {
  return call_session("C_WrapKeyAuthenticated", handle, [&](Module&, Session& session) {
    const Mechanism& row = require_authenticated_mechanism(mechanism, CKF_WRAP);
    const ByteView beside = input(associated, associated_length, kAssociatedLimit);
    return wrap_out(session, row, *mechanism, wrapping_key, key, beside, Output(wrapped, length));
  });
}

CK_RV C_UnwrapKey(CK_SESSION_HANDLE handle, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE unwrapping_key, CK_BYTE* wrapped,
                  CK_ULONG length, CK_ATTRIBUTE* rows, CK_ULONG count, CK_OBJECT_HANDLE* key) {
  return call_session("C_UnwrapKey", handle, [&](Module&, Session& session) {
    const Mechanism& row = require_mechanism(mechanism, CKF_UNWRAP);
    CK_OBJECT_HANDLE& out = require(key);
    require(wrapped);
    const ByteView bytes = input(wrapped, length, kWrappedKeyLimit);
    out = unwrap_in(session, row, *mechanism, unwrapping_key, {}, bytes, Template(rows, count));
    return CKR_OK;
  });
}

CK_RV C_UnwrapKeyAuthenticated(CK_SESSION_HANDLE handle, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE unwrapping_key,
                               CK_BYTE* wrapped, CK_ULONG length, CK_ATTRIBUTE* rows, CK_ULONG count,
                               CK_BYTE* associated, CK_ULONG associated_length, CK_OBJECT_HANDLE* key) {
  return call_session("C_UnwrapKeyAuthenticated", handle, [&](Module&, Session& session) {
    const Mechanism& row = require_authenticated_mechanism(mechanism, CKF_UNWRAP);
    CK_OBJECT_HANDLE& out = require(key);
    require(wrapped);
    const ByteView bytes = input(wrapped, length, kWrappedKeyLimit),
                   beside = input(associated, associated_length, kAssociatedLimit);
    out = unwrap_in(session, row, *mechanism, unwrapping_key, beside, bytes, Template(rows, count));
    return CKR_OK;
  });
}

CK_RV C_DeriveKey(CK_SESSION_HANDLE handle, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE base, CK_ATTRIBUTE* rows,
                  CK_ULONG count, CK_OBJECT_HANDLE* key) {
  return call_session("C_DeriveKey", handle, [&](Module&, Session& session) {
    const Mechanism& row = require_mechanism(mechanism, CKF_DERIVE);
    const ObjectPtr object = require_base_key(session, base, row);
    session.require_login(use_key(session, *object));
    DerivedKeys keys = derive({session, row, *mechanism, *object}, derived_template(rows, count, key), key);
    keys.publish(session.token->catalogue().add(std::move(keys.drafts), session.handle));
    return CKR_OK;
  });
}
