// SPDX-License-Identifier: Apache-2.0
// Random sequences of calls on a token, as a careless application could make them: right and wrong handles, null
// pointers, size queries, operations that other calls end. The run must show no crash, no access out of bounds and no
// undefined behaviour; each return value must be one of the standard's, and the reported length must not exceed the
// buffer.
#include "pkcs11/cryptoki/functions.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/operation/operation_state.h"
#include "pkcs11/session/module.h"
#include "tests/fuzz/arguments.h"
#include "tests/fuzz/token.h"

namespace vtpm::fuzz {
namespace {

/// The run of one input, with the objects that its calls have made so far.
class Run {
 public:
  Run(const uint8_t* data, size_t size) : arguments_(data, size) {}
  void go();

 private:
  using Step = void (Run::*)();
  static const std::vector<Step>& steps();

  CK_SESSION_HANDLE session() { return pick(sessions_); }
  CK_OBJECT_HANDLE object() { return pick(objects_); }
  CK_ULONG pick(const std::vector<CK_ULONG>& made) {
    return made.empty() || arguments_.seldom(25) ? arguments_.number() : arguments_.one_of(made);
  }
  CK_MECHANISM* mechanism() { return arguments_.mechanism(mechanisms_); }
  Arguments::Template attributes() { return arguments_.attributes(arguments_.one_of(working_templates())); }
  void made(CK_RV rv, CK_OBJECT_HANDLE object) {
    if (rv == CKR_OK) objects_.push_back(object);
  }

  // Calls with the same parameters: (session, input, its length, output, its size), and shorter forms.
  template <typename Function>
  void transform(const char* name, Function function) {
    const Arguments::Buffer in = arguments_.bytes(200), out = arguments_.room();
    CK_ULONG length = out.size;
    CK_ULONG* told = arguments_.seldom(40) ? nullptr : &length;
    const CK_RV rv = checked(name, function(session(), in.data, in.size, out.data, told));
    if (rv == CKR_OK && out.data && told && length > out.size) __builtin_trap();
  }
  template <typename Function>
  void finish(const char* name, Function function) {
    const Arguments::Buffer out = arguments_.room();
    CK_ULONG length = out.size;
    const CK_RV rv = checked(name, function(session(), out.data, &length));
    if (rv == CKR_OK && out.data && length > out.size) __builtin_trap();
  }
  template <typename Function>
  void feed(const char* name, Function function) {
    const Arguments::Buffer in = arguments_.bytes(200);
    checked(name, function(session(), in.data, in.size));
  }
  template <typename Function>
  void begin(const char* name, Function function) {
    checked(name, function(session(), mechanism(), object()));
  }

  void open_session();
  void close_session();
  void log_in();
  void log_out();
  void create();
  void copy();
  void destroy();
  void get();
  void set();
  void object_size();
  void find();
  void generate_key();
  void generate_pair();
  void derive();
  void wrap();
  void unwrap();
  void digest_key();
  void random_bytes();
  void information();
  void pins();
  void operation_state();
  void damaged_state(CK_SESSION_HANDLE of);
  void encrypt_init() { begin("C_EncryptInit", p11->C_EncryptInit); }
  void decrypt_init() { begin("C_DecryptInit", p11->C_DecryptInit); }
  void sign_init() { begin("C_SignInit", p11->C_SignInit); }
  void verify_init() { begin("C_VerifyInit", p11->C_VerifyInit); }
  void sign_recover_init() { begin("C_SignRecoverInit", p11->C_SignRecoverInit); }
  void verify_recover_init() { begin("C_VerifyRecoverInit", p11->C_VerifyRecoverInit); }
  void digest_init() { CALL(C_DigestInit, session(), mechanism()); }
  void encrypt() { transform("C_Encrypt", p11->C_Encrypt); }
  void encrypt_update() { transform("C_EncryptUpdate", p11->C_EncryptUpdate); }
  void encrypt_final() { finish("C_EncryptFinal", p11->C_EncryptFinal); }
  void decrypt() { transform("C_Decrypt", p11->C_Decrypt); }
  void decrypt_update() { transform("C_DecryptUpdate", p11->C_DecryptUpdate); }
  void decrypt_final() { finish("C_DecryptFinal", p11->C_DecryptFinal); }
  void sign() { transform("C_Sign", p11->C_Sign); }
  void sign_update() { feed("C_SignUpdate", p11->C_SignUpdate); }
  void sign_final() { finish("C_SignFinal", p11->C_SignFinal); }
  void sign_recover() { transform("C_SignRecover", p11->C_SignRecover); }
  void verify_recover() { transform("C_VerifyRecover", p11->C_VerifyRecover); }
  void verify_update() { feed("C_VerifyUpdate", p11->C_VerifyUpdate); }
  void verify_final() { feed("C_VerifyFinal", p11->C_VerifyFinal); }
  void verify();
  void digest() { transform("C_Digest", p11->C_Digest); }
  void digest_update() { feed("C_DigestUpdate", p11->C_DigestUpdate); }
  void digest_final() { finish("C_DigestFinal", p11->C_DigestFinal); }
  void digest_encrypt() { transform("C_DigestEncryptUpdate", p11->C_DigestEncryptUpdate); }
  void decrypt_digest() { transform("C_DecryptDigestUpdate", p11->C_DecryptDigestUpdate); }
  void sign_encrypt() { transform("C_SignEncryptUpdate", p11->C_SignEncryptUpdate); }
  void decrypt_verify() { transform("C_DecryptVerifyUpdate", p11->C_DecryptVerifyUpdate); }

  // --- PKCS#11 3.0 and 3.2 ---
  /// The parameter of one message, of the right shape or of another mechanism's, or none.
  Arguments::Buffer message_parameter();
  template <typename Whole, typename Begin, typename Next>
  void message(const char* name, Whole whole, Begin begin_message, Next next);
  void message_encrypt_init() { begin("C_MessageEncryptInit", C_MessageEncryptInit); }
  void message_decrypt_init() { begin("C_MessageDecryptInit", C_MessageDecryptInit); }
  void message_sign_init() { begin("C_MessageSignInit", C_MessageSignInit); }
  void message_verify_init() { begin("C_MessageVerifyInit", C_MessageVerifyInit); }
  void message_encrypt() { message("C_EncryptMessage", C_EncryptMessage, C_EncryptMessageBegin, C_EncryptMessageNext); }
  void message_decrypt() { message("C_DecryptMessage", C_DecryptMessage, C_DecryptMessageBegin, C_DecryptMessageNext); }
  void message_sign();
  void message_verify();
  void message_finals();
  void verify_signature_init();
  void verify_signature();
  void encapsulate();
  void decapsulate();
  void wrap_authenticated();
  void unwrap_authenticated();
  void log_in_by_name();
  void cancel() { checked("C_SessionCancel", C_SessionCancel(session(), arguments_.number())); }

  Arguments arguments_;
  std::vector<CK_ULONG> sessions_, objects_;
  std::vector<CK_MECHANISM_TYPE> mechanisms_;
  CK_GCM_MESSAGE_PARAMS gcm_{};
  CK_CCM_MESSAGE_PARAMS ccm_{};
  CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS chacha_{};
};

void Run::open_session() {
  CK_SESSION_HANDLE opened = 0;
  const CK_FLAGS flags =
      arguments_.seldom(8) ? arguments_.number() : CKF_SERIAL_SESSION | (arguments_.seldom(3) ? 0 : CKF_RW_SESSION);
  const CK_SLOT_ID where = arguments_.seldom(20) ? arguments_.number() : slot();
  if (CALL(C_OpenSession, where, flags, nullptr, nullptr, &opened) == CKR_OK) sessions_.push_back(opened);
}

void Run::close_session() {
  if (arguments_.seldom(6)) {
    CALL(C_CloseAllSessions, slot());
  } else {
    CALL(C_CloseSession, session());
  }
}

void Run::log_in() {
  const CK_USER_TYPE user = arguments_.seldom(4) ? arguments_.below(4) : CKU_USER;
  std::string_view pin = user == CKU_SO ? kSoPin : kUserPin;
  Arguments::Buffer bytes{reinterpret_cast<CK_BYTE*>(const_cast<char*>(pin.data())), pin.size()};
  if (arguments_.seldom(8)) bytes = arguments_.bytes();
  CALL(C_Login, session(), user, bytes.data, bytes.size);
}

void Run::log_out() { CALL(C_Logout, session()); }

void Run::create() {
  const Arguments::Template given = attributes();
  CK_OBJECT_HANDLE object = 0;
  made(CALL(C_CreateObject, session(), given.data, given.size, &object), object);
}

void Run::copy() {
  const Arguments::Template given = arguments_.attributes({});
  CK_OBJECT_HANDLE object_made = 0;
  made(CALL(C_CopyObject, session(), object(), given.data, given.size, &object_made), object_made);
}

void Run::destroy() { CALL(C_DestroyObject, session(), object()); }

void Run::get() {
  const Arguments::Template asked = arguments_.queries();
  CALL(C_GetAttributeValue, session(), object(), asked.data, asked.size);
}

void Run::set() {
  const Arguments::Template given = arguments_.attributes({});
  CALL(C_SetAttributeValue, session(), object(), given.data, given.size);
}

void Run::object_size() {
  CK_ULONG size = 0;
  CALL(C_GetObjectSize, session(), object(), arguments_.seldom(20) ? nullptr : &size);
}

void Run::find() {
  const CK_SESSION_HANDLE where = session();
  const Arguments::Template match = arguments_.attributes({});
  CALL(C_FindObjectsInit, where, match.data, match.size);
  CK_OBJECT_HANDLE found[16];
  CK_ULONG count = 0;
  if (CALL(C_FindObjects, where, found, 16, &count) == CKR_OK) {
    if (count > 16) __builtin_trap();
    objects_.insert(objects_.end(), found, found + count);
  }
  if (!arguments_.seldom(10)) CALL(C_FindObjectsFinal, where);
}

void Run::generate_key() {
  const Arguments::Template given = attributes();
  CK_OBJECT_HANDLE object = 0;
  made(CALL(C_GenerateKey, session(), mechanism(), given.data, given.size, &object), object);
}

void Run::generate_pair() {
  const Arguments::Template first = attributes(), second = attributes();
  CK_OBJECT_HANDLE one = 0, other = 0;
  const CK_RV rv =
      CALL(C_GenerateKeyPair, session(), mechanism(), first.data, first.size, second.data, second.size, &one, &other);
  made(rv, one);
  made(rv, other);
}

void Run::derive() {
  const Arguments::Template given = attributes();
  CK_OBJECT_HANDLE object_made = 0;
  made(CALL(C_DeriveKey, session(), mechanism(), object(), given.data, given.size, &object_made), object_made);
}

void Run::wrap() {
  const Arguments::Buffer out = arguments_.room();
  CK_ULONG length = out.size;
  const CK_RV rv = CALL(C_WrapKey, session(), mechanism(), object(), object(), out.data, &length);
  if (rv == CKR_OK && out.data && length > out.size) __builtin_trap();
}

void Run::unwrap() {
  const Arguments::Buffer in = arguments_.bytes(200);
  const Arguments::Template given = attributes();
  CK_OBJECT_HANDLE object_made = 0;
  made(CALL(C_UnwrapKey, session(), mechanism(), object(), in.data, in.size, given.data, given.size, &object_made),
       object_made);
}

void Run::digest_key() { CALL(C_DigestKey, session(), object()); }

void Run::random_bytes() {
  const Arguments::Buffer out = arguments_.room();
  CALL(C_SeedRandom, session(), out.data, out.size);
  CALL(C_GenerateRandom, session(), out.data, out.size);
}

void Run::information() {
  CK_SESSION_INFO session_info;
  CK_TOKEN_INFO token_info;
  CK_MECHANISM_INFO mechanism_info;
  CALL(C_GetSessionInfo, session(), &session_info);
  CALL(C_GetTokenInfo, arguments_.seldom(4) ? arguments_.number() : slot(), &token_info);
  CALL(C_GetMechanismInfo, slot(), arguments_.number(), &mechanism_info);
}

void Run::pins() {
  const Arguments::Buffer old = arguments_.bytes(), fresh = arguments_.bytes();
  if (arguments_.flip()) {
    CALL(C_InitPIN, session(), fresh.data, fresh.size);
  } else {
    CALL(C_SetPIN, session(), old.data, old.size, fresh.data, fresh.size);
  }
}

void Run::operation_state() {
  finish("C_GetOperationState", p11->C_GetOperationState);
  const Arguments::Buffer noise = arguments_.bytes(200);
  std::vector<CK_BYTE> state(4096);
  CK_ULONG length = state.size();
  const CK_SESSION_HANDLE from = session();
  if (arguments_.flip()) {
    damaged_state(from);
  } else if (arguments_.seldom(4) || CALL(C_GetOperationState, from, state.data(), &length) != CKR_OK) {
    CALL(C_SetOperationState, session(), noise.data, noise.size, object(), object());
  } else {
    CALL(C_SetOperationState, session(), state.data(), length, object(), object());
  }
}

// Changes the contents below the seal of a saved state. An application cannot do that, and it must do no harm all the
// same.
void Run::damaged_state(CK_SESSION_HANDLE of) {
  try {
    pkcs11::Passage passage;
    const std::shared_ptr<pkcs11::Session> where = passage.module().sessions.get(of);
    SecretBytes state = pkcs11::save_operations(*where);
    for (unsigned changes = arguments_.below(4); changes-- > 0 && !state.empty();)
      state[arguments_.below(state.size())] = static_cast<uint8_t>(arguments_.number());
    if (arguments_.seldom(4)) state.resize(arguments_.below(state.size() + 40));
    pkcs11::restore_operations(*where, state, object(), object());
  } catch (const pkcs11::Refusal& refusal) {
    checked("damaged_state", refusal.rv());
  } catch (const Error&) {  // a fault on the way to a key, which the C functions turn into its value
  }
}

void Run::verify() {
  const Arguments::Buffer data = arguments_.bytes(), signature = arguments_.bytes(140);
  CALL(C_Verify, session(), data.data, data.size, signature.data, signature.size);
}

Arguments::Buffer Run::message_parameter() {
  const Arguments::Buffer nonce = arguments_.bytes(20), tag = arguments_.bytes(16);
  const CK_GENERATOR_FUNCTION generator = arguments_.below(6);
  gcm_ = {nonce.data, nonce.size, arguments_.number(), generator, tag.data, 8 * tag.size};
  ccm_ = {arguments_.below(80), nonce.data, nonce.size, arguments_.number(), generator, tag.data, tag.size};
  chacha_ = {nonce.data, 8 * nonce.size, tag.data};
  // The tag of ChaCha20-Poly1305 always has sixteen bytes, whatever length the structure has.
  if (tag.size < 16) chacha_.pTag = nullptr;
  switch (arguments_.below(8)) {
    case 0:
      return {nullptr, 0};
    case 1:
      return nonce;
    case 2:
    case 3:
      return {reinterpret_cast<CK_BYTE*>(&ccm_), sizeof ccm_};
    case 4:
      return {reinterpret_cast<CK_BYTE*>(&chacha_), sizeof chacha_};
    default:
      return {reinterpret_cast<CK_BYTE*>(&gcm_), sizeof gcm_};
  }
}

template <typename Whole, typename Begin, typename Next>
void Run::message(const char* name, Whole whole, Begin begin_message, Next next) {
  const CK_SESSION_HANDLE where = session();
  Arguments::Buffer with = message_parameter();
  const Arguments::Buffer beside = arguments_.bytes(20), in = arguments_.bytes(80), out = arguments_.room();
  CK_ULONG length = out.size;
  CK_RV rv = CKR_OK;
  if (arguments_.flip()) {
    rv = checked(name,
                 whole(where, with.data, with.size, beside.data, beside.size, in.data, in.size, out.data, &length));
  } else {
    if (arguments_.flip()) checked(name, begin_message(where, with.data, with.size, beside.data, beside.size));
    const CK_FLAGS flags = arguments_.flip() ? CKF_END_OF_MESSAGE : arguments_.below(3);
    rv = checked(name, next(where, with.data, with.size, in.data, in.size, out.data, &length, flags));
  }
  if (rv == CKR_OK && out.data && length > out.size) __builtin_trap();
}

void Run::message_sign() {
  const CK_SESSION_HANDLE where = session();
  const Arguments::Buffer with = arguments_.seldom(8) ? arguments_.bytes(8) : Arguments::Buffer{nullptr, 0};
  const Arguments::Buffer in = arguments_.bytes(80), out = arguments_.room();
  CK_ULONG length = out.size;
  CK_RV rv = CKR_OK;
  if (arguments_.flip()) {
    rv = checked("C_SignMessage", C_SignMessage(where, with.data, with.size, in.data, in.size, out.data, &length));
  } else {
    if (arguments_.flip()) checked("C_SignMessageBegin", C_SignMessageBegin(where, with.data, with.size));
    CK_ULONG* told = arguments_.flip() ? &length : nullptr;
    rv = checked("C_SignMessageNext", C_SignMessageNext(where, with.data, with.size, in.data, in.size, out.data, told));
  }
  if (rv == CKR_OK && out.data && length > out.size) __builtin_trap();
}

void Run::message_verify() {
  const CK_SESSION_HANDLE where = session();
  const Arguments::Buffer with = arguments_.seldom(8) ? arguments_.bytes(8) : Arguments::Buffer{nullptr, 0};
  const Arguments::Buffer in = arguments_.bytes(80), signature = arguments_.bytes(140);
  if (arguments_.flip()) {
    checked("C_VerifyMessage",
            C_VerifyMessage(where, with.data, with.size, in.data, in.size, signature.data, signature.size));
    return;
  }
  if (arguments_.flip()) checked("C_VerifyMessageBegin", C_VerifyMessageBegin(where, with.data, with.size));
  checked("C_VerifyMessageNext",
          C_VerifyMessageNext(where, with.data, with.size, in.data, in.size, signature.data, signature.size));
}

void Run::message_finals() {
  const std::pair<const char*, CK_RV (*)(CK_SESSION_HANDLE)> finals[] = {
      {"C_MessageEncryptFinal", C_MessageEncryptFinal},
      {"C_MessageDecryptFinal", C_MessageDecryptFinal},
      {"C_MessageSignFinal", C_MessageSignFinal},
      {"C_MessageVerifyFinal", C_MessageVerifyFinal},
      {"C_VerifySignatureFinal", C_VerifySignatureFinal}};
  const auto& [name, final] = finals[arguments_.below(std::size(finals))];
  checked(name, final(session()));
}

void Run::verify_signature_init() {
  const Arguments::Buffer signature = arguments_.bytes(140);
  checked("C_VerifySignatureInit",
          C_VerifySignatureInit(session(), mechanism(), object(), signature.data, signature.size));
}

void Run::verify_signature() {
  if (arguments_.flip()) {
    feed("C_VerifySignature", C_VerifySignature);
  } else {
    feed("C_VerifySignatureUpdate", C_VerifySignatureUpdate);
  }
}

void Run::encapsulate() {
  const Arguments::Template given = attributes();
  const Arguments::Buffer out = arguments_.room();
  CK_ULONG length = out.size;
  CK_OBJECT_HANDLE key = 0;
  const CK_RV rv = checked("C_EncapsulateKey", C_EncapsulateKey(session(), mechanism(), object(), given.data,
                                                                given.size, out.data, &length, &key));
  if (rv == CKR_OK && out.data && length > out.size) __builtin_trap();
  if (out.data) made(rv, key);
}

void Run::decapsulate() {
  const Arguments::Template given = attributes();
  const Arguments::Buffer in = arguments_.bytes(200);
  CK_OBJECT_HANDLE key = 0;
  made(checked("C_DecapsulateKey",
               C_DecapsulateKey(session(), mechanism(), object(), given.data, given.size, in.data, in.size, &key)),
       key);
}

void Run::wrap_authenticated() {
  const Arguments::Buffer with = message_parameter(), beside = arguments_.bytes(20), out = arguments_.room();
  CK_MECHANISM aead{arguments_.flip() ? CKM_AES_GCM : CKM_AES_CCM, with.data, with.size};
  CK_ULONG length = out.size;
  const CK_RV rv = checked(
      "C_WrapKeyAuthenticated",
      C_WrapKeyAuthenticated(session(), &aead, object(), object(), beside.data, beside.size, out.data, &length));
  if (rv == CKR_OK && out.data && length > out.size) __builtin_trap();
}

void Run::unwrap_authenticated() {
  const Arguments::Buffer with = message_parameter(), beside = arguments_.bytes(20), in = arguments_.bytes(80);
  const Arguments::Template given = attributes();
  CK_MECHANISM aead{arguments_.flip() ? CKM_AES_GCM : CKM_AES_CCM, with.data, with.size};
  CK_OBJECT_HANDLE key = 0;
  made(checked("C_UnwrapKeyAuthenticated",
               C_UnwrapKeyAuthenticated(session(), &aead, object(), in.data, in.size, given.data, given.size,
                                        beside.data, beside.size, &key)),
       key);
}

void Run::log_in_by_name() {
  const Arguments::Buffer name = arguments_.bytes(10), pin = arguments_.bytes();
  checked("C_LoginUser", C_LoginUser(session(), arguments_.below(4), pin.data, pin.size, name.data, name.size));
}

const std::vector<Run::Step>& Run::steps() {
  static const std::vector<Step> all = {&Run::open_session,
                                        &Run::close_session,
                                        &Run::log_in,
                                        &Run::log_out,
                                        &Run::create,
                                        &Run::copy,
                                        &Run::destroy,
                                        &Run::get,
                                        &Run::set,
                                        &Run::object_size,
                                        &Run::find,
                                        &Run::generate_key,
                                        &Run::generate_pair,
                                        &Run::derive,
                                        &Run::wrap,
                                        &Run::unwrap,
                                        &Run::digest_key,
                                        &Run::random_bytes,
                                        &Run::information,
                                        &Run::pins,
                                        &Run::encrypt_init,
                                        &Run::decrypt_init,
                                        &Run::sign_init,
                                        &Run::verify_init,
                                        &Run::digest_init,
                                        &Run::encrypt,
                                        &Run::encrypt_update,
                                        &Run::encrypt_final,
                                        &Run::decrypt,
                                        &Run::decrypt_update,
                                        &Run::decrypt_final,
                                        &Run::sign,
                                        &Run::sign_update,
                                        &Run::sign_final,
                                        &Run::verify,
                                        &Run::verify_update,
                                        &Run::verify_final,
                                        &Run::digest,
                                        &Run::digest_update,
                                        &Run::digest_final,
                                        &Run::digest_encrypt,
                                        &Run::decrypt_digest,
                                        &Run::sign_encrypt,
                                        &Run::decrypt_verify,
                                        &Run::sign_recover,
                                        &Run::sign_recover_init,
                                        &Run::verify_recover,
                                        &Run::verify_recover_init,
                                        &Run::find,
                                        &Run::operation_state,
                                        &Run::message_encrypt_init,
                                        &Run::message_decrypt_init,
                                        &Run::message_sign_init,
                                        &Run::message_verify_init,
                                        &Run::message_encrypt,
                                        &Run::message_decrypt,
                                        &Run::message_sign,
                                        &Run::message_verify,
                                        &Run::message_finals,
                                        &Run::verify_signature_init,
                                        &Run::verify_signature,
                                        &Run::encapsulate,
                                        &Run::decapsulate,
                                        &Run::wrap_authenticated,
                                        &Run::unwrap_authenticated,
                                        &Run::log_in_by_name,
                                        &Run::cancel};
  return all;
}

void Run::go() {
  CK_ULONG count = 0;
  CALL(C_GetMechanismList, slot(), nullptr, &count);
  mechanisms_.resize(count);
  CALL(C_GetMechanismList, slot(), mechanisms_.data(), &count);
  open_session();
  if (!arguments_.seldom(4)) log_in();
  find();
  // Each step draws from the input, so it ends; the bound is for inputs of zeros, which draw little.
  for (int step = 0; step < 200 && arguments_.more(); ++step) (this->*steps()[arguments_.below(steps().size())])();
}

}  // namespace
}  // namespace vtpm::fuzz

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  vtpm::fuzz::make_token();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  vtpm::fuzz::restore_token();
  vtpm::fuzz::Run(data, size).go();
  return 0;
}
