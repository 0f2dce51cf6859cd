// SPDX-License-Identifier: Apache-2.0
// A token: one store and, while the user is logged in, one TPM.
//
// It composes the two: objects are entries of the store, private keys and NV areas live in the TPM whose permanent
// state is an entry too, and what belongs together is committed as one transaction. Many processes and threads use one
// token: every call that looks at objects refreshes first (one comparison when nothing changed).
//
// Locks, outermost first: login_mutex_ (login, logout, PIN changes), mutex_ (the index in memory; held for short). The
// thread that holds a store Transaction takes neither. Private-key operations hold none of them.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/settings/config.h"
#include "base/waiting.h"
#include "crypto/symmetric/aead.h"
#include "pkcs11/object/object.h"
#include "pkcs11/object/who.h"
#include "pkcs11/token/object_table.h"
#include "pkcs11/token/records.h"
#include "store/directory/store_directory.h"
#include "store/vault/vault.h"
#include "tpm/engine/engine.h"
#include "tpm/use/swtpm_state.h"

namespace vtpm::pkcs11 {

constexpr size_t kPinLeast = 4, kPinMost = 255;

class Token {
 public:
  /// What C_InitToken makes. `serial`: 16 hexadecimal digits, empty for a new token (then it comes from the UUID).
  struct Identity {
    std::string label;  // 32 octets, blank-padded
    std::string serial;
    CK_SLOT_ID slot = 0;
    uint64_t created = 0;  // when it was first made, seconds since 1970; 0: now
  };
  /// Creates the store (or replaces it), with a new TPM inside, or with the one whose state `predecessor` is, cleared
  /// for a new owner (tpm/use/identity.h). Throws Error.
  static void initialise(const std::string& path, const Config& config, const Identity& identity, ByteView so_pin,
                         bool replace, ByteView predecessor = {});
  /// Throws Error: kNotAStore, kCorrupt, kTooNew, kIo …
  static std::shared_ptr<Token> open(const std::string& path, const Config& config);
  static std::shared_ptr<Token> open(std::shared_ptr<store::Vault> vault, const Config& config);
  /// What a store says of the token in it, for a StoreDirectory. Throws Error: kNotAStore, kCorrupt …
  static store::StoreName name_of(const store::Vault& vault);
  /// Gives the token in an unlocked store another label, 32 octets, blank-padded. Tokens that are open on it, in this
  /// process and in others, show it at their next call. Throws Error: kLocked, kReadOnly …
  static void rename(store::Vault& vault, const std::string& label);
  ~Token();

  const std::string& path() const { return vault_->path(); }
  const Config& config() const { return config_; }
  Identity identity() const;
  ByteView uuid() const { return vault_->uuid(); }  // of the store: another one after C_InitToken
  bool read_only() const { return vault_->read_only(); }
  /// This process is the child of a fork, and may not open the store: see store::Vault::inherited.
  bool inherited() const { return vault_->inherited(); }
  /// False once the store was removed or initialised anew; all sessions then answer CKR_DEVICE_REMOVED.
  bool present();
  /// Catches up with other processes. Throws Refusal CKR_DEVICE_REMOVED.
  void refresh();
  bool removed() const { return removed_; }
  void mark_removed() { removed_ = true; }

  // --- login ---
  Who who() const { return who_; }
  /// Notices that a re-key by somebody else has logged everybody out. One comparison when nothing changed.
  void refresh_login();
  /// Rises at every login and logout.
  uint64_t login_number() const { return login_number_; }
  bool user_pin_set() { return vault_->has_slot(store::Role::kUser); }
  /// What the configuration says about this token.
  const TokenSettings& settings() const { return settings_; }
  /// False: the user's PIN is empty, or the module fetches it and logs in by itself.
  bool login_required() const;
  /// Logs the user in where no login is required and nobody is logged in. A login that fails is told to the log, not
  /// tried again, and required from then on.
  void login_by_itself();
  bool user_pin_to_be_changed() const { return vault_->notes(store::Role::kUser).to_be_changed; }
  /// The user is logged in by a PIN that is to be changed first (PKCS#11 3.2, CKF_USER_PIN_TO_BE_CHANGED).
  bool pin_expired();
  store::Attempts attempts(store::Role role) { return vault_->attempts(role); }
  /// All throw Refusal: CKR_PIN_INCORRECT, CKR_PIN_LOCKED, CKR_USER_PIN_NOT_INITIALIZED, CKR_USER_ALREADY_LOGGED_IN,
  /// CKR_USER_ANOTHER_ALREADY_LOGGED_IN, CKR_PIN_LEN_RANGE. The SO takes over from a user whom nobody logged in.
  /// `admitted` is called when the PIN was right and `who` says so already: what it throws ends the login, and comes
  /// out.
  void login(Who who, ByteView pin, const std::function<void()>& admitted = nullptr);
  /// Waits for the turn of an attempt with the SO's PIN, and out its delay; see Vault::take_turn. Taken before any lock
  /// of the caller's.
  [[nodiscard]] store::Vault::Turn take_turn(store::Role role) { return vault_->take_turn(role); }
  void authenticate(
      ByteView pin);  // CKU_CONTEXT_SPECIFIC: the PIN of whoever is logged in; one that is locked logs out
  void check_so_pin(ByteView pin);  // C_InitToken
  /// The same, and the TPM's state for `initialise` to keep its identity from.
  SecretBytes surrender(ByteView so_pin);
  void logout();
  void init_user_pin(ByteView pin);
  void change_pin(store::Role role, ByteView old_pin, ByteView new_pin);

  // --- objects ---
  /// Nothing for handles that do not exist or are not visible now.
  ObjectPtr object(CK_OBJECT_HANDLE handle);
  /// Everything that is visible now, in order of creation, the TPM's own objects last.
  std::vector<ObjectPtr> objects();
  /// The same, without what can not match the template (nothing is left out that does).
  std::vector<ObjectPtr> objects_for(const Template& wanted);
  /// Publishes new objects, all or none; `owner` is the session for session objects. Returns their handles.
  std::vector<CK_OBJECT_HANDLE> add(std::vector<Draft> drafts, CK_SESSION_HANDLE owner);
  /// Replaces an object's attributes with what `change` makes of them, atomically among processes.
  void change(CK_OBJECT_HANDLE handle, const std::function<void(Draft&)>& change);
  void destroy(CK_OBJECT_HANDLE handle);
  void drop_session_objects(CK_SESSION_HANDLE owner);
  /// The sealed part of an object. Throws Error kLocked without login.
  SecretAttributes secret_of(const Object& object);
  std::shared_ptr<crypto::PrivateKey> private_key(const Object& object);
  /// Seals states of operations that are in an application's hands; nothing unless somebody is logged in.
  std::optional<crypto::Siv> state_seal() const;
  /// The wrapped key of a private key object that lives in the TPM. Throws Error kUnsupported for another.
  tpm::KeyBlob key_blob(const Object& object);
  /// What the TPM certifies about such a key, with an empty nonce; kept with the key.
  std::shared_ptr<const tpm::KeyEvidence> evidence_of(const Object& object);
  /// The value of an NV-backed object, from the TPM.
  SecretBytes nv_value(const Object& object);
  /// TPMA_NV of an NV-backed object.
  uint32_t nv_attributes(const Object& object);
  /// CKA_VALUE of a counter: its next value if this token made it (4.5.2), its value otherwise.
  SecretBytes read_counter(const Object& object);

  // --- the TPM ---
  /// The token's TPM; nothing unless the user is logged in.
  std::shared_ptr<tpm::Engine> engine() const;

  /// The TPM's committed permanent state: whoever has it has every key of the TPM. Throws Error kLocked without login.
  SecretBytes tpm_state();
  /// A machine that was suspended somewhere else: it can go on there, once, from exactly these blobs. The token never
  /// does: two TPMs that go on from one volatile state repeat each other's random numbers.
  struct Suspended {
    SecretBytes permanent;
    tpm::SuspendedState rest;
  };
  /// Puts a state that was examined and adopted (tpm/use/foreign_state.h) in the place of the TPM's, and keeps the
  /// suspended machine that it was made from, if it was one. Records of NV areas that the state does not have go; their
  /// labels are returned. Throws Refusal CKR_TEMPLATE_INCONSISTENT when the state is of another TPM and anything of the
  /// token lives in its present one: a key, an NV area, a persistent key that can be used.
  std::vector<std::string> replace_tpm(ByteView state, const Suspended* suspended = nullptr);
  /// The suspended machine, as long as the permanent state has not changed since it came.
  std::optional<Suspended> suspended();
  /// Forgets the suspended machine, so that it can be handed out. Throws Error: kReadOnly; kNotFound when it is another
  /// one now, or none: somebody else has handed it out, or has changed the TPM.
  void release_suspended(const Suspended& machine);
  /// Forgets it, if there is one.
  void forget_suspended();
  /// Runs commands that store, and commits what they left with the records of the TPM's public objects.
  void change_tpm(const std::function<void(tpm::BootedTpm&)>& commands);

  // --- fork (child side) ---
  void after_fork_close() noexcept { vault_->after_fork_close(); }
  void after_fork_reopen();
  void make_locks_anew();

 private:
  class State;
  /// `mutex_`, held. Waits meanwhile keep the fork gate, so no fork copies a table that is half-changed.
  class Locked {
   public:
    explicit Locked(const Token& token) : lock_(lock_within_limit(token.mutex_, token.path())) {}

   private:
    const std::unique_lock<std::mutex> lock_;
    const WaitPolicy::Keep half_done_;
  };
  /// What login, logout and changes of PINs hold. For attempts of the security officer the turn comes first: nobody
  /// else waits for the officer's delay.
  struct LoginLock {
    store::Vault::Turn turn;
    std::unique_lock<std::mutex> lock;
  };
  LoginLock lock_login(store::Role role = store::Role::kUser) {
    store::Vault::Turn turn = take_turn(role);
    return {std::move(turn), lock_within_limit(login_mutex_, path())};
  }
  Token(std::shared_ptr<store::Vault> vault, const Config& config);

  void read_identity();
  void read_label_again();
  void look();
  void look_after_change();
  void refresh_after_change();
  /// The version (tpm::StateSource) of the state that has this number in the store now.
  uint64_t state_version(uint64_t number) const;
  void tell_rollback();
  /// Before what must not repeat. Throws Refusal CKR_DEVICE_ERROR where an older copy of the store was put back.
  void refuse_rolled_back();
  void refresh_locked();
  void enter(Who who, ByteView pin, const std::function<void()>& admitted = nullptr);
  void log_out();
  void require_pin_length(store::Role role, ByteView pin) const;
  std::shared_ptr<tpm::Engine> leave_locked();
  void catch_up_locked();
  void expel_locked();
  void update_tpm_objects_locked(std::vector<Attributes> found);
  void put_public_tpm_objects(store::Transaction& transaction, const std::vector<Attributes>& objects);
  void load_locked(std::vector<store::EntryInfo> changes);
  void load_locked(store::EntryInfo entry);
  void read_again_locked();
  void forget_locked(const std::string& entry);
  void forget_others_locked(const std::vector<store::EntryInfo>& all);
  void reload_locked();
  void drop_private_locked();
  void remember_trust_locked();
  void publish_builtin_objects();
  bool visible(const Object& object) const;
  // Profiles that are true of what is on the token now (token_profiles.cc).
  bool has_profile_locked(const Object& profile);
  bool certificates_are_public_locked();
  bool any_sealed_record() const;
  std::vector<ObjectPtr> of_class_locked(CK_OBJECT_CLASS object_class);
  /// Nothing for what is not visible. Reads the object's record when nobody has looked into it yet.
  ObjectPtr find_locked(CK_OBJECT_HANDLE handle);
  ObjectPtr find_if_it_can_be_read_locked(CK_OBJECT_HANDLE handle);
  void read_locked(CK_OBJECT_HANDLE handle, ObjectTable::Slot& slot);
  std::shared_ptr<Object> read_object(const std::string& entry);
  std::vector<ObjectPtr> visible_locked(const std::vector<CK_OBJECT_HANDLE>& handles);
  void check_result(store::UnlockResult result, store::Role role) const;
  void change_stored(const Object& object, const std::function<void(Draft&)>& change);
  Attributes stored_attributes(const std::string& id);
  std::optional<Suspended> read_suspended();
  void erase_suspended(store::Transaction& transaction);
  /// Changes the vault as `body` says (Vault::change), with the TPM's new permanent state in the same transaction when
  /// the body returns commands that change the TPM.
  using CommandsOf = std::function<std::function<void(tpm::BootedTpm&)>(store::Transaction&)>;
  void commit(const std::shared_ptr<tpm::Engine>& tpm, const CommandsOf& body);

  const Config config_;
  const std::shared_ptr<store::Vault> vault_;
  std::shared_ptr<State> state_;
  mutable std::mutex identity_mutex_;  // innermost
  Identity identity_;
  TokenSettings settings_;
  std::atomic<bool> removed_{false};
  std::atomic<uint64_t> rollbacks_told_{0};

  std::mutex login_mutex_;
  std::atomic<Who> who_{Who::kNobody};
  std::atomic<uint64_t> login_number_{0};
  std::atomic<bool> by_itself_{false};    // nobody asked for the login
  std::atomic<bool> gave_up_{false};      // … and it will not be tried again
  std::atomic<bool> pin_expired_{false};  // the PIN that the user logged in with is to be changed

  mutable std::mutex mutex_;
  uint64_t cursor_ = 0;
  bool claim_ = false;  // CKP_PUBLIC_CERTIFICATES_TOKEN, as it was at that cursor and login
  std::pair<uint64_t, uint64_t> claimed_at_{UINT64_MAX, UINT64_MAX};
  std::map<std::string, unsigned> unread_;  // entries that the file would not give, and how often it was asked
  ObjectTable objects_;
  RememberedTrust trust_;
  uint64_t trust_seen_ = UINT64_MAX;  // the cursor at which all certificates were looked at for it
  std::shared_ptr<tpm::Engine> engine_;
  uint64_t tpm_seen_ = 0;  // the version of the TPM's state whose private objects are among objects_
};

}  // namespace vtpm::pkcs11
