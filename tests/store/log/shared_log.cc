// SPDX-License-Identifier: Apache-2.0
#include "tests/store/log/shared_log.h"

#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <stdexcept>

#include "base/error.h"
#include "base/process.h"
#include "base/waiting.h"
#include "store/file/file.h"
#include "store/log/file_log.h"
#include "store/log/log_at_path.h"

namespace vtpm::store {
namespace {

// --- the memory ---

constexpr size_t kRegionBytes = size_t{1} << 30;  // of addresses; what is not written takes no memory
constexpr size_t kMostLogs = 4096, kMostPath = 512, kTransactions = 1024;

/// A mutex of several processes. If a process ends while it holds it, what the mutex guards is consistent.
class SharedMutex {
 public:
  void make() {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&mutex_, &attributes);
    pthread_mutexattr_destroy(&attributes);
  }
  void lock() { consistent(pthread_mutex_lock(&mutex_)); }
  bool try_lock() { return consistent(pthread_mutex_trylock(&mutex_)); }
  /// Does nothing in the child of a fork, whose parent holds it.
  void unlock() { pthread_mutex_unlock(&mutex_); }

 private:
  bool consistent(int result) {
    if (result == EOWNERDEAD) pthread_mutex_consistent(&mutex_);
    return result == 0 || result == EOWNERDEAD;
  }
  pthread_mutex_t mutex_;
};

/// An entry: its bytes follow.
struct Node {
  Node* next;
  uint32_t length;
  uint8_t* bytes() { return reinterpret_cast<uint8_t*>(this + 1); }
  ByteView view() { return {bytes(), length}; }
  MutableByteView writable() { return {bytes(), length}; }
};

struct List {
  Node* first = nullptr;
  Node* final = nullptr;
};

/// A store.
struct Head {
  SharedMutex mutex, login, officer;  // `mutex` guards what follows
  char path[kMostPath];
  bool placed, gone;
  Uuid uuid;
  Salt salt;
  Cipher cipher;
  uint64_t created;
  uint64_t last;        // number
  uint64_t generation;  // of the list; a rewrite makes a new one
  List list;
  uint64_t made[kTransactions];   // the ids of the last transactions, each at its remainder
  std::atomic<uint64_t> version;  // rises with every change
};

struct Region {
  SharedMutex mutex;  // of the table; never taken inside a Head's
  std::atomic<size_t> used;
  std::atomic<uint64_t> transactions;
  std::atomic<size_t> logs;
  Head heads[kMostLogs];
};

Region* make_region() {
  void* memory =
      ::mmap(nullptr, kRegionBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  auto* made = static_cast<Region*>(memory);  // all of it is zeros, and what is not used takes no memory
  made->mutex.make();
  made->used = (sizeof(Region) + 15) / 16 * 16;
  return made;
}

Region* const region = make_region();  // before any fork

Node* new_node(ByteView bytes) {
  const size_t size = (sizeof(Node) + bytes.size() + 15) / 16 * 16;
  const size_t at = region->used.fetch_add(size);
  if (at + size > kRegionBytes) throw Error(ErrorCode::kNoSpace, "the memory of the tests' logs is full");
  auto* node = new (reinterpret_cast<uint8_t*>(region) + at) Node{nullptr, static_cast<uint32_t>(bytes.size())};
  std::copy(bytes.begin(), bytes.end(), node->bytes());
  return node;
}

Head* find_head(const std::string& path) {
  for (size_t i = region->logs; i-- > 0;) {
    Head& head = region->heads[i];
    if (head.placed && !head.gone && path == head.path) return &head;
  }
  return nullptr;
}

struct Counters {
  std::atomic<uint64_t> bodies{0}, commits{0}, conflicts{0}, lost_made{0}, lost_unmade{0}, sent{0};
} counters;

std::atomic<int> lagging{0};

// --- the log ---

class SharedLog final : public EntryLog {
 public:
  SharedLog(Head& head, std::string path, bool read_only)
      : head_(head), path_(std::move(path)), read_only_(read_only), process_(this_process()) {
    catch_up();
  }
  ~SharedLog() override {
    if (!head_.placed) head_.gone = true;
  }

  static std::unique_ptr<SharedLog> make(const std::string& path, NewLog fresh) {
    if (path.size() >= kMostPath) throw Error(ErrorCode::kInvalidArgument, path + " is too long for a test");
    const std::lock_guard one(region->mutex);
    if (region->logs == kMostLogs) throw Error(ErrorCode::kNoSpace, "the tests make too many logs");
    Head& head = region->heads[region->logs];
    head.mutex.make();
    head.login.make();
    head.officer.make();
    std::copy(path.begin(), path.end(), head.path);
    head.uuid = fresh.uuid;
    head.salt = fresh.salt;
    head.cipher = fresh.cipher;
    head.created = fresh.created;
    append(head, plain(std::move(fresh.first)));
    ++region->logs;
    auto log = std::make_unique<SharedLog>(head, path, false);
    log->replaces_ = fresh.replace;
    return log;
  }

  const std::string& path() const override { return path_; }
  Uuid uuid() const override { return head_.uuid; }
  Salt salt() const override { return head_.salt; }
  Cipher cipher() const override { return head_.cipher; }
  uint64_t created() const override { return head_.created; }
  bool read_only() const override { return read_only_; }
  bool inherited() const override { return false; }
  Limits limits() const override { return {1 << 20, 120}; }
  void report_to(Reporter reporter) override { reporter_ = std::move(reporter); }
  void report(const std::string& sentence) const override {
    if (reporter_) reporter_(sentence);
  }
  std::vector<std::string> findings() const override { return {}; }
  bool truncated() const override { return false; }
  uint64_t rollbacks() const override { return 0; }
  std::string rolled_back_name() const override { return {}; }

  bool refresh() override {
    if (!lagging) return refresh_now();
    usable();
    return false;
  }
  bool refresh_now() override {
    usable();
    return head_.version != seen_ && catch_up();
  }
  void make_durable() override { reopen_if_forked(); }

  uint64_t cursor() const override {
    const std::lock_guard gate(gate_);
    return cursor_;
  }
  size_t names() const override {
    const std::lock_guard gate(gate_);
    return names_.size();
  }
  bool visit_changes(uint64_t cursor, const Visit& visit) const override {
    usable();
    const std::lock_guard gate(gate_);
    std::vector<const Names::value_type*> changed;
    for (const auto& item : names_) {
      if (item.second.change > cursor) changed.push_back(&item);
    }
    std::sort(changed.begin(), changed.end(), [](auto* a, auto* b) { return a->second.change < b->second.change; });
    for (const auto* item : changed) visit(item->first, item->second.record);
    return false;
  }
  void looked_at(uint64_t) override {}
  std::vector<std::pair<std::string, EntryRecord>> list(std::string_view prefix) const override {
    usable();
    const std::lock_guard gate(gate_);
    std::vector<std::pair<std::string, EntryRecord>> out;
    for (const auto& [name, item] : names_) {
      if (!item.record.deleted && name.compare(0, prefix.size(), prefix) == 0) out.emplace_back(name, item.record);
    }
    return out;
  }
  std::optional<EntryRecord> find(std::string_view name) const override {
    usable();
    auto record = current(name);
    if (record && record->deleted) record.reset();
    return record;
  }
  std::optional<StoredEntry> read(std::string_view name) const override {
    usable();
    const std::lock_guard gate(gate_);
    const auto place = names_.find(name);
    if (place == names_.end() || place->second.record.deleted) return std::nullopt;
    const std::string what = "'" + std::string(name) + "' in " + path_;
    switch (place->second.record.state) {
      case NameStatus::kTampered:
        throw Error(ErrorCode::kTampered, what + " was tampered with");
      case NameStatus::kRefused:
        throw Error(ErrorCode::kTooNew, what + " was written by a newer version");
      case NameStatus::kDamaged:
        throw Error(ErrorCode::kCorrupt, what + " is damaged");
      case NameStatus::kCurrent:
        break;
    }
    return stored(place->second);
  }
  std::optional<StoredEntry> examine(std::string_view name) const override {
    const std::lock_guard gate(gate_);
    const auto place = names_.find(name);
    if (place == names_.end() || !place->second.node || place->second.record.state != NameStatus::kCurrent)
      return std::nullopt;
    return stored(place->second);
  }
  void mark_tampered(const std::string& name, uint64_t number) override {
    const std::lock_guard gate(gate_);
    const auto place = names_.find(name);
    if (place == names_.end() || place->second.record.facts.sequence.number != number) return;
    place->second.record.state = NameStatus::kTampered;
    place->second.record.deleted = false;
    place->second.change = ++cursor_;
  }

  std::unique_ptr<Claim> claim(Role role) override {
    usable();
    if (read_only_) return std::make_unique<HeldClaim>(nullptr);
    SharedMutex& mutex = role == Role::kLogin ? head_.login : head_.officer;
    wait_until([&] { return mutex.try_lock(); }, path_, Wait::For::kAnyone);
    return std::make_unique<HeldClaim>(&mutex);
  }

  Appended change(const Body& body) override {
    const uint64_t id = ++region->transactions;
    for (bool is_first = true;; is_first = false) {
      writable();
      refresh_now();
      const uint64_t version = seen_;
      ++counters.bodies;
      ChangeOfShared running(*this);
      Proposal proposal = body(running);
      if (proposal.drafts.empty()) return {};
      Commit commit{id, version, plain(std::move(proposal.drafts)), proposal.retired, proposal.visible, {}};
      check_limits(commit.drafts);
      if (is_first || !is_made(commit)) {
        ++counters.conflicts;
        continue;
      }
      ++counters.commits;
      return commit.appended;
    }
  }
  std::optional<Appended> try_change(const Body& body) override { return change(body); }
  // A claim of this log is never lost.
  std::optional<Appended> change_under(const std::vector<const Claim*>&, const Body& body) override {
    return change(body);
  }

  bool rewrite(const Claim&, const std::function<std::optional<Rewriting>(Change&)>& body) override {
    for (bool is_first = true;; is_first = false) {
      writable();
      refresh_now();
      const uint64_t version = seen_;
      ++counters.bodies;
      ChangeOfShared running(*this);
      const auto rewriting = body(running);
      if (!rewriting) return false;
      const std::lock_guard head(head_.mutex);
      if (is_first || head_.version != version) {
        ++counters.conflicts;
        continue;
      }
      size_t done = 0;
      const size_t all = names();
      const auto show = [&] {
        if (rewriting->progress) rewriting->progress(std::min(done++, all), all);
      };
      write_anew([&](const EntryView& entry) {
        show();
        return rewriting->entry(entry);
      });
      done = all;
      show();
      append(head_, plain(rewriting->added));
      apply_what_is_new();
      if (rewriting->done) rewriting->done();
      return true;
    }
  }
  void compact(const Progress& progress) override {
    writable();
    if (progress) progress(0, 1);
    const std::lock_guard head(head_.mutex);
    apply_what_is_new();
    write_anew([](const EntryView& entry) { return to_bytes(entry.bytes); });
    apply_what_is_new();
    if (progress) progress(1, 1);
  }
  void remove() override {
    writable();
    {
      const std::lock_guard table(region->mutex);
      head_.gone = true;
    }
    posix_file_system().remove(path_);
  }
  void place() override {
    FileSystem& files = posix_file_system();
    const std::lock_guard table(region->mutex);
    Head* const there = find_head(path_);
    if (files.id_of(path_) && !replaces_) throw Error(ErrorCode::kExists, path_ + " exists already");
    const std::string temporary = path_ + ".marker";
    if (files.id_of(temporary)) files.remove(temporary);
    files.create(temporary)->write_at(0,
                                      make_store_image(head_.uuid, head_.salt, {}, head_.created, 4096, head_.cipher));
    files.rename(temporary, path_, false);
    if (there) there->gone = true;
    head_.placed = true;
  }
  void close_after_fork() noexcept override {}
  void reopen_after_fork() override {
    new (&gate_) std::mutex;  // a thread that held it stayed behind in the parent
    process_ = this_process();
    check_usable();
  }

 private:
  struct Item {
    EntryRecord record;
    Node* node = nullptr;
    uint64_t change = 0;
  };
  using Names = std::map<std::string, Item, std::less<>>;

  class HeldClaim final : public Claim {
   public:
    explicit HeldClaim(SharedMutex* mutex) : mutex_(mutex) {}
    ~HeldClaim() override {
      if (mutex_) mutex_->unlock();
    }

   private:
    SharedMutex* mutex_;
  };

  class ChangeOfShared final : public Change {
   public:
    explicit ChangeOfShared(SharedLog& log) : log_(log) {}
    std::optional<EntryRecord> peek(std::string_view name) const override { return log_.current(name); }
    bool visit_changes(uint64_t cursor, const Visit& visit) const override { return log_.visit_changes(cursor, visit); }
    void reserve(uint64_t, size_t entries) override { log_.check_limits(entries); }

   private:
    SharedLog& log_;
  };

  /// A transaction that is sent, perhaps more than once.
  struct Commit {
    uint64_t id = 0, version = 0;  // `version`: of the log, for which it was made
    std::vector<Draft> drafts;
    std::vector<std::string> retired;
    std::function<void(uint64_t before, uint64_t after)> visible;
    Appended appended;
  };
  enum class Answer { kMade, kConflict, kLost };

  // Resolves what the network leaves open. True: it was made, once. False: it was not, and never will be.
  bool is_made(Commit& commit) {
    for (;;) {
      switch (send(commit)) {
        case Answer::kMade:
          return true;
        case Answer::kConflict:
          return false;
        case Answer::kLost:
          break;
      }
      const std::lock_guard head(head_.mutex);
      if (head_.made[commit.id % kTransactions] == commit.id) return true;
      // Nothing shows it: the same transaction is sent again, for the same version.
    }
  }

  Answer send(Commit& commit) {
    const uint64_t which = ++counters.sent % 3;
    const std::lock_guard head(head_.mutex);
    if (head_.gone || head_.version != commit.version) return Answer::kConflict;
    if (which == 1) {
      ++counters.lost_unmade;
      return Answer::kLost;
    }
    for (const std::string& name : commit.retired) wipe(name);
    const uint64_t before = cursor();
    commit.appended.first = head_.last + 1;
    append(head_, commit.drafts);
    head_.made[commit.id % kTransactions] = commit.id;
    apply_what_is_new();
    if (commit.visible) commit.visible(before, cursor());
    if (which == 2) return Answer::kMade;
    ++counters.lost_made;
    return Answer::kLost;
  }

  void check_limits(size_t entries) const {
    if (entries <= limits().entries) return;
    throw Error(ErrorCode::kNoSpace, path_ + " takes no change of " + std::to_string(entries) + " entries");
  }
  void check_limits(const std::vector<Draft>& drafts) const {
    check_limits(drafts.size());
    for (const LogEntry& entry : encode_transaction(head_.salt, drafts, 1, 0).entries) {
      if (entry.length <= limits().entry_bytes) continue;
      throw Error(ErrorCode::kNoSpace, path_ + " takes no entry of " + std::to_string(entry.length) + " bytes");
    }
  }
  void check_usable() const {
    if (!head_.gone) return;
    throw Error(ErrorCode::kReplaced, path_ + " was removed, or initialized again, by another process");
  }
  void usable() const {
    reopen_if_forked();
    check_usable();
  }
  void writable() const {
    usable();
    if (read_only_) throw Error(ErrorCode::kReadOnly, path_ + " can only be read");
  }
  void reopen_if_forked() const {
    if (process_ != this_process()) const_cast<SharedLog*>(this)->reopen_after_fork();
  }

  /// This log needs no second copies.
  static std::vector<Draft> plain(std::vector<Draft> drafts) {
    for (Draft& draft : drafts) draft.twice = false;
    return drafts;
  }

  // The head is locked, or no other process knows it.
  static void append(Head& head, const std::vector<Draft>& drafts) {
    if (drafts.empty()) return;
    const uint64_t first = head.last + 1;
    const Encoded encoded = encode_transaction(head.salt, drafts, first, first - 1);
    for (const LogEntry& entry : encoded.entries)
      link(head.list, ByteView(encoded.bytes).subspan(entry.offset, entry.length));
    head.last = first + encoded.entries.size() - 1;
    ++head.version;
  }
  static void link(List& list, ByteView bytes) {
    Node* const node = new_node(bytes);
    (list.first ? list.final->next : list.first) = node;
    list.final = node;
  }

  // The head is locked.
  void wipe(const std::string& name) {
    const std::lock_guard gate(gate_);
    const auto place = names_.find(name);
    if (place == names_.end() || !place->second.node) return;
    wipe_slot_secrets(head_.salt, place->second.node->writable());
  }

  // A new list of what lives. The head is locked, and this process knows all of it.
  void write_anew(const std::function<Bytes(const EntryView& entry)>& write) {
    const std::lock_guard gate(gate_);
    List fresh;
    for (Node* node = head_.list.first; node; node = node->next) {
      const EntryView view = parse_entry(node->view()).value();
      const auto place = names_.find(view.name);
      const bool lives = place != names_.end() && place->second.node == node && !place->second.record.deleted;
      const Bytes bytes = lives ? write(view) : Bytes();
      if (!bytes.empty()) link(fresh, bytes);
    }
    for (Node* node = head_.list.first; node; node = node->next) {
      if (parse_entry(node->view())->type == type::kKeySlot) wipe_slot_secrets(head_.salt, node->writable());
    }
    head_.list = fresh;
    ++head_.generation;
    ++head_.version;
  }

  bool catch_up() {
    const std::lock_guard head(head_.mutex);
    return apply_what_is_new();
  }

  // The head is locked.
  bool apply_what_is_new() {
    const std::lock_guard gate(gate_);
    const uint64_t before = cursor_;
    if (generation_ == head_.generation) {
      for (Node* node = applied_ ? applied_->next : head_.list.first; node; node = node->next) {
        apply(names_, node, cursor_);
        applied_ = node;
      }
    } else {
      follow();
    }
    seen_ = head_.version.load();
    return cursor_ != before;
  }

  void follow() {
    Names fresh;
    uint64_t unused = 0;
    for (Node* node = head_.list.first; node; node = node->next) apply(fresh, node, unused);
    std::vector<Item*> changed;
    for (auto& [name, item] : fresh) {
      const auto known = names_.find(name);
      const bool same = known != names_.end() && known->second.record.deleted == item.record.deleted &&
                        known->second.record.facts.sequence.number == item.record.facts.sequence.number;
      if (same) {
        item.change = known->second.change;
        item.record.state = known->second.record.state;
      } else {
        changed.push_back(&item);
      }
    }
    for (auto& [name, item] : names_) {
      if (fresh.contains(name)) continue;
      Item& gone = fresh.emplace(name, std::move(item)).first->second;
      gone.node = nullptr;
      if (std::exchange(gone.record.deleted, true)) continue;
      gone.record.state = NameStatus::kCurrent;
      ++gone.record.facts.sequence.number;
      gone.change = ++cursor_;
    }
    std::sort(changed.begin(), changed.end(), [](const Item* a, const Item* b) {
      return a->record.facts.sequence.number < b->record.facts.sequence.number;
    });
    for (Item* item : changed) item->change = ++cursor_;
    names_ = std::move(fresh);
    generation_ = head_.generation;
    applied_ = head_.list.final;
  }

  static void apply(Names& names, Node* node, uint64_t& cursor) {
    EntryFacts facts = facts_of(parse_entry(node->view()).value());
    Item& item = names[facts.name];
    const bool live = item.node && !item.record.deleted;
    EntryRecord record{std::move(facts), false, NameStatus::kCurrent};
    if (record.facts.refused) record.state = NameStatus::kRefused;
    record.deleted = record.facts.deleted && !record.facts.refused;
    if (live && RecordView(item.record).bound() && !RecordView(record).bound() && !record.facts.refused) return;
    item.record = std::move(record);
    item.node = node;
    item.change = ++cursor;
  }

  std::optional<EntryRecord> current(std::string_view name) const {
    const std::lock_guard gate(gate_);
    const auto place = names_.find(name);
    if (place == names_.end()) return std::nullopt;
    return place->second.record;
  }
  static StoredEntry stored(const Item& item) {
    return {item.record.facts.sequence.number, to_bytes(item.node->view())};
  }

  Head& head_;
  const std::string path_;
  const bool read_only_;
  bool replaces_ = false;
  Reporter reporter_;
  std::atomic<pid_t> process_;
  mutable std::mutex gate_;  // behind the head's
  Names names_;
  uint64_t cursor_ = 0;
  uint64_t generation_ = 0;
  Node* applied_ = nullptr;
  std::atomic<uint64_t> seen_{0};  // the version
};

}  // namespace

SharedLogLags::SharedLogLags() { ++lagging; }
SharedLogLags::~SharedLogLags() { --lagging; }

SharedLogCounts shared_log_counts() {
  return {counters.bodies, counters.commits, counters.conflicts, counters.lost_made, counters.lost_unmade};
}

// --- in the place of store/log/log_at_path.cc ---

bool log_exists(const std::string& path, FileSystem* file_system) {
  return (file_system ? *file_system : posix_file_system()).id_of(path).has_value();
}

std::unique_ptr<EntryLog> open_log(const std::string& path, const LogOptions& options) {
  Head* head = nullptr;
  if (!options.file_system && posix_file_system().id_of(path)) {
    const std::lock_guard table(region->mutex);
    head = find_head(path);
  }
  if (head) return std::make_unique<SharedLog>(*head, path, options.read_only);
  return FileLog::open(options.file_system ? *options.file_system : posix_file_system(), path, options.read_only,
                       options.any_ending ? FileLog::Ending::kAny : FileLog::Ending::kWhole);
}

std::unique_ptr<EntryLog> make_log(const std::string& path, NewLog fresh) {
  if (!fresh.file_system) return SharedLog::make(path, std::move(fresh));
  FileSystem& file_system = *fresh.file_system;
  return FileLog::make(file_system, path, std::move(fresh));
}

}  // namespace vtpm::store
