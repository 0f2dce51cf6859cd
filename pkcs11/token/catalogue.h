// SPDX-License-Identifier: Apache-2.0
// The objects of a token: what C functions find, read and change.
//
// Token objects are records of the store, private keys and NV areas live in the machine's TPM, and what belongs
// together is committed as one change. Session objects live in memory. Every call that looks at objects first catches
// up with what other processes have committed (one comparison when nothing changed).
//
// Units: catalogue.cc (what there is, and who sees it), catalogue_changes.cc (adding, changing, destroying),
// catalogue_tpm.cc (keys and NV areas in the TPM, another TPM), profiles.cc (what the token claims).
//
// Lock: one mutex, for the table in memory, held for short; a thread inside a change of the store does not take it.
// Private-key operations hold none.
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
  /// What a catalogue stands on; all of it outlives the catalogue.
  struct Parts {
    store::Vault& vault;
    StoreWatch& watch;
    LoginState& login;
    device::Machine& machine;
    /// The record token/info has changed. Called with the catalogue's lock held.
    std::function<void()> info_changed;
  };
  explicit Catalogue(Parts parts);

  // --- catching up ---

  /// Shows what is committed now. Throws Refusal CKR_DEVICE_REMOVED, Error.
  void refresh();
  /// Notices that a re-key by somebody else has logged everybody out. One comparison when nothing changed.
  void refresh_login();
  /// A login: calls `change`, which changes the login state, and shows what its user may see. No other thread sees a
  /// state in between. When `change` throws, log_in rethrows and has changed nothing itself.
  void log_in(const std::function<void()>& change);
  /// A logout: remembers whom the token trusts, calls `change`, and forgets what the login showed.
  void log_out(const std::function<void()>& change);
  /// A login that has failed half-way. The same without remembering.
  void give_up(const std::function<void()>& change);

  // --- objects ---

  /// Nothing for handles that do not exist or are not visible now.
  ObjectPtr object(CK_OBJECT_HANDLE handle);
  /// Everything that is visible now, in order of creation, the TPM's own objects last.
  std::vector<ObjectPtr> objects();
  /// The same, without what cannot match the template (nothing is left out that does).
  std::vector<ObjectPtr> objects_for(const Template& wanted);
  /// Publishes new objects, all or none; `owner` is the session for session objects. Returns their handles.
  std::vector<CK_OBJECT_HANDLE> add(std::vector<Draft> drafts, CK_SESSION_HANDLE owner);
  /// Replaces an object's attributes with what `change` makes of them, atomically among processes. `change` may run
  /// more than once, each time on a draft of what the store says then.
  void change(CK_OBJECT_HANDLE handle, const std::function<void(Draft&)>& change);
  void destroy(CK_OBJECT_HANDLE handle);
  void drop_session_objects(CK_SESSION_HANDLE owner);
  /// The sealed part of an object. Throws Error kLocked without login.
  SecretAttributes secret_of(const Object& object);

  // --- what of them is in the TPM ---

  std::shared_ptr<crypto::PrivateKey> private_key(const Object& object);
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
  /// Runs commands that store, and commits what they left with the records of the TPM's public objects. `commands` may
  /// run more than once.
  void change_tpm(const std::function<void(tpm::BootedTpm&)>& commands);
  /// Puts a state that was examined and adopted (tpm/use/foreign_state.h) in the place of the TPM's, and keeps the
  /// suspended machine that it was made from, if it was one. Records of NV areas that the state does not have go; their
  /// labels are returned. Throws Refusal CKR_TEMPLATE_INCONSISTENT when the state is of another TPM and anything of the
  /// token lives in its present one: a key, an NV area, a persistent key that can be used.
  std::vector<std::string> replace_tpm(ByteView state, const device::Suspended* suspended = nullptr);

  /// Child side of fork.
  void make_locks_anew();

 private:
  /// `mutex_`, held. Waits meanwhile keep the fork gate, so no fork copies a table that is half-changed.
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
  /// Nothing for what is not visible. Reads the object's record when nobody has looked into it yet.
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
  /// The TPM. Throws Refusal CKR_USER_NOT_LOGGED_IN.
  std::shared_ptr<tpm::Engine> engine() const;
  /// Runs commands that store within a change, and brings the records of the TPM's public objects up to date.
  void run(device::Change& change, const std::function<void(tpm::BootedTpm&)>& commands);

  // Profiles that are true of what is on the token now (profiles.cc).
  bool has_profile_locked(const Object& profile);
  bool certificates_are_public_locked();
  bool any_sealed_record() const;
  std::vector<ObjectPtr> of_class_locked(CK_OBJECT_CLASS object_class);

  const Parts parts_;
  mutable std::mutex mutex_;
  uint64_t cursor_ = 0;
  bool claim_ = false;  // CKP_PUBLIC_CERTIFICATES_TOKEN, as it was at that cursor and login
  std::pair<uint64_t, uint64_t> claimed_at_{UINT64_MAX, UINT64_MAX};
  std::map<std::string, unsigned> unread_;  // entries that the file would not give, and how often it was asked
  ObjectTable objects_;
  RememberedTrust trust_;
  uint64_t trust_seen_ = UINT64_MAX;         // the cursor at which all certificates were looked at for it
  std::optional<device::Version> tpm_seen_;  // of the TPM's state whose private objects are among objects_
};

}  // namespace vtpm::pkcs11
