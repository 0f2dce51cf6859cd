// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/session/slot_table.h"

#include <algorithm>
#include <new>

#include "base/locks_after_fork.h"
#include "base/waiting.h"
#include "crypto/library/random.h"
#include "crypto/library/want_of_memory.h"

namespace vtpm::pkcs11 {
namespace {

constexpr std::string_view kName = "the list of slots";

std::string file_name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

void SlotTable::scan_once() {
  if (scanned_) return;
  rescan_locked();
  note_listed_locked();
}

void SlotTable::rescan() {
  const auto lock = lock_within_limit(mutex_, kName);
  rescan_locked();
}

void SlotTable::rescan_locked() {
  struct Closing {
    store::StoreDirectory& directory;
    ~Closing() { directory.close_unused(); }
  } closing{*directory_};
  scanning_ = true;
  directory_->refresh();
  if (!directory_->problem().empty() && reported_.emplace("", directory_->problem()).second)
    log_line(LogLevel::kError, directory_->problem());
  if (directory_->problem().empty()) reported_.erase("");
  const auto& stores = directory_->stores();
  std::erase_if(reported_, [&](const auto& reported) {
    return !reported.first.empty() &&
           std::none_of(stores.begin(), stores.end(), [&](const auto& store) { return store.path == reported.first; });
  });
  std::map<CK_SLOT_ID, Slot> now;
  for (const store::FoundStore& store : stores) {
    if (store.number) {
      now.emplace(*store.number, slot_for(store));
    } else {
      report(store, store.reason);
    }
  }
  // Marks tokens that were removed or initialized anew, or that have another slot now.
  for (const auto& [id, slot] : slots_) {
    const auto still = now.find(id);
    if (slot.token && (still == now.end() || still->second.token != slot.token)) slot.token->mark_removed();
  }
  slots_ = std::move(now);
  unused_ = directory_->unused_number();
  scanned_ = true;
  scanning_ = false;
}

void SlotTable::make_locks_anew() noexcept {
  make_anew(mutex_);
  if (scanning_) scanned_ = false;  // the thread that read the directory at the fork does not exist here
}

SlotTable::Slot SlotTable::slot_for(const store::FoundStore& store) {
  Slot slot{store.leads_to, nullptr, std::nullopt, store.held_up};
  std::string reason = store.reason;
  if (store.standing == store::Standing::kServed) {
    try {
      const auto known = slots_.find(*store.number);
      if (known != slots_.end() && known->second.token && known->second.path == slot.path &&
          equal(known->second.token->uuid(), store.uuid) && known->second.token->present()) {
        reported_.erase(store.path);
        return known->second;
      }
      slot.token = Token::open(directory_->open(store), config_);
      reported_.erase(store.path);
      return slot;
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kNoMemory || crypto::wanted_memory()) throw;
      slot.held_up = store::is_momentary(error);
      reason = error.sentence();
    }
  }
  // Two codes: one for stores that cannot be used, and one for stores that may be intact but cannot be read now. With
  // these, pkcs11-tool and libp11 list the slots after this one; any other code makes them give up. The diagnostic log
  // has the reason. The file is never written to.
  slot.problem.emplace(slot.held_up ? CKR_TOKEN_NOT_PRESENT : CKR_TOKEN_NOT_RECOGNIZED, reason);
  report(store, reason);
  return slot;
}

void SlotTable::report(const store::FoundStore& store, const std::string& reason) {
  std::string& reported = reported_[store.path];
  if (reported == reason) return;
  reported = reason;
  log_line(store.standing == store::Standing::kCopy ? LogLevel::kWarning : LogLevel::kError, reason);
}

bool SlotTable::is_free_locked(CK_SLOT_ID id) const {
  // The id of the free slot stays valid until the application lists the slots again.
  return obstacle().empty() && !directory_->out_of_reach() && !slots_.contains(id) &&
         (id == unused_ || id == listed_free_);
}

// Applications that try every slot with a token treat the free one as a broken token if there are others.
bool SlotTable::free_has_token_locked() const {
  if (config_.free_slot == FreeSlot::kUntilAStore) return directory_->stores().empty();
  return config_.free_slot == FreeSlot::kAlways;
}

std::shared_ptr<Token> SlotTable::free_token_locked() const {
  refuse_if(!free_has_token_locked(), CKR_TOKEN_NOT_PRESENT, "the slot has no token yet (C_InitToken makes one)");
  return nullptr;
}

bool SlotTable::is_of_obstacle_locked(CK_SLOT_ID id) const {
  return !obstacle().empty() && !slots_.contains(id) && (id == unused_ || id == listed_free_);
}

std::string SlotTable::held_locked(CK_SLOT_ID id) const {
  const auto found = slots_.find(id);
  if (found == slots_.end()) return "";
  return found->second.token ? to_hex(found->second.token->uuid()) : found->second.path;
}

void SlotTable::note_listed_locked() {
  listed_.clear();
  for (const auto& [id, slot] : slots_) listed_.emplace(id, held_locked(id));
  listed_free_ = unused_;
}

std::vector<CK_SLOT_ID> SlotTable::ids(bool with_token) {
  const auto lock = lock_within_limit(mutex_, kName);
  scan_once();
  note_listed_locked();
  std::vector<CK_SLOT_ID> ids;
  for (const auto& [id, slot] : slots_) {
    if (!with_token || !is_absent(slot)) ids.push_back(id);
  }
  const bool free = config_.free_slot != FreeSlot::kNever && !directory_->out_of_reach();
  const bool shown = !obstacle().empty() || free;
  const bool has_token = obstacle().empty() && free_has_token_locked();
  if (shown && (has_token || !with_token)) ids.insert(std::upper_bound(ids.begin(), ids.end(), unused_), unused_);
  return ids;
}

SlotTable::Slot& SlotTable::slot_locked(CK_SLOT_ID id) {
  auto found = slots_.find(id);
  if (found == slots_.end()) refuse(CKR_SLOT_ID_INVALID, "there is no slot " + std::to_string(id));
  return found->second;
}

void SlotTable::require(CK_SLOT_ID id) {
  const auto lock = lock_within_limit(mutex_, kName);
  scan_once();
  if (!is_shown_free_locked(id) && !is_of_obstacle_locked(id)) slot_locked(id);
}

SlotTable::Description SlotTable::describe(CK_SLOT_ID id) {
  const auto lock = lock_within_limit(mutex_, kName);
  scan_once();
  const std::string usual = "vtpm-pkcs11 slot " + std::to_string(id);
  if (is_of_obstacle_locked(id) && config_.broken())
    return {"broken configuration, see vtpm-token config check", false};
  if (is_of_obstacle_locked(id)) {
    // The path comes first, because it distinguishes two such slots and the field is short.
    return {"cannot read " + config_.store_dir, false};
  }
  if (is_shown_free_locked(id)) return {usual, free_has_token_locked()};
  const Slot& slot = slot_locked(id);
  return {slot.problem ? usual + ": cannot use " + file_name_of(slot.path) : usual, !is_absent(slot)};
}

std::shared_ptr<Token> SlotTable::token(CK_SLOT_ID id) {
  const auto lock = lock_within_limit(mutex_, kName);
  scan_once();
  // Another process may have made its token there meanwhile, or the permissions of the directory may have changed.
  if (is_free_locked(id) || is_of_obstacle_locked(id)) rescan_locked();
  if (is_of_obstacle_locked(id)) refuse(CKR_TOKEN_NOT_PRESENT, obstacle());
  if (is_shown_free_locked(id)) return free_token_locked();
  Slot* slot = &slot_locked(id);
  const bool may_have_changed = slot->token ? !slot->token->present() : slot->held_up;
  if (may_have_changed) {
    rescan_locked();
    if (is_shown_free_locked(id)) return free_token_locked();  // the store was removed, and the slot is free
    slot = &slot_locked(id);
  }
  if (slot->problem) throw *slot->problem;
  return slot->token;
}

std::shared_ptr<Token> SlotTable::token_as_listed(CK_SLOT_ID id) {
  const auto lock = lock_within_limit(mutex_, kName);
  scan_once();
  if (is_of_obstacle_locked(id)) refuse(CKR_TOKEN_NOT_PRESENT, obstacle());
  const auto found = slots_.find(id);
  return found == slots_.end() ? nullptr : found->second.token;
}

std::string SlotTable::listed_in(CK_SLOT_ID id) {
  const auto lock = lock_within_limit(mutex_, kName);
  scan_once();
  if (is_of_obstacle_locked(id)) refuse(CKR_TOKEN_NOT_PRESENT, obstacle());
  if (!is_free_locked(id)) slot_locked(id);
  const auto listed = listed_.find(id);
  return listed == listed_.end() ? "" : listed->second;
}

void SlotTable::initialize(CK_SLOT_ID id, ByteView so_pin, const std::string& label,
                           const std::function<bool(const Token&)>& has_sessions) {
  const std::string expected = listed_in(id);
  // The PIN of an existing token is compared with its own; CKR_PIN_LEN_RANGE is for PINs that are set (PKCS#11 3.2,
  // 5.1.6).
  refuse_if(expected.empty() && (so_pin.size() < kPinLeast || so_pin.size() > kPinMost), CKR_PIN_LEN_RANGE,
            "PIN length out of range (4 to 255 bytes)");
  refuse_if(
      config_.store_dir.empty(), CKR_DEVICE_ERROR,
      "there is no store directory: neither the configuration nor a home directory or $STATE_DIRECTORY yields one "
      "(set store_dir)");
  const std::shared_ptr<Token> predecessor = token_as_listed(id);
  refuse_if(predecessor && predecessor->inherited(), CKR_TOKEN_WRITE_PROTECTED,
            "this process may not open the store of the token, and only reads it");
  directory_->make();
  // The delay of the SO's login blocks neither other slots nor other calls that make tokens.
  std::optional<store::Vault::Turn> turn;
  try {
    if (predecessor && !expected.empty()) turn.emplace(predecessor->login().take_turn(Who::kSo));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kReplaced) throw;  // what stands there instead is found out below
  }
  const auto lock_of_directory = directory_->lock();
  const auto lock = lock_within_limit(mutex_, kName);
  rescan_locked();
  if (!obstacle().empty()) refuse(CKR_DEVICE_ERROR, obstacle());
  refuse_if(held_locked(id) != expected, CKR_FUNCTION_FAILED,
            "another process has made, replaced or removed the token in this slot since the slots were listed; nothing "
            "was changed");
  if (expected.empty()) {
    const std::string serial = to_hex(crypto::random_bytes(8));
    Token::initialize(directory_->path_of(serial), config_, {label, serial, id}, so_pin, /*replace=*/false);
  } else {
    Slot& slot = slot_locked(id);
    if (slot.problem) throw *slot.problem;
    refuse_if(has_sessions(*slot.token), CKR_SESSION_EXISTS, "the token has open sessions");
    refuse_if(slot.token->read_only(), CKR_TOKEN_WRITE_PROTECTED, "the store is read-only");
    SecretBytes state;
    if (config_.keep_identity) {
      state = slot.token->login().surrender(so_pin);
    } else {
      slot.token->login().check_so_pin(so_pin);
    }
    // The slot keeps its id, even if the store has another one, and the age that decides which of two stores keeps an
    // id.
    Identity identity = slot.token->identity();
    identity.label = label;
    identity.slot = id;
    Token::initialize(slot.path, config_, identity, so_pin, /*replace=*/true, state);
  }
  rescan_locked();
  listed_[id] = held_locked(id);
}

SlotTable::Inheritance SlotTable::inheritance() {
  const auto lock = lock_within_limit(mutex_, kName);
  return directory_->inheritance();
}

std::vector<std::shared_ptr<Token>> SlotTable::open_tokens() {
  const auto lock = lock_within_limit(mutex_, kName);
  std::vector<std::shared_ptr<Token>> tokens;
  for (const auto& [id, slot] : slots_) {
    if (slot.token) tokens.push_back(slot.token);
  }
  return tokens;
}

}  // namespace vtpm::pkcs11
