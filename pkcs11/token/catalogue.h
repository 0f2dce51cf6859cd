// SPDX-License-Identifier: Apache-2.0
// The objects of a token: what the C functions find, read and change (PKCS#11 3.2, 5.7).
//
// Token objects are records of the store; private keys and NV areas are in the machine's TPM; what belongs together is
// committed as one change. Session objects are in memory. Every call that looks at objects first catches up with what
// other processes have committed (one comparison when nothing changed).
//
// Units: catalogue.cc (which objects there are, and which are visible), catalogue_changes.cc (adding, changing,
// destroying), catalogue_tpm.cc (keys and NV areas in the TPM; replacing the TPM), profiles.cc (what the token claims).
//
// Every public function may be called by several threads at the same time. One mutex guards the table in memory and is
// held for short; a thread inside a change of the store does not take it. Operations with private keys hold no lock.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/waiting.h"
#include "device/machine.h"
#include "pkcs11/object/key_factory.h"
#include "pkcs11/object/object.h"
#include "pkcs11/token/login_state.h"
#include "pkcs11/token/object_table.h"
#include "pkcs11/token/records.h"
#include "pkcs11/token/store_watch.h"

namespace vtpm::pkcs11 {

class Catalogue {
 public:
  /// The parts of the token that a catalogue uses. They outlive the catalogue.
  struct Parts {
    store::Vault& vault;
    StoreWatch& watch;
    LoginState& login;
    device::Machine& machine;
    /// The function is called after the record token/info has changed, with the catalogue's lock held.
    std::function<void()> info_changed;
  };
  explicit Catalogue(Parts parts);

  // --- catching up ---

  /// Catches up with what is committed now. Throws Refusal CKR_DEVICE_REMOVED, Error.
  void refresh();
  /// Logs the user out if another process has re-keyed the store. One comparison when nothing changed.
  void refresh_login();
  /// A login: calls `change`, which changes the login state, and shows what the new user may see. No call sees a state
  /// in between. If `change` throws, log_in rethrows and has changed nothing itself.
  void log_in(const std::function<void()>& change);
  /// A logout: remembers which certificates the token trusts, calls `change`, and hides what the login showed.
  void log_out(const std::function<void()>& change);
  /// The end of a login that has failed half-way: the same without remembering.
  void give_up(const std::function<void()>& change);

  // --- objects ---

  /// The object; null if the handle does not exist or the object is not visible now.
  ObjectPtr object(CK_OBJECT_HANDLE handle);
  /// Every object that is visible now, in order of creation, with the TPM's own objects last.
  std::vector<ObjectPtr> objects();
  /// The same without objects that cannot match the template. The result contains every match, and may contain others.
  std::vector<ObjectPtr> objects_for(const Template& wanted);
  /// Publishes new objects, all or none, and returns their handles. `owner`: the session that session objects belong
  /// to. Throws Refusal, Error; then no object was added.
  std::vector<CK_OBJECT_HANDLE> add(std::vector<Draft> drafts, CK_SESSION_HANDLE owner);
  /// Replaces an object's attributes with what `change` makes of them, atomically among processes. `change` may run
  /// more than once, each time on a draft with what the store has then. Throws Refusal CKR_OBJECT_HANDLE_INVALID,
  /// Error, and what `change` throws; then the object is unchanged.
  void change(CK_OBJECT_HANDLE handle, const std::function<void(Draft&)>& change);
  /// Destroys an object, with its NV area or persistent key. Throws Refusal CKR_OBJECT_HANDLE_INVALID, Error; then the
  /// object still exists.
  void destroy(CK_OBJECT_HANDLE handle);
  /// Destroys the session objects of a session that is closed.
  void drop_session_objects(CK_SESSION_HANDLE owner);
  /// The secret part of an object, which is read and unsealed by each call for a token object. Throws Error kLocked
  /// before login.
  SecretAttributes secret_of(const Object& object);

  // --- what of them is in the TPM ---

  /// The key of a private key object, made at its first use and kept with the object. Throws as open_private_key, and
  /// Error.
  std::shared_ptr<crypto::PrivateKey> private_key(const Object& object);
  /// The wrapped key of a private key object that lives in the TPM. Throws Error kUnsupported for any other object.
  tpm::KeyBlob key_blob(const Object& object);
  /// The TPM's evidence about such a key, with an empty nonce; it is kept with the key.
  std::shared_ptr<const tpm::KeyEvidence> evidence_of(const Object& object);
  /// The value of an object with an NV area, from the TPM. Throws Refusal CKR_USER_NOT_LOGGED_IN, CKR_DEVICE_ERROR;
  /// Error kAuthFailed.
  SecretBytes nv_value(const Object& object);
  /// The TPMA_NV of an object with an NV area (TPM 2.0 Part 2, 13.4).
  uint32_t nv_attributes(const Object& object);
  /// The CKA_VALUE of a counter: its next value if this token made it (PKCS#11 3.2, 4.5.2), its present value
  /// otherwise.
  SecretBytes read_counter(const Object& object);
  /// Runs TPM commands that store, and commits their result with the records of the TPM's public objects. `commands`
  /// may run more than once. Throws Refusal CKR_USER_NOT_LOGGED_IN, Error; then nothing has changed.
  void change_tpm(const std::function<void(tpm::BootedTpm&)>& commands);
  /// Replaces the TPM's state with one that was examined and adopted (tpm/use/foreign_state.h), and keeps the suspended
  /// machine that it was made from, if it was one. Deletes the records of NV areas that the state does not have, and
  /// returns their labels. Throws Refusal CKR_TEMPLATE_INCONSISTENT if the state is of another TPM and an object of the
  /// token lives in the present one: a key, an NV area, or a persistent key that can be used.
  std::vector<std::string> replace_tpm(ByteView state, const device::Suspended* suspended = nullptr);

  /// In the child of a fork: replaces the mutex, because the threads that held it do not exist there.
  void make_locks_anew();

 private:
  /// `mutex_`, held. A call that waits meanwhile stays inside the gate, so that no fork copies a table that is
  /// half-changed.
  class Locked {
   public:
    explicit Locked(const Catalogue& catalogue)
        : lock_(lock_within_limit(catalogue.mutex_, catalogue.parts_.vault.path())) {}

   private:
    const std::unique_lock<std::mutex> lock_;
    const WaitPolicy::Keep half_done_;
  };

  std::string path() const;
  Who who() const { return parts_.login.who(); }
  void publish_builtin_objects();

  // Catching up (catalogue.cc).
  void refresh_after_change();
  void refresh_locked();
  void catch_up_locked();
  void expel_locked();
  void update_tpm_objects_locked(std::vector<Attributes> found);
  void load_locked(std::vector<store::EntryInfo> changes);
  void load_locked(store::EntryInfo entry);
  void read_again_locked();
  void forget_locked(const std::string& entry);
  void forget_others_locked(const std::vector<store::EntryInfo>& all);
  void reload_locked();
  void drop_private_locked();
  void remember_trust_locked();

  // Finding (catalogue.cc).
  bool visible(const Object& object) const;
  /// The object; null if it is not visible. Reads the object's record at its first use.
  ObjectPtr find_locked(CK_OBJECT_HANDLE handle);
  ObjectPtr find_if_it_can_be_read_locked(CK_OBJECT_HANDLE handle);
  void read_locked(CK_OBJECT_HANDLE handle, ObjectTable::Slot& slot);
  std::shared_ptr<Object> read_object(const std::string& entry);
  std::vector<ObjectPtr> visible_locked(const std::vector<CK_OBJECT_HANDLE>& handles);

  // Changing (catalogue_changes.cc).
  void change_stored(const Object& object, const std::function<void(Draft&)>& change);
  Attributes stored_attributes(const std::string& id);
  void put_public_tpm_objects(store::Transaction& transaction, const std::vector<Attributes>& objects);

  // The TPM (catalogue_tpm.cc).
  /// The TPM. Throws Refusal CKR_USER_NOT_LOGGED_IN before login.
  std::shared_ptr<tpm::Engine> engine() const;
  /// Runs TPM commands that store within a change, and updates the records of the TPM's public objects.
  void run(device::Change& change, const std::function<void(tpm::BootedTpm&)>& commands);

  // Profiles that are true of what is on the token now (profiles.cc).
  bool has_profile_locked(const Object& profile);
  bool certificates_are_public_locked();
  bool any_sealed_record() const;
  std::vector<ObjectPtr> of_class_locked(CK_OBJECT_CLASS object_class);

  const Parts parts_;
  mutable std::mutex mutex_;
  uint64_t cursor_ = 0;
  bool claim_ = false;  // whether CKP_PUBLIC_CERTIFICATES_TOKEN was true at the cursor and login below
  std::pair<uint64_t, uint64_t> claimed_at_{UINT64_MAX, UINT64_MAX};
  std::map<std::string, unsigned> unread_;  // entries that could not be read, and the number of attempts
  ObjectTable objects_;
  RememberedTrust trust_;
  uint64_t trust_seen_ = UINT64_MAX;         // the cursor at which it had seen every certificate
  std::optional<device::Version> tpm_seen_;  // of the TPM's state whose private objects are in objects_
};

}  // namespace vtpm::pkcs11
