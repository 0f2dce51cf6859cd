// The state of operations, saved and restored (PKCS#11 3.2, 5.6.7 and 5.6.8): running digests of the hashes whose state
// libcrypto shows (crypto/digest.h). SunPKCS11 and others clone digests in this way.
//
// C_DigestKey puts octets of keys into a digest, so a state is sealed: under a key that this process draws and keeps to
// itself, bound to the token. It can be restored in any session of the token, by this process and its forks, until
// C_Finalize.
#include "pkcs11/entry.h"
#include "pkcs11/function_list.h"
#include "pkcs11/mechanism.h"

using namespace vtpm;          // NOLINT: the C functions of this file are outside of every namespace
using namespace vtpm::pkcs11;  // NOLINT

namespace {

/// What stands before the digest's own octets.
struct Header {
  uint32_t hash;
  uint8_t multi_part;
};

constexpr std::string_view kPurpose = "state of a digest";

/// Every operation that is active but the digest, which alone can be saved.
bool others_are_active(const Session& session) {
  return session.encrypt || session.decrypt || session.sign || session.verify || session.sign_recover ||
         session.verify_recover || session.verify_signature || session.message_encrypt || session.message_decrypt ||
         session.message_sign || session.message_verify;
}

SecretBytes plain_state(const DigestOperation& operation) {
  std::optional<SecretBytes> state = operation.digest.save();
  refuse_if(!state, CKR_STATE_UNSAVEABLE, "libcrypto does not show the state of this hash");
  const Header header = {static_cast<uint32_t>(operation.digest.hash()), operation.multi_part};
  SecretBytes plain(value_view(header));
  plain.append(*state);
  return plain;
}

DigestOperation restore(ByteView plain) {
  Header header;
  std::memcpy(&header, plain.data(), sizeof header);
  return {crypto::Digest::restore(static_cast<crypto::Hash>(header.hash), plain.subspan(sizeof header)),
          header.multi_part != 0};
}

}  // namespace

CK_RV C_GetOperationState(CK_SESSION_HANDLE handle, CK_BYTE* state, CK_ULONG* state_length) {
  return call_session("C_GetOperationState", handle, [&](Module& module, Session& session) -> CK_RV {
    Output out(state, state_length);
    refuse_if(!session.digest && !others_are_active(session), CKR_OPERATION_NOT_INITIALIZED,
              "no operation is active in this session");
    refuse_if(others_are_active(session), CKR_STATE_UNSAVEABLE, "only digests can be saved");
    const SecretBytes plain = plain_state(*session.digest);
    if (auto early = out.early(plain.size() + crypto::Siv::kTagOctets)) return *early;
    out.put(module.state_seal.seal({as_bytes(kPurpose), as_bytes(session.token->path())}, plain));
    return CKR_OK;
  });
}

CK_RV C_SetOperationState(CK_SESSION_HANDLE handle, CK_BYTE* state, CK_ULONG length, CK_OBJECT_HANDLE encryption_key,
                          CK_OBJECT_HANDLE authentication_key) {
  return call_session("C_SetOperationState", handle, [&](Module& module, Session& session) {
    require(state);
    const std::optional<SecretBytes> plain =
        module.state_seal.open({as_bytes(kPurpose), as_bytes(session.token->path())}, input(state, length));
    refuse_if(!plain, CKR_SAVED_STATE_INVALID, "the state is not one that this process saved of this token");
    refuse_if(encryption_key != CK_INVALID_HANDLE || authentication_key != CK_INVALID_HANDLE, CKR_KEY_NOT_NEEDED,
              "a digest needs no key");
    DigestOperation restored = restore(*plain);
    session.cancel(~CK_FLAGS{CKF_FIND_OBJECTS});  // what was active is abandoned
    session.digest.emplace(std::move(restored));
    return CKR_OK;
  });
}
