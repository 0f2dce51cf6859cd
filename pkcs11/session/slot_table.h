// SPDX-License-Identifier: Apache-2.0
// The slots: every store in the store directory that is a token, and one free slot for the next C_InitToken.
//
// The free slot has a number, and C_InitToken takes it, whether it is listed or not. Where the configuration says so
// (Config::free_slot) it has an uninitialized token in it; else it is a slot without a token, or one that is not shown.
//
// Which stores there are, which of them is served and which number each has is the store directory's answer
// (store/directory/store_directory.h). A file that cannot be served keeps a slot too, and every call on it says why
// (CKR_TOKEN_NOT_RECOGNIZED); it is never overwritten. A copy of a token has no slot. A directory that cannot be read
// is one slot without a token, and there is no free slot then. A broken configuration is one slot without a token and
// no other: no directory is looked at. Listing creates nothing.
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
  /// `inheritance`: of the table that this process had of its parent.
  SlotTable(const Config& config, const Inheritance& inheritance)
      : config_(config),
        broken_(config.broken() ? config.problems.front().sentence() : ""),
        directory_(store::store_directory_at(config.store_dir, Token::name_of, inheritance)) {}

  /// Looks at the directory again: new stores get slots, removed ones lose them.
  void rescan();
  /// All slot ids, ascending; the free slot, as the configuration shows it, included. What stands in them is what
  /// `initialize` goes by. `with_token`: without slots that have no token now.
  std::vector<CK_SLOT_ID> ids(bool with_token);
  /// Throws Refusal CKR_SLOT_ID_INVALID.
  void require(CK_SLOT_ID id);
  /// What C_GetSlotInfo says of a slot. Throws Refusal CKR_SLOT_ID_INVALID.
  struct Description {
    std::string text;
    bool token_present = true;
  };
  Description describe(CK_SLOT_ID id);
  /// The token in a slot; nothing for the free slot. Throws Refusal: CKR_SLOT_ID_INVALID, CKR_TOKEN_NOT_PRESENT,
  /// CKR_TOKEN_NOT_RECOGNIZED, or what opening the store failed with.
  std::shared_ptr<Token> token(CK_SLOT_ID id);
  /// The same as the application has seen it last, without a look at the directory; nothing also for what has no token.
  /// Throws Refusal CKR_TOKEN_NOT_PRESENT for a slot that can have none.
  std::shared_ptr<Token> token_as_listed(CK_SLOT_ID id);
  /// C_InitToken: makes a token in the free slot, or the one in the slot anew. `has_sessions` answers for a token.
  /// Throws Refusal CKR_FUNCTION_FAILED, and has changed nothing, when something else stands in the slot than what did
  /// when the application listed the slots last: another process was faster.
  void initialize(CK_SLOT_ID id, ByteView so_pin, const std::string& label,
                  const std::function<bool(const Token&)>& has_sessions);
  /// In the child of a fork, where no call is that held the lock. Async-signal-safe.
  void make_locks_anew() noexcept;
  /// What the child of a fork goes on with where it may not open the stores.
  Inheritance inheritance();
  /// Tokens that are open now.
  std::vector<std::shared_ptr<Token>> open_tokens();

 private:
  struct Slot {
    std::string path;                // that was opened
    std::shared_ptr<Token> token;    // nothing: not to be used
    std::optional<Refusal> problem;  // why
    bool held_up = false;            // store::is_momentary: it is tried again when asked for
  };

  void scan_once();
  void rescan_locked();
  Slot slot_for(const store::FoundStore& store);
  void tell(const store::FoundStore& store, const std::string& reason);
  Slot& slot_locked(CK_SLOT_ID id);
  bool is_free_locked(CK_SLOT_ID id) const;
  /// The free slot for who does not make a token in it.
  bool is_shown_free_locked(CK_SLOT_ID id) const { return config_.free_slot != FreeSlot::kNever && is_free_locked(id); }
  /// Whether the free slot has an uninitialized token in it.
  bool free_has_token_locked() const;
  /// Throws Refusal CKR_TOKEN_NOT_PRESENT unless it has.
  std::shared_ptr<Token> free_token_locked() const;
  /// A store that could not be looked at, whatever it is.
  static bool is_absent(const Slot& slot) { return slot.problem && slot.held_up; }
  /// Why there can be no token now: the configuration is broken, or the directory cannot be read. A sentence, or empty.
  const std::string& obstacle() const { return broken_.empty() ? directory_->problem() : broken_; }
  /// The slot that stands for that.
  bool is_of_obstacle_locked(CK_SLOT_ID id) const;
  void note_listed_locked();
  std::string held_locked(CK_SLOT_ID id) const;
  std::string listed_in(CK_SLOT_ID id);

  const Config& config_;
  const std::string broken_;  // what is wrong with the configuration
  std::mutex mutex_;
  const std::unique_ptr<store::StoreDirectory> directory_;
  bool scanned_ = false;
  bool scanning_ = false;  // some slots may be out of the table
  std::map<CK_SLOT_ID, Slot> slots_;
  CK_SLOT_ID unused_ = 0;                     // the lowest id that is not in slots_
  std::map<CK_SLOT_ID, std::string> listed_;  // what each slot held when the application listed them
  CK_SLOT_ID listed_free_ = 0;                // the one that was free then
  std::map<std::string, std::string> told_;   // what the log has been told, by path
};

}  // namespace vtpm::pkcs11
