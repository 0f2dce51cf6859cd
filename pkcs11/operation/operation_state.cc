// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/operation/operation_state.h"

#include <algorithm>
#include <iterator>

#include "crypto/library/constant_time.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/operation/begin.h"

namespace vtpm::pkcs11 {
namespace {

constexpr uint8_t kVersion = 3;

/// Which of the two handles of C_SetOperationState an operation needs.
enum class KeyRole { kNone, kEncryption, kAuthentication };

struct SavedKind;

/// A saved operation.
struct Saved {
  const SavedKind* kind;
  bool multi_part;
  uint64_t mechanism;
  Bytes parameter, key;
  SecretBytes state;
  Bytes signature;
};

// --- bytes ---

uint8_t code_of(const SavedKind& kind);
const SavedKind* kind_of_code(uint8_t code);
constexpr size_t kMostOperations = 6;  // one of each kind of kSavedKinds

void put_number(SecretBytes& to, uint64_t number) {
  for (int i = 0; i < 8; ++i, number >>= 8) {
    const auto byte = static_cast<uint8_t>(number);
    to.append({&byte, 1});
  }
}

void put_bytes(SecretBytes& to, ByteView bytes) {
  put_number(to, bytes.size());
  to.append(bytes);
}

SecretBytes encode(CK_STATE of, const std::vector<Saved>& operations) {
  const uint8_t start[] = {kVersion, static_cast<uint8_t>(of)};
  SecretBytes bytes{ByteView(start)};
  for (const Saved& one : operations) {
    const uint8_t head[] = {code_of(*one.kind), one.multi_part};
    bytes.append(head);
    put_number(bytes, one.mechanism);
    for (const ByteView part : {ByteView(one.parameter), ByteView(one.key), one.state.view(), ByteView(one.signature)})
      put_bytes(bytes, part);
  }
  return bytes;
}

class Reader {
 public:
  explicit Reader(ByteView bytes) : rest_(bytes) {}
  bool empty() const { return rest_.empty(); }
  ByteView take(uint64_t bytes) {
    refuse_if(bytes > rest_.size(), CKR_SAVED_STATE_INVALID, "the saved state is incomplete");
    const ByteView taken = rest_.first(bytes);
    rest_ = rest_.subspan(bytes);
    return taken;
  }
  uint8_t byte() { return take(1)[0]; }
  uint64_t number() {
    uint64_t number = 0;
    int shift = 0;
    for (const uint8_t byte : take(8)) number |= uint64_t{byte} << 8 * shift++;
    return number;
  }
  ByteView bytes() { return take(number()); }

 private:
  ByteView rest_;
};

std::vector<Saved> decode(CK_STATE expected, ByteView bytes) {
  Reader reader(bytes);
  refuse_if(reader.byte() != kVersion, CKR_SAVED_STATE_INVALID, "the state was saved by another version");
  refuse_if(reader.byte() != expected, CKR_SAVED_STATE_INVALID,
            "the state is of a session with another session state: read-only or read/write, public, user or SO");
  std::vector<Saved> operations;
  while (!reader.empty()) {
    const SavedKind* const kind = kind_of_code(reader.byte());
    refuse_if(!kind || operations.size() == kMostOperations, CKR_SAVED_STATE_INVALID,
              "the saved state has an operation that is not supported");
    Saved one{kind, reader.byte() != 0, reader.number(), {}, {}, {}, {}};
    one.parameter = to_bytes(reader.bytes());
    one.key = to_bytes(reader.bytes());
    one.state = SecretBytes(reader.bytes());
    one.signature = to_bytes(reader.bytes());
    operations.push_back(std::move(one));
  }
  refuse_if(operations.empty(), CKR_SAVED_STATE_INVALID, "the saved state has no operation");
  return operations;
}

// --- saving ---

/// Identifies a key in every session and process: by what it is, since its handle belongs to this process and two
/// session objects may be the same key. Empty if the key no longer exists.
Bytes key_mark(Session& session, const Object& key) {
  crypto::Digest digest(crypto::Hash::kSha256);
  digest.update(as_bytes("key of a saved operation"));
  digest.update(value_view(key.object_class())).update(value_view(key.shown.number(CKA_KEY_TYPE).value_or(0)));
  if (key.key_part() != KeyPart::kSecret) return digest.update(public_key_of(key)->spki()).finish();
  const SecretAttributes secret = session.token->catalogue().secret_of(key);
  if (!secret.has(CKA_VALUE)) return {};
  return digest.update(secret.get(CKA_VALUE)).finish();
}

/// What the operations with a key have in common.
Saved saved_with_key(Session& session, const Begun& begun, const KeyUse& use, bool multi_part,
                     std::optional<SecretBytes> state, Bytes signature = {}) {
  refuse_if(!state, CKR_STATE_UNSAVEABLE, "the state of this mechanism cannot be saved");
  refuse_if(use.needs_login && use.login != session.token->login().number(), CKR_STATE_UNSAVEABLE,
            "the login under which the operation began has ended");
  Bytes key = key_mark(session, *begun.key);
  refuse_if(key.empty(), CKR_STATE_UNSAVEABLE, "the key of the operation no longer exists");
  return {nullptr,        multi_part,        begun.row->type,     begun.parameter,
          std::move(key), std::move(*state), std::move(signature)};
}

Saved save(Session&, const DigestOperation& active) {
  std::optional<SecretBytes> state = active.digest.save();
  refuse_if(!state, CKR_STATE_UNSAVEABLE, "the state of this hash cannot be saved");
  return {nullptr, active.multi_part, active.begun.row->type, active.begun.parameter, {}, std::move(*state), {}};
}

Saved save(Session& session, const CryptOperation& active) {
  refuse_if(active.result.has_value(), CKR_STATE_UNSAVEABLE,
            "the operation has ended, and its result has not been fetched");
  return saved_with_key(session, active.begun, active.use, active.multi_part, active.crypt->save());
}

Saved save(Session& session, const SignOperation& active) {
  return saved_with_key(session, active.begun, active.use, active.multi_part, active.signer->save());
}

Saved save(Session& session, const VerifyOperation& active) {
  return saved_with_key(session, active.begun, active.use, active.multi_part, active.verifier->save());
}

Saved save(Session& session, const VerifySignatureOperation& active) {
  Saved saved = save(session, active.verify);
  saved.signature = active.signature;
  return saved;
}

// --- restoring ---

template <typename F>
auto as_changed_key(F&& begin) {
  try {
    return begin();
  } catch (const Refusal& refusal) {
    refuse(CKR_KEY_CHANGED, std::string("the saved operation cannot be begun with this key: ") + refusal.what());
  }
}

const Mechanism& known_row(const Saved& saved) {
  const Mechanism* row = find_mechanism(saved.mechanism);
  refuse_if(!row, CKR_SAVED_STATE_INVALID, "the mechanism of the saved state is not supported");
  return *row;
}

/// The operation, begun again with `key`, which must be the key with which it began.
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

template <crypto::Direction kDirection>
CryptOperation crypt_again(Session& session, const Saved& saved, CK_OBJECT_HANDLE key) {
  CryptOperation operation = begin_again(session, saved, key, [&](const CK_MECHANISM* mechanism) {
    return begin_crypt(session, kDirection, mechanism, key);
  });
  operation.crypt->load(saved.state);
  return operation;
}
constexpr auto encryption_again = crypt_again<crypto::Direction::kEncrypt>;
constexpr auto decryption_again = crypt_again<crypto::Direction::kDecrypt>;

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

DigestOperation digest_again(Session&, const Saved& saved, CK_OBJECT_HANDLE) {
  DigestOperation operation = begin_digest(MechanismAgain(known_row(saved), saved.parameter).get());
  operation.multi_part = saved.multi_part;
  operation.digest.load(saved.state);
  return operation;
}

VerifySignatureOperation verification_of_signature_again(Session& session, const Saved& saved, CK_OBJECT_HANDLE key) {
  return {verification_again(session, saved, key), saved.signature};
}

// --- the kinds ---

/// The kinds whose state can be saved, in the order in which they are saved.
struct SavedKind {
  OperationKind kind;
  uint8_t code;  // in the saved state
  KeyRole role;
  /// Nothing if no operation of the kind is active.
  std::optional<Saved> (*save)(Session& session);
  void (*restore)(Operations& restored, Session& session, const Saved& saved, CK_OBJECT_HANDLE key);
};

template <const auto& kRunning>
std::optional<Saved> save_active(Session& session) {
  const auto* active = session.operations.find(kRunning);
  return active ? std::optional(save(session, *active)) : std::nullopt;
}

template <const auto& kRunning, auto kAgain>
void restore_one(Operations& restored, Session& session, const Saved& saved, CK_OBJECT_HANDLE key) {
  restored.start(kRunning, kAgain(session, saved, key));
}

template <const auto& kRunning, auto kAgain>
constexpr SavedKind saved_kind(uint8_t code, KeyRole role) {
  return {kRunning.kind, code, role, save_active<kRunning>, restore_one<kRunning, kAgain>};
}

constexpr SavedKind kSavedKinds[] = {
    saved_kind<kDigesting, digest_again>(0, KeyRole::kNone),
    saved_kind<kEncrypting, encryption_again>(1, KeyRole::kEncryption),
    saved_kind<kDecrypting, decryption_again>(2, KeyRole::kEncryption),
    saved_kind<kSigning, signature_again>(3, KeyRole::kAuthentication),
    saved_kind<kVerifying, verification_again>(4, KeyRole::kAuthentication),
    saved_kind<kVerifyingSignature, verification_of_signature_again>(5, KeyRole::kAuthentication),
};
static_assert(std::size(kSavedKinds) == kMostOperations);

constexpr bool are_those_of_the_session() {
  for (const OperationKindRow& row : kOperationKinds) {
    bool known = false;
    for (const SavedKind& saved : kSavedKinds) known |= saved.kind == row.kind;
    if (known != (row.saving == Saving::kPossible)) return false;
  }
  return true;
}
static_assert(are_those_of_the_session(), "every kind with Saving::kPossible has a row in kSavedKinds, no other kind");

constexpr bool every_code_has_one_kind() {
  for (size_t i = 0; i < std::size(kSavedKinds); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (kSavedKinds[i].code == kSavedKinds[j].code || kSavedKinds[i].kind == kSavedKinds[j].kind) return false;
    }
  }
  return true;
}
static_assert(every_code_has_one_kind(), "two rows of kSavedKinds have the same code or the same kind");

uint8_t code_of(const SavedKind& kind) { return kind.code; }

const SavedKind* kind_of_code(uint8_t code) {
  for (const SavedKind& row : kSavedKinds) {
    if (row.code == code) return &row;
  }
  return nullptr;
}

long count(const std::vector<Saved>& operations, KeyRole role) {
  return std::count_if(operations.begin(), operations.end(), [&](const Saved& one) { return one.kind->role == role; });
}

/// C_SetOperationState has one handle for each role, so that it cannot distinguish two ciphers or two signatures.
void require_one_key_each(const std::vector<Saved>& operations) {
  refuse_if(count(operations, KeyRole::kEncryption) > 1 || count(operations, KeyRole::kAuthentication) > 1,
            CKR_STATE_UNSAVEABLE, "two active operations need a key, but C_SetOperationState has one handle for both");
}

void require_keys(const std::vector<Saved>& operations, KeyRole role, CK_OBJECT_HANDLE key) {
  const bool needed = count(operations, role) != 0;
  refuse_if(!needed && key != CK_INVALID_HANDLE, CKR_KEY_NOT_NEEDED, "no saved operation needs such a key");
  refuse_if(needed && key == CK_INVALID_HANDLE, CKR_KEY_NEEDED,
            "a saved operation needs its key, which the state does not contain");
}

}  // namespace

SecretBytes save_operations(Session& session) {
  refuse_if(!session.operations.any(Saving::kPossible), CKR_OPERATION_NOT_INITIALIZED,
            "no operation that can be saved is active in this session");
  refuse_if(session.operations.any(Saving::kImpossible), CKR_STATE_UNSAVEABLE,
            "the state of an active operation cannot be saved");
  std::vector<Saved> all;
  for (const SavedKind& kind : kSavedKinds) {
    std::optional<Saved> saved = kind.save(session);
    if (!saved) continue;
    saved->kind = &kind;
    all.push_back(std::move(*saved));
  }
  require_one_key_each(all);
  return encode(session.state(), all);
}

void restore_operations(Session& session, ByteView saved, CK_OBJECT_HANDLE encryption_key,
                        CK_OBJECT_HANDLE authentication_key) {
  const std::vector<Saved> operations = decode(session.state(), saved);
  require_keys(operations, KeyRole::kEncryption, encryption_key);
  require_keys(operations, KeyRole::kAuthentication, authentication_key);
  Operations restored;
  refusing_invalid(CKR_SAVED_STATE_INVALID, [&] {
    for (const Saved& one : operations) {
      const bool encrypts = one.kind->role == KeyRole::kEncryption;
      one.kind->restore(restored, session, one, encrypts ? encryption_key : authentication_key);
    }
  });
  session.operations = std::move(restored);  // ends every active operation, searches included
}

}  // namespace vtpm::pkcs11
