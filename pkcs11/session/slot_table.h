// SPDX-License-Identifier: Apache-2.0
// The slots (PKCS#11 3.2, 5.5): one for each token in the store directory, and one free slot for the next C_InitToken.
//
// The free slot has an id, and C_InitToken accepts it whether the slot is listed or not. Config::free_slot determines
// how it is shown: with an uninitialized token in it, without a token, or not at all.
//
// The store directory (store/directory/store_directory.h) determines which stores exist, which of them are served, and
// the id of each. A file that cannot be served has a slot too: every call for it returns CKR_TOKEN_NOT_RECOGNIZED and
// logs why, and the file is never overwritten. A copy of a token has no slot. If the directory cannot be read, there is
// one slot without a token, and no free slot. If the configuration is broken, there is one slot without a token and no
// other, and no directory is read. Listing slots creates nothing.
//
// Every public function except make_locks_anew may be called by several threads at the same time, and can throw
// LockTimeout.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/settings/config.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/token/token.h"
#include "store/directory/store_directory.h"

namespace vtpm::pkcs11 {

class SlotTable {
 public:
  using Inheritance = std::shared_ptr<const store::StoreDirectory::Inheritance>;
  /// `inheritance`: that of the table that this process had as a copy from its parent, or null.
  SlotTable(const Config& config, const Inheritance& inheritance)
      : config_(config),
        broken_(config.broken() ? config.problems.front().sentence() : ""),
        directory_(store::store_directory_at(config.store_dir, Token::name_of, inheritance)) {}

  /// Reads the directory again: new stores get slots, removed ones lose them.
  void rescan();
  /// All slot ids, ascending, with the free slot if it is shown. Remembers what each slot holds, for `initialize`.
  /// `with_token`: without the slots that have no token now.
  std::vector<CK_SLOT_ID> ids(bool with_token);
  /// Throws Refusal CKR_SLOT_ID_INVALID if there is no such slot.
  void require(CK_SLOT_ID id);
  /// What C_GetSlotInfo returns for a slot. Throws Refusal CKR_SLOT_ID_INVALID.
  struct Description {
    std::string text;
    bool token_present = true;
  };
  Description describe(CK_SLOT_ID id);
  /// The token in a slot; null for the free slot. Throws Refusal: CKR_SLOT_ID_INVALID, CKR_TOKEN_NOT_PRESENT,
  /// CKR_TOKEN_NOT_RECOGNIZED, or the error with which opening the store failed.
  std::shared_ptr<Token> token(CK_SLOT_ID id);
  /// The token that the application saw last in the slot, without reading the directory; null also if the slot has no
  /// token. Throws Refusal CKR_TOKEN_NOT_PRESENT for a slot that can have none.
  std::shared_ptr<Token> token_as_listed(CK_SLOT_ID id);
  /// C_InitToken (PKCS#11 3.2, 5.5.7): makes a token in the free slot, or initializes the one in the slot anew.
  /// `has_sessions`: whether a token has open sessions. Throws Refusal, among others CKR_FUNCTION_FAILED if the slot
  /// holds another token than when the application listed the slots (another process was faster), Error; then nothing
  /// has changed.
  void initialize(CK_SLOT_ID id, ByteView so_pin, const std::string& label,
                  const std::function<bool(const Token&)>& has_sessions);
  /// In the child of a fork: replaces the lock, because the threads that held it do not exist there. Async-signal-safe.
  void make_locks_anew() noexcept;
  /// What the child of a fork continues with if it may not open the stores.
  Inheritance inheritance();
  /// The tokens that are open now.
  std::vector<std::shared_ptr<Token>> open_tokens();

 private:
  struct Slot {
    std::string path;                // of the store
    std::shared_ptr<Token> token;    // null: the store cannot be used
    std::optional<Refusal> problem;  // why it cannot
    bool held_up = false;            // store::is_momentary: the next call for the slot tries again
  };

  void scan_once();
  void rescan_locked();
  Slot slot_for(const store::FoundStore& store);
  void report(const store::FoundStore& store, const std::string& reason);
  Slot& slot_locked(CK_SLOT_ID id);
  bool is_free_locked(CK_SLOT_ID id) const;
  /// Whether the slot is the free one, for calls other than C_InitToken.
  bool is_shown_free_locked(CK_SLOT_ID id) const { return config_.free_slot != FreeSlot::kNever && is_free_locked(id); }
  /// Whether the free slot shows an uninitialized token.
  bool free_has_token_locked() const;
  /// Returns null. Throws Refusal CKR_TOKEN_NOT_PRESENT if the free slot shows no token.
  std::shared_ptr<Token> free_token_locked() const;
  /// Whether the slot's store could not be read at the moment, so that nothing is known about it.
  static bool is_absent(const Slot& slot) { return slot.problem && slot.held_up; }
  /// Why no token can be served now: the configuration is broken, or the directory cannot be read. Empty if neither is
  /// the case.
  const std::string& obstacle() const { return broken_.empty() ? directory_->problem() : broken_; }
  /// Whether the slot is the one that represents this problem.
  bool is_of_obstacle_locked(CK_SLOT_ID id) const;
  void note_listed_locked();
  std::string held_locked(CK_SLOT_ID id) const;
  std::string listed_in(CK_SLOT_ID id);

  const Config& config_;
  const std::string broken_;  // the problem of a broken configuration
  std::mutex mutex_;
  const std::unique_ptr<store::StoreDirectory> directory_;
  bool scanned_ = false;
  bool scanning_ = false;  // the table may be incomplete
  std::map<CK_SLOT_ID, Slot> slots_;
  CK_SLOT_ID unused_ = 0;                        // the lowest id that is not in slots_
  std::map<CK_SLOT_ID, std::string> listed_;     // what each slot held when the application listed them
  CK_SLOT_ID listed_free_ = 0;                   // the slot that was free then
  std::map<std::string, std::string> reported_;  // what was logged, by path
};

}  // namespace vtpm::pkcs11
