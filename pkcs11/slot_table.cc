#include "pkcs11/slot_table.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <tuple>

#include "crypto/descriptor.h"
#include "crypto/random.h"
#include "crypto/waiting.h"

namespace vtpm::pkcs11 {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".vtpm", kName = "the list of slots";

/// Serialises the making of tokens among processes: slot numbers are given under it. An advisory lock on the directory
/// itself, so no lock file is left behind.
class DirectoryLock {
 public:
  explicit DirectoryLock(const std::string& directory) : opened_(open_descriptor(directory, O_RDONLY | O_DIRECTORY)) {
    int failed = opened_ ? 0 : errno;
    const auto locked = [&] {
      if (failed || flock(opened_.get(), LOCK_EX | LOCK_NB) == 0) return true;
      if (errno != EINTR && errno != EWOULDBLOCK) failed = errno;
      return failed != 0;
    };
    wait_until(locked, directory, Wait::For::kProcess);
    if (!failed) return;
    throw Error(ErrorCode::kIo, "can not lock the store directory " + directory + ": " + std::strerror(failed));
  }
  ~DirectoryLock() { flock(opened_.get(), LOCK_UN); }  // the child of a fork may have the descriptor too
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

 private:
  const Descriptor opened_;
};

bool may_be_store(std::string_view name) {
  return name.size() > kSuffix.size() && name.front() != '.' && name.substr(name.size() - kSuffix.size()) == kSuffix;
}

/// Files that may be stores, older first: of two stores with one slot number (a copied file) the older keeps it.
/// Temporary files (".x.vtpm.tmp") are none. Nothing when the directory can not be read.
std::optional<std::vector<std::string>> store_files(const std::string& directory) {
  const Directory opened = open_directory(directory);
  if (!opened) {
    if (errno == ENOENT || errno == ENOTDIR) return std::vector<std::string>();
    return std::nullopt;
  }
  std::vector<std::tuple<time_t, long, std::string>> dated;
  for (errno = 0; const dirent* entry = readdir(opened.get()); errno = 0) {
    if (!may_be_store(entry->d_name)) continue;
    struct stat info {};
    fstatat(dirfd(opened.get()), entry->d_name, &info, 0);
    dated.emplace_back(info.st_mtim.tv_sec, info.st_mtim.tv_nsec, directory + "/" + entry->d_name);
  }
  if (errno != 0) return std::nullopt;
  std::sort(dated.begin(), dated.end());
  std::vector<std::string> paths;
  for (auto& [seconds, nanoseconds, path] : dated) paths.push_back(std::move(path));
  return paths;
}

void make_directory(const std::string& directory) {
  std::error_code error;
  if (fs::is_directory(directory, error)) return;
  fs::create_directories(fs::path(directory).parent_path(), error);
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    throw Error(ErrorCode::kIo, "can not create the store directory " + directory + ": " + std::strerror(errno));
  }
}

}  // namespace

void SlotTable::scan_once() {
  if (!scanned_) rescan_locked();
}

void SlotTable::rescan() {
  const auto lock = lock_within_limit(mutex_, kName);
  rescan_locked();
}

void SlotTable::rescan_locked() {
  std::vector<std::string> paths;
  if (!config_.store_dir.empty()) {
    auto found = store_files(config_.store_dir);
    if (!found) {  // what is known stays: that it can not be looked at does not make it gone
      return log_line(LogLevel::kError, "can not read the store directory " + config_.store_dir);
    }
    paths = std::move(*found);
  }
  scanning_ = true;
  for (auto at = slots_.begin(); at != slots_.end();) {
    Slot& slot = at->second;
    const bool gone = std::find(paths.begin(), paths.end(), slot.path) == paths.end();
    // A token that was initialised anew, or a file that could not be read, is opened again below.
    if (gone || !slot.token || !slot.token->present()) {
      if (slot.token) slot.token->mark_removed();
      at = slots_.erase(at);
    } else {
      ++at;
    }
  }
  for (const std::string& path : paths) {
    const bool known =
        std::any_of(slots_.begin(), slots_.end(), [&](const auto& slot) { return slot.second.path == path; });
    if (!known) open_locked(path);
  }
  scanned_ = true;
  scanning_ = false;
}

void SlotTable::make_locks_anew() noexcept {
  new (&mutex_) std::mutex;
  if (scanning_) scanned_ = false;  // who looked at the directory when the process was forked is not here
}

void SlotTable::open_locked(const std::string& path) {
  Slot slot{path, nullptr, std::nullopt};
  try {
    slot.token = Token::open(path, config_);
  } catch (const Error& error) {
    // One answer for whatever can not be read: pkcs11-tool lists the slots behind this one, while any other error makes
    // it give up. The log says what is wrong. The file is never written to.
    slot.problem.emplace(CKR_TOKEN_NOT_RECOGNIZED, error.sentence());
    log_line(LogLevel::kError, error.sentence());
  }
  CK_SLOT_ID id = slot.token ? slot.token->identity().slot : unused_locked();
  if (auto taken = slots_.find(id); taken != slots_.end()) {
    if (slot.token && taken->second.token) {
      log_line(LogLevel::kError,
               path + " has the slot number of " + taken->second.path + " (a copy?) and is not shown");
      return;
    }
    // An unreadable file holds a number only while nobody has a right to it.
    Slot moved = std::move(taken->second);
    taken->second = std::move(slot);
    slots_.emplace(unused_locked(), std::move(moved));
    return;
  }
  slots_.emplace(id, std::move(slot));
}

CK_SLOT_ID SlotTable::unused_locked() const {
  CK_SLOT_ID id = 0;
  while (slots_.count(id)) ++id;
  return id;
}

bool SlotTable::is_free_locked(CK_SLOT_ID id) const { return config_.free_slot && id == unused_locked(); }

std::vector<CK_SLOT_ID> SlotTable::ids() {
  const auto lock = lock_within_limit(mutex_, kName);
  scan_once();
  std::vector<CK_SLOT_ID> ids;
  for (const auto& [id, slot] : slots_) ids.push_back(id);
  if (config_.free_slot) ids.insert(std::upper_bound(ids.begin(), ids.end(), unused_locked()), unused_locked());
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
  if (!is_free_locked(id)) slot_locked(id);
}

std::shared_ptr<Token> SlotTable::token(CK_SLOT_ID id) {
  const auto lock = lock_within_limit(mutex_, kName);
  scan_once();
  if (is_free_locked(id)) {
    // Another process may have made its token there meanwhile.
    rescan_locked();
    if (is_free_locked(id)) return nullptr;
  }
  Slot* slot = &slot_locked(id);
  if (slot->token && !slot->token->present()) {
    rescan_locked();
    if (is_free_locked(id)) return nullptr;  // the store is gone, and the slot is free for another
    slot = &slot_locked(id);
  }
  if (slot->problem) throw *slot->problem;
  return slot->token;
}

void SlotTable::initialise(CK_SLOT_ID id, ByteView so_pin, const std::string& label,
                           const std::function<bool(const Token&)>& has_sessions) {
  const auto lock = lock_within_limit(mutex_, kName);
  scan_once();
  if (!is_free_locked(id)) slot_locked(id);
  // The PIN of a token that there is, is compared with its own; 5.1.6 keeps CKR_PIN_LEN_RANGE for PINs that are set.
  refuse_if(is_free_locked(id) && (so_pin.size() < kPinLeast || so_pin.size() > kPinMost), CKR_PIN_LEN_RANGE,
            "a PIN has 4 to 255 octets");
  refuse_if(config_.store_dir.empty(), CKR_DEVICE_ERROR,
            "no store directory is configured, and there is no home directory");
  make_directory(config_.store_dir);
  DirectoryLock directory(config_.store_dir);
  rescan_locked();
  if (is_free_locked(id)) {
    const std::string serial = to_hex(crypto::random_bytes(8));
    const std::string path = config_.store_dir + "/" + serial + std::string(kSuffix);
    Token::initialise(path, config_, {label, serial, id}, so_pin, /*replace=*/false);
  } else {
    Slot& slot = slot_locked(id);
    if (slot.problem) throw *slot.problem;
    refuse_if(has_sessions(*slot.token), CKR_SESSION_EXISTS, "the token has open sessions");
    SecretBytes predecessor;
    if (config_.keep_identity) {
      predecessor = slot.token->surrender(so_pin);
    } else {
      slot.token->check_so_pin(so_pin);
    }
    const Token::Identity now = slot.token->identity();
    Token::initialise(slot.path, config_, {label, now.serial, now.slot}, so_pin, /*replace=*/true, predecessor);
  }
  rescan_locked();
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
