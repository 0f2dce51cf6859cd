// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/operation/operation_state.h"

#include "crypto/library/constant_time.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/operation/begin.h"
#include "pkcs11/operation/crypt.h"
#include "pkcs11/operation/signer.h"

namespace vtpm::pkcs11 {
namespace {

constexpr uint8_t kVersion = 3;

enum class Kind : uint8_t { kDigest, kEncrypt, kDecrypt, kSign, kVerify, kVerifySignature };
constexpr uint8_t kKinds = 6;

bool uses_encryption_key(Kind kind) { return kind == Kind::kEncrypt || kind == Kind::kDecrypt; }
bool uses_authentication_key(Kind kind) { return kind != Kind::kDigest && !uses_encryption_key(kind); }

/// An operation between session and octets.
struct Saved {
  Kind kind;
  bool multi_part;
  uint64_t mechanism;
  Bytes parameter, key;
  SecretBytes state;
  Bytes signature;
};

// --- octets ---

void put_number(SecretBytes& to, uint64_t number) {
  for (int i = 0; i < 8; ++i, number >>= 8) {
    const auto octet = static_cast<uint8_t>(number);
    to.append({&octet, 1});
  }
}

void put_octets(SecretBytes& to, ByteView octets) {
  put_number(to, octets.size());
  to.append(octets);
}

SecretBytes encode(CK_STATE of, const std::vector<Saved>& operations) {
  const uint8_t start[] = {kVersion, static_cast<uint8_t>(of)};
  SecretBytes octets{ByteView(start)};
  for (const Saved& one : operations) {
    const uint8_t head[] = {static_cast<uint8_t>(one.kind), one.multi_part};
    octets.append(head);
    put_number(octets, one.mechanism);
    for (const ByteView part : {ByteView(one.parameter), ByteView(one.key), one.state.view(), ByteView(one.signature)})
      put_octets(octets, part);
  }
  return octets;
}

class Reader {
 public:
  explicit Reader(ByteView octets) : rest_(octets) {}
  bool empty() const { return rest_.empty(); }
  ByteView take(uint64_t octets) {
    refuse_if(octets > rest_.size(), CKR_SAVED_STATE_INVALID, "the saved state is cut off");
    const ByteView taken = rest_.first(octets);
    rest_ = rest_.subspan(octets);
    return taken;
  }
  uint8_t octet() { return take(1)[0]; }
  uint64_t number() {
    uint64_t number = 0;
    int shift = 0;
    for (const uint8_t octet : take(8)) number |= uint64_t{octet} << 8 * shift++;
    return number;
  }
  ByteView octets() { return take(number()); }

 private:
  ByteView rest_;
};

std::vector<Saved> decode(CK_STATE expected, ByteView octets) {
  Reader reader(octets);
  refuse_if(reader.octet() != kVersion, CKR_SAVED_STATE_INVALID, "the state was saved by another version");
  refuse_if(reader.octet() != expected, CKR_SAVED_STATE_INVALID,
            "the state is of a session with another session state: read-only or read/write, public, user or SO");
  std::vector<Saved> operations;
  while (!reader.empty()) {
    const uint8_t kind = reader.octet();
    refuse_if(kind >= kKinds || operations.size() == kKinds, CKR_SAVED_STATE_INVALID,
              "there is no such operation as the saved state names");
    Saved one{static_cast<Kind>(kind), reader.octet() != 0, reader.number(), {}, {}, {}, {}};
    one.parameter = to_bytes(reader.octets());
    one.key = to_bytes(reader.octets());
    one.state = SecretBytes(reader.octets());
    one.signature = to_bytes(reader.octets());
    operations.push_back(std::move(one));
  }
  refuse_if(operations.empty(), CKR_SAVED_STATE_INVALID, "no operation is in the saved state");
  return operations;
}

// --- saving ---

/// Tells a key from others, in every session and process: by what it is, since its handle is this process's own and two
/// session objects may be the same key. Empty when the key is gone.
Bytes key_mark(Session& session, const Object& key) {
  crypto::Digest digest(crypto::Hash::kSha256);
  digest.update(as_bytes("key of a saved operation"));
  digest.update(value_view(key.object_class())).update(value_view(key.shown.number(CKA_KEY_TYPE).value_or(0)));
  if (key.object_class() != CKO_SECRET_KEY) return digest.update(public_key_of(key)->spki()).finish();
  const SecretAttributes secret = session.token->secret_of(key);
  if (!secret.has(CKA_VALUE)) return {};
  return digest.update(secret.get(CKA_VALUE)).finish();
}

/// What 5.6.7 names: any of these, or there is nothing to save.
bool any_is_active(const Session& session) {
  return session.digest || session.encrypt || session.decrypt || session.sign || session.verify ||
         session.verify_signature;
}

/// Every operation that is active and has no state that could be saved.
bool others_are_active(const Session& session) {
  return session.sign_recover || session.verify_recover || session.message_encrypt || session.message_decrypt ||
         session.message_sign || session.message_verify;
}

void gather(std::vector<Saved>& all, Session& session, Kind kind, const Begun& begun, const KeyUse& use,
            bool multi_part, std::optional<SecretBytes> state, Bytes signature = {}) {
  refuse_if(!state, CKR_STATE_UNSAVEABLE, "libcrypto does not show the state of this mechanism, or it has none");
  refuse_if(use.needs_login && use.login != session.token->login_number(), CKR_STATE_UNSAVEABLE,
            "the login that the operation was begun under is gone");
  Bytes key = key_mark(session, *begun.key);
  refuse_if(key.empty(), CKR_STATE_UNSAVEABLE, "the key of the operation is gone");
  all.push_back(
      {kind, multi_part, begun.row->type, begun.parameter, std::move(key), std::move(*state), std::move(signature)});
}

void gather(std::vector<Saved>& all, Session& session, Kind kind, const std::optional<CryptOperation>& active) {
  if (!active) return;
  refuse_if(active->result.has_value(), CKR_STATE_UNSAVEABLE, "the operation has ended, its result is to be fetched");
  gather(all, session, kind, active->begun, active->use, active->multi_part, active->crypt->save());
}

void gather_verification(std::vector<Saved>& all, Session& session, Kind kind, const VerifyOperation& active,
                         const Bytes& signature) {
  gather(all, session, kind, active.begun, active.use, active.multi_part, active.verifier->save(), signature);
}

void gather_digest(std::vector<Saved>& all, const DigestOperation& active) {
  std::optional<SecretBytes> state = active.digest.save();
  refuse_if(!state, CKR_STATE_UNSAVEABLE, "libcrypto does not show the state of this hash");
  const Begun& begun = active.begun;
  all.push_back({Kind::kDigest, active.multi_part, begun.row->type, begun.parameter, {}, std::move(*state), {}});
}

/// One handle for each use: two ciphers, or two signatures, can not be told apart by C_SetOperationState.
void require_one_key_each(const std::vector<Saved>& operations) {
  int encryption = 0, authentication = 0;
  for (const Saved& one : operations) {
    encryption += uses_encryption_key(one.kind);
    authentication += uses_authentication_key(one.kind);
  }
  refuse_if(encryption > 1 || authentication > 1, CKR_STATE_UNSAVEABLE,
            "two operations are active that C_SetOperationState has one key handle for");
}

// --- restoring ---

/// What is ready to take the place of what is active.
struct Restored {
  std::optional<DigestOperation> digest;
  std::optional<CryptOperation> encrypt, decrypt;
  std::optional<SignOperation> sign;
  std::optional<VerifyOperation> verify;
  std::optional<VerifySignatureOperation> verify_signature;
};

template <typename F>
auto as_changed_key(F&& begin) {
  try {
    return begin();
  } catch (const Refusal& refusal) {
    refuse(CKR_KEY_CHANGED, std::string("the saved operation can not be begun with this key: ") + refusal.what());
  }
}

const Mechanism& known_row(const Saved& saved) {
  const Mechanism* row = find_mechanism(saved.mechanism);
  refuse_if(!row, CKR_SAVED_STATE_INVALID, "the mechanism of the saved state is not known here");
  return *row;
}

/// The operation, begun anew with `key`, which must be the one that it was begun with.
template <typename Begin>
auto begin_again(Session& session, const Saved& saved, CK_OBJECT_HANDLE key, Begin&& begin) {
  const Mechanism& row = known_row(saved);
  const ObjectPtr object = as_changed_key([&] { return require_key(session, key); });
  refuse_if(!crypto::constant_time_equal(key_mark(session, *object), saved.key), CKR_KEY_CHANGED,
            "the key is not the one that the saved operation was begun with");
  const MechanismAgain mechanism(row, saved.parameter);
  auto operation = as_changed_key([&] { return begin(mechanism.get()); });
  operation.multi_part = saved.multi_part;
  return operation;
}

CryptOperation crypt_again(Session& session, const Saved& saved, crypto::Direction direction, CK_OBJECT_HANDLE key) {
  CryptOperation operation = begin_again(session, saved, key, [&](const CK_MECHANISM* mechanism) {
    return begin_crypt(session, direction, mechanism, key);
  });
  operation.crypt->load(saved.state);
  return operation;
}

SignOperation signature_again(Session& session, const Saved& saved, CK_OBJECT_HANDLE key) {
  SignOperation operation = begin_again(
      session, saved, key, [&](const CK_MECHANISM* mechanism) { return begin_signature(session, mechanism, key); });
  operation.signer->load(saved.state);
  return operation;
}

VerifyOperation verification_again(Session& session, const Saved& saved, CK_OBJECT_HANDLE key) {
  VerifyOperation operation = begin_again(
      session, saved, key, [&](const CK_MECHANISM* mechanism) { return begin_verification(session, mechanism, key); });
  operation.verifier->load(saved.state);
  return operation;
}

DigestOperation digest_again(const Saved& saved) {
  DigestOperation operation = begin_digest(MechanismAgain(known_row(saved), saved.parameter).get());
  operation.multi_part = saved.multi_part;
  operation.digest.load(saved.state);
  return operation;
}

void begin_again(Restored& all, Session& session, Saved& saved, CK_OBJECT_HANDLE encryption_key,
                 CK_OBJECT_HANDLE authentication_key) {
  switch (saved.kind) {
    case Kind::kDigest:
      all.digest.emplace(digest_again(saved));
      break;
    case Kind::kEncrypt:
      all.encrypt.emplace(crypt_again(session, saved, crypto::Direction::kEncrypt, encryption_key));
      break;
    case Kind::kDecrypt:
      all.decrypt.emplace(crypt_again(session, saved, crypto::Direction::kDecrypt, encryption_key));
      break;
    case Kind::kSign:
      all.sign.emplace(signature_again(session, saved, authentication_key));
      break;
    case Kind::kVerify:
      all.verify.emplace(verification_again(session, saved, authentication_key));
      break;
    case Kind::kVerifySignature:
      all.verify_signature.emplace(
          VerifySignatureOperation{verification_again(session, saved, authentication_key), std::move(saved.signature)});
  }
}

void require_keys(const std::vector<Saved>& operations, bool (*uses)(Kind), CK_OBJECT_HANDLE key) {
  bool needed = false;
  for (const Saved& one : operations) needed |= uses(one.kind);
  refuse_if(!needed && key != CK_INVALID_HANDLE, CKR_KEY_NOT_NEEDED, "no saved operation needs such a key");
  refuse_if(needed && key == CK_INVALID_HANDLE, CKR_KEY_NEEDED, "a saved operation needs its key, which is not in it");
}

template <typename T>
void move_into(std::optional<T>& slot, std::optional<T>& restored) {
  if (restored) slot.emplace(std::move(*restored));
}

}  // namespace

SecretBytes save_operations(Session& session) {
  refuse_if(!any_is_active(session), CKR_OPERATION_NOT_INITIALIZED,
            "no operation that can be saved is active in this session");
  refuse_if(others_are_active(session), CKR_STATE_UNSAVEABLE, "an operation is active that has no state to be saved");
  std::vector<Saved> all;
  if (session.digest) gather_digest(all, *session.digest);
  gather(all, session, Kind::kEncrypt, session.encrypt);
  gather(all, session, Kind::kDecrypt, session.decrypt);
  if (const auto& active = session.sign)
    gather(all, session, Kind::kSign, active->begun, active->use, active->multi_part, active->signer->save());
  if (session.verify) gather_verification(all, session, Kind::kVerify, *session.verify, {});
  if (const auto& active = session.verify_signature)
    gather_verification(all, session, Kind::kVerifySignature, active->verify, active->signature);
  require_one_key_each(all);
  return encode(session.state(), all);
}

void restore_operations(Session& session, ByteView saved, CK_OBJECT_HANDLE encryption_key,
                        CK_OBJECT_HANDLE authentication_key) {
  std::vector<Saved> operations = decode(session.state(), saved);
  require_keys(operations, uses_encryption_key, encryption_key);
  require_keys(operations, uses_authentication_key, authentication_key);
  Restored restored;
  try {
    for (Saved& one : operations) begin_again(restored, session, one, encryption_key, authentication_key);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInvalidArgument) throw;
    refuse(CKR_SAVED_STATE_INVALID, error.sentence());
  }
  session.cancel(~CK_FLAGS{0});  // what was active, a search too, is abandoned
  move_into(session.digest, restored.digest);
  move_into(session.encrypt, restored.encrypt);
  move_into(session.decrypt, restored.decrypt);
  move_into(session.sign, restored.sign);
  move_into(session.verify, restored.verify);
  move_into(session.verify_signature, restored.verify_signature);
}

}  // namespace vtpm::pkcs11
