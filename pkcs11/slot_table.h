// The slots: every store in the store directory, and one free slot for the next C_InitToken.
//
// A slot's number is written in its store (entry token/info), given under a lock on the directory, so it never changes.
// A file that is no readable token keeps a slot too, and every call on it says why (CKR_TOKEN_NOT_RECOGNIZED …); it is
// never overwritten. Listing creates nothing.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "pkcs11/config.h"
#include "pkcs11/refusal.h"
#include "pkcs11/token.h"

namespace vtpm::pkcs11 {

class SlotTable {
 public:
  explicit SlotTable(const Config& config) : config_(config) {}

  /// Looks at the directory again: new stores get slots, removed ones lose them.
  void rescan();
  /// All slot ids, ascending; the free slot (when the configuration shows it) included.
  std::vector<CK_SLOT_ID> ids();
  /// Throws Refusal CKR_SLOT_ID_INVALID.
  void require(CK_SLOT_ID id);
  /// The token in a slot; nothing for the free slot. Throws Refusal: CKR_SLOT_ID_INVALID, CKR_TOKEN_NOT_RECOGNIZED, or
  /// what opening the store failed with.
  std::shared_ptr<Token> token(CK_SLOT_ID id);
  /// C_InitToken: makes a token in the free slot, or the one in the slot anew. `has_sessions` answers for a token.
  void initialise(CK_SLOT_ID id, ByteView so_pin, const std::string& label,
                  const std::function<bool(const Token&)>& has_sessions);
  /// In the child of a fork, where no call is that held the lock. Async-signal-safe.
  void make_locks_anew() noexcept;
  /// Tokens that are open now.
  std::vector<std::shared_ptr<Token>> open_tokens();

 private:
  struct Slot {
    std::string path;
    std::shared_ptr<Token> token;    // nothing: not readable
    std::optional<Refusal> problem;  // why
  };

  void scan_once();
  void rescan_locked();
  void open_locked(const std::string& path);
  CK_SLOT_ID unused_locked() const;
  Slot& slot_locked(CK_SLOT_ID id);
  bool is_free_locked(CK_SLOT_ID id) const;

  const Config& config_;
  std::mutex mutex_;
  bool scanned_ = false;
  bool scanning_ = false;  // some slots may be out of the table
  std::map<CK_SLOT_ID, Slot> slots_;
};

}  // namespace vtpm::pkcs11
