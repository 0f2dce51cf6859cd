// SPDX-License-Identifier: Apache-2.0
// C_GetOperationState and C_SetOperationState (PKCS#11 3.2, 5.6). SunPKCS11 and others clone digests with
// them.
//
// A saved operation state contains the caller's data, and bytes of keys that C_DigestKey put into a digest; therefore
// it is sealed. Under a login the sealing key is derived from the store's master key: every process that logs in to the
// token can continue from the state, until the store is re-keyed. Without a login the process generates the sealing
// key, and the state is valid in this process and its forks, until C_Finalize.
#include "pkcs11/api/entry.h"
#include "pkcs11/cryptoki/function_list.h"
#include "pkcs11/operation/operation_state.h"

using namespace vtpm;          // NOLINT: the C functions of this file are outside of every namespace
using namespace vtpm::pkcs11;  // NOLINT

namespace {

constexpr std::string_view kPurpose = "state of operations";

/// The first byte of a state: which key seals it.
constexpr uint8_t kOfThisProcess = 0, kOfTheToken = 1;

Bytes seal(Module& module, Session& session, ByteView plain) {
  const std::optional<crypto::Siv> of_token = session.token->login().state_seal();
  const ByteView path = as_bytes(session.token->path());
  Bytes state = {of_token ? kOfTheToken : kOfThisProcess};
  append(state, of_token ? of_token->seal({as_bytes(kPurpose)}, plain)
                         : module.state_seal.seal({as_bytes(kPurpose), path}, plain));
  return state;
}

SecretBytes open(Module& module, Session& session, ByteView state) {
  const ByteView path = as_bytes(session.token->path());
  std::optional<SecretBytes> plain;
  if (!state.empty() && state[0] == kOfTheToken) {
    const std::optional<crypto::Siv> of_token = session.token->login().state_seal();
    refuse_if(!of_token, CKR_SAVED_STATE_INVALID, "the state was saved under a login, and no user is logged in");
    plain = of_token->open({as_bytes(kPurpose)}, state.subspan(1));
  } else if (!state.empty() && state[0] == kOfThisProcess) {
    plain = module.state_seal.open({as_bytes(kPurpose), path}, state.subspan(1));
  }
  refuse_if(!plain, CKR_SAVED_STATE_INVALID, "the state was not saved from this token, or was changed");
  return std::move(*plain);
}

}  // namespace

CK_RV C_GetOperationState(CK_SESSION_HANDLE handle, CK_BYTE* state, CK_ULONG* state_length) {
  return call_session("C_GetOperationState", handle, [&](Module& module, Session& session) -> CK_RV {
    Output out(state, state_length);
    const SecretBytes plain = save_operations(session);
    if (auto early = out.early(1 + crypto::Siv::kTagBytes + plain.size())) return *early;
    out.put(seal(module, session, plain));
    return CKR_OK;
  });
}

CK_RV C_SetOperationState(CK_SESSION_HANDLE handle, CK_BYTE* state, CK_ULONG length, CK_OBJECT_HANDLE encryption_key,
                          CK_OBJECT_HANDLE authentication_key) {
  return call_session("C_SetOperationState", handle, [&](Module& module, Session& session) {
    require(state);
    restore_operations(session, open(module, session, input(state, length, kSavedStateLimit)), encryption_key,
                       authentication_key);
    return CKR_OK;
  });
}
