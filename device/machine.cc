// SPDX-License-Identifier: Apache-2.0
#include "device/machine.h"

#include <algorithm>

#include "base/error.h"
#include "tpm/host/device.h"

namespace vtpm::device {

using store::Protection;

namespace {

// What a commit adds to the records that the caller has put before the commands run.
constexpr size_t kLargestState = 160 * 1024;                 // libtpms' permanent state, with its NV memory full
constexpr size_t kOwnEntries = 4;                            // the state, and the deletions of a suspended machine
constexpr size_t kLaterRecords = 8, kLaterBytes = 4 * 1024;  // the caller's, put behind the commands; bytes of each

// A version in one word, as an engine wants it: numbers are below 2^62, and the multiples of this factor lie far apart.
uint64_t word_of(const Version& version) {
  return std::max<uint64_t>(version.number + version.rollbacks * 0x9e3779b97f4a7c15, 1);
}

// No older version of a TPM's state may be served in the place of a newer one: it would turn counters back, or hand a
// suspended machine out twice.
void put_blob(store::Transaction& transaction, const std::string& name, const char* type, ByteView blob) {
  transaction.put(name, type, Protection::kSealed, blob);
  transaction.forbid_rollback(name);
}

}  // namespace

/// The engine's view of the entries.
class Machine::State : public tpm::PermanentStateSource {
  // What `read` returns for the present count of rollbacks. It reads again when an older copy was put back meanwhile: a
  // count and a number of different moments would be the version of a state that does not exist yet.
  template <typename F>
  auto consistently(F&& read) const {
    for (;;) {
      const uint64_t rollbacks = vault_->rollbacks();
      auto seen = read(rollbacks);
      if (vault_->rollbacks() == rollbacks) return seen;
    }
  }

 public:
  State(std::shared_ptr<store::Vault> vault, const Entries& entries)
      : vault_(std::move(vault)), entry_(entries.permanent) {}

  uint64_t version() override {
    vault_->refresh_now();
    const auto found = now();
    if (!found) report_absence();
    return word_of(*found);
  }
  tpm::PermanentStateSource::State load() override {
    return consistently([&](uint64_t rollbacks) -> tpm::PermanentStateSource::State {
      auto blob = vault_->read(entry_);
      if (!blob) report_absence();
      return {word_of({rollbacks, blob->sequence}), std::move(blob->data)};
    });
  }
  std::optional<Version> now() const {
    return consistently([&](uint64_t rollbacks) -> std::optional<Version> {
      const auto entry = vault_->find(entry_);
      if (!entry) return std::nullopt;
      return Version{rollbacks, entry->sequence};
    });
  }

 private:
  [[noreturn]] void report_absence() const {
    throw Error(ErrorCode::kCorrupt,
                vault_->path() + " has no TPM state (entry " + entry_ + "): restore a backup, or make the token again");
  }
  const std::shared_ptr<store::Vault> vault_;
  const std::string entry_;
};

// --- Change ---

tpm::Engine& Change::engine() {
  require_open();
  return *engine_;
}

void Change::require_open() const {
  if (engine_ == nullptr)
    throw Error(ErrorCode::kLocked, "the TPM is not open: its store is locked, or its owner has closed it");
}

void Change::run(const std::function<void(tpm::BootedTpm&)>& commands) {
  tpm::Engine& engine = this->engine();
  transaction_.reserve(kLargestState + kLaterRecords * kLaterBytes, kOwnEntries + kLaterRecords);
  state_.reset();
  state_ = engine.change(commands);
}

// --- Machine ---

Machine::Machine(std::shared_ptr<store::Vault> vault, std::string_view name)
    : vault_(std::move(vault)), entries_(name), state_(std::make_shared<State>(vault_, entries_)) {}

Machine::~Machine() = default;

void Machine::place(store::Transaction& transaction, std::string_view name, ByteView permanent) {
  put_blob(transaction, Entries(name).permanent, kPermanentType, permanent);
}

void Machine::open(unsigned devices) {
  auto made = std::make_shared<tpm::Engine>(state_, devices);
  const std::lock_guard lock(mutex_);
  engine_.swap(made);
}

std::shared_ptr<tpm::Engine> Machine::close() {
  const std::lock_guard lock(mutex_);
  return std::move(engine_);
}

std::shared_ptr<tpm::Engine> Machine::engine() const {
  const std::lock_guard lock(mutex_);
  return engine_;
}

std::optional<Version> Machine::version() const { return state_->now(); }

SecretBytes Machine::state() const { return state_->load().permanent; }

void Machine::put_state(store::Transaction& transaction, ByteView permanent) const {
  put_blob(transaction, entries_.permanent, kPermanentType, permanent);
  erase_suspended(transaction);
}

void Machine::change(const std::function<void(Change&)>& body) {
  const std::shared_ptr<tpm::Engine> engine = this->engine();
  // What ends the change before it is committed takes the commands back.
  struct Pending {
    tpm::Engine* engine;
    ~Pending() {
      if (engine != nullptr) engine->discard();
    }
  } pending{engine.get()};
  bool has_state = false;
  Version version;
  const store::Committed committed = vault_->change([&](store::Transaction& transaction) {
    if (engine) engine->discard();  // the commands of a run that the log did not take
    // Read here: no older copy can be put in front of the commit, but one may be put behind it before `change` returns.
    version.rollbacks = vault_->rollbacks();
    Change change(engine.get(), transaction);
    body(change);
    has_state = change.state_.has_value();
    if (has_state) put_state(transaction, *change.state_);
  });
  if (!has_state) return;
  pending.engine = nullptr;
  // Another process may have committed since the lock was released: then the next reader loads its state.
  version.number = committed.sequence_of(entries_.permanent);
  engine->committed(word_of(version));
}

void Machine::refuse_rolled_back() const {
  if (vault_->rollbacks() == 0) return;
  throw Error(ErrorCode::kTampered,
              vault_->path() + ": an older copy of the store was put in its place (its entry " +
                  vault_->rolled_back_name() +
                  " is not the one that was read before), so the TPM's counters and NV areas are not to be relied on");
}

SecretBytes Machine::execute(ByteView command, Stores stores) {
  SecretBytes response;
  std::optional<SecretBytes> stored;
  const auto run = [&] {
    refuse_rolled_back();
    tpm::Engine::inspect(state(), [&](tpm::BootedTpm& tpm) {
      response = tpm.execute(command);
      stored = tpm.device().take_stored();
    });
  };
  if (stores == Stores::kNo) {
    vault_->refresh_now();
    run();
  }
  if (stores == Stores::kMaybe || stored) {
    vault_->change([&](store::Transaction& transaction) {
      transaction.reserve(kLargestState, kOwnEntries);
      run();
      if (stored) put_state(transaction, *stored);
    });
  }
  if (!stored) vault_->make_durable();  // the response may show what was committed and could not be synced
  return response;
}

void Machine::replace(ByteView permanent, const Suspended* suspended,
                      const std::function<void(store::Transaction&)>& records) {
  vault_->change([&](store::Transaction& transaction) {
    put_state(transaction, permanent);
    if (suspended != nullptr) {
      put_blob(transaction, entries_.suspended_permanent, kPermanentType, suspended->permanent);
      if (const auto& blob = suspended->rest.volatile_state)
        put_blob(transaction, entries_.suspended_volatile, kVolatileType, *blob);
      if (const auto& blob = suspended->rest.save_state)
        put_blob(transaction, entries_.suspended_save, kSaveType, *blob);
    }
    if (records) records(transaction);
  });
  if (const auto engine = this->engine()) engine->forget();
}

// --- a suspended machine ---

std::optional<Suspended> Machine::suspended() const {
  vault_->refresh_now();
  return read_suspended();
}

std::optional<Suspended> Machine::read_suspended() const {
  const auto read = [&](const std::string& name) -> std::optional<SecretBytes> {
    auto blob = vault_->read(name);
    if (!blob) return std::nullopt;
    return std::move(blob->data);
  };
  auto permanent = read(entries_.suspended_permanent);
  if (!permanent) return std::nullopt;
  return Suspended{std::move(*permanent), {read(entries_.suspended_volatile), read(entries_.suspended_save)}};
}

void Machine::erase_suspended(store::Transaction& transaction) const {
  for (const std::string* name :
       {&entries_.suspended_permanent, &entries_.suspended_volatile, &entries_.suspended_save}) {
    if (vault_->find(*name)) transaction.erase(*name);
  }
}

void Machine::release_suspended(const Suspended& machine) {
  const auto is_same = [](const std::optional<SecretBytes>& one, const std::optional<SecretBytes>& other) {
    return one.has_value() == other.has_value() && (!one || equal(*one, *other));
  };
  vault_->change([&](store::Transaction& transaction) {
    const auto now = read_suspended();
    if (!now || !equal(now->permanent, machine.permanent) ||
        !is_same(now->rest.volatile_state, machine.rest.volatile_state) ||
        !is_same(now->rest.save_state, machine.rest.save_state)) {
      throw Error(ErrorCode::kNotFound,
                  vault_->path() +
                      " does not contain this suspended machine any more, because it was handed out or its "
                      "TPM was changed: run the export again");
    }
    erase_suspended(transaction);
  });
}

void Machine::forget_suspended() {
  if (!vault_->find(entries_.suspended_permanent)) return;
  vault_->change([&](store::Transaction& transaction) { erase_suspended(transaction); });
}

void Machine::after_fork() noexcept {
  if (engine_) engine_->after_fork();
}

}  // namespace vtpm::device
