// SPDX-License-Identifier: Apache-2.0
#include "store/directory/folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <set>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/waiting.h"
#include "store/format/scan.h"

namespace vtpm::store {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".vtpm";

std::string reason_of(int number) {
  char text[128];
  return strerror_r(number, text, sizeof text);
}

bool may_be_store(std::string_view name) {
  return name.size() > kSuffix.size() && name.front() != '.' && name.ends_with(kSuffix);
}

struct DirectoryEntry {
  std::string name;
  bool is_link = false;
};

bool is_link(int directory, const char* name, unsigned char type) {
  if (type != DT_UNKNOWN) return type == DT_LNK;
  struct statx info;
  return ::statx(directory, name, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &info) == 0 && S_ISLNK(info.stx_mode);
}

/// What may be stores, into `entries`. Returns 0, or why the directory cannot be read (errno).
int list_entries(const std::string& path, std::vector<DirectoryEntry>& entries) {
  errno = ENOMEM;  // not every allocator sets it
  const Directory opened = open_directory(path);
  if (!opened) return errno == ENOENT ? 0 : errno;
  for (errno = 0; const dirent* entry = readdir(opened.get()); errno = 0) {
    if (!may_be_store(entry->d_name)) continue;
    entries.push_back({entry->d_name, is_link(dirfd(opened.get()), entry->d_name, entry->d_type)});
  }
  return errno;
}

std::string end_of_link(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> real(realpath(path.c_str(), nullptr), std::free);
  if (!real) {
    throw Error(errno == ENOMEM ? ErrorCode::kNoMemory : ErrorCode::kIo,
                "cannot follow the symbolic link " + path + ": " + reason_of(errno));
  }
  return real.get();
}

}  // namespace

std::unique_ptr<StoreDirectory> store_directory_at(std::string directory, ReadStoreName read_name,
                                                   std::shared_ptr<const StoreDirectory::Inheritance> inheritance) {
  return std::make_unique<Folder>(std::move(directory), std::move(read_name), std::move(inheritance));
}

Folder::Folder(std::string directory, ReadStoreName read_name, std::shared_ptr<const Inheritance> inheritance)
    : directory_(std::move(directory)), read_name_(std::move(read_name)), inheritance_(std::move(inheritance)) {
  if (inheritance_) known_ = static_cast<const Inherited&>(*inheritance_).known;
}

// --- looking ---

void Folder::refresh() {
  opened_.clear();
  std::vector<DirectoryEntry> entries;
  const int failed = directory_.empty() ? 0 : list_entries(directory_, entries);
  const auto is_inherited = [](const auto& known) { return inherited_vault(known.second) != nullptr; };
  const bool may_not = failed == EACCES || failed == EPERM;
  out_of_reach_ = may_not && std::any_of(known_.begin(), known_.end(), is_inherited);
  if (failed != 0 && !out_of_reach_) {
    std::string sentence = "cannot read the store directory " + directory_ + ": " + reason_of(failed);
    if (failed == ENOMEM) throw Error(ErrorCode::kNoMemory, std::move(sentence));
    problem_ = std::move(sentence);
    return;
  }
  std::map<std::string, Known> now;
  for (const DirectoryEntry& entry : entries) {
    const auto before = known_.find(entry.name);
    auto known = look_at(entry.name, entry.is_link, before == known_.end() ? nullptr : &before->second);
    if (known) now.emplace(entry.name, std::move(*known));
  }
  for (const auto& known : known_) {
    if (!now.contains(known.first) && is_inherited(known)) now.insert(known);
  }
  problem_.clear();
  known_ = std::move(now);
  apply_the_rules();
  stores_.clear();
  for (const auto& [name, known] : known_) stores_.push_back(known.store);
}

// Returns the vault of a store that this process has inherited and may not look for at its path; null for any other.
std::shared_ptr<Vault> Folder::inherited_vault(const Known& known) {
  std::shared_ptr<Vault> vault = known.vault.lock();
  try {
    if (!vault || !vault->inherited()) return nullptr;
    vault->refresh();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kNoMemory) throw;
    if (error.code() == ErrorCode::kReplaced) return nullptr;
  }
  return vault;
}

std::shared_ptr<const StoreDirectory::Inheritance> Folder::inheritance() const {
  auto inheritance = std::make_shared<Inherited>();
  for (const auto& [file_name, known] : known_) {
    if (std::shared_ptr<Vault> vault = inherited_vault(known)) {
      inheritance->known.emplace(file_name, known);
      inheritance->vaults.push_back(std::move(vault));
    }
  }
  return inheritance;
}

// Returns nothing if the file no longer exists.
std::optional<Folder::Known> Folder::look_at(const std::string& file_name, bool is_link, const Known* before) {
  Known known;
  FoundStore& store = known.store;
  store.path = store.leads_to = directory_ + "/" + file_name;
  store.is_link = is_link;
  if (before) store.number = before->store.number;  // a store that cannot be read may keep it (give_numbers)
  try {
    if (is_link) store.leads_to = end_of_link(store.path);
    const auto id = posix_file_system().id_of(store.leads_to);
    if (!id && !is_link) return std::nullopt;
    if (!id) throw Error(ErrorCode::kIo, "the symbolic link " + store.path + " leads to nothing");
    known.id = *id;
    if (before && before->whole && before->store.leads_to == store.leads_to) {
      // While a vault is open on it, no other file can have its inode number. Otherwise its header shows whether it is
      // the same store: compaction and re-key put a new file in its place, C_InitToken makes another store.
      const bool same = before->id == *id && !before->vault.expired();
      const auto uuid = same ? Uuid() : read_header(*posix_file_system().open(store.leads_to, false), store.path).uuid;
      if (same || equal(uuid, before->store.uuid)) {
        known = *before;
        known.id = *id;
        known.store.is_link = is_link;
        return known;
      }
    }
    look_into(known);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kNoMemory) throw;
    if (error.code() == ErrorCode::kNotFound && !is_link && !posix_file_system().id_of(store.path)) return std::nullopt;
    // A store with an open vault does not disappear because it cannot be examined at the moment.
    if (error.code() == ErrorCode::kIo && before && before->whole && !before->vault.expired()) return *before;
    store.reason = error.sentence();
    store.held_up = is_momentary(error);
  }
  return known;
}

void Folder::look_into(Known& known) {
  FoundStore& store = known.store;
  std::shared_ptr<Vault> vault;
  try {
    vault = Vault::open(store.leads_to, {store.is_link, nullptr});
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kCorrupt) store.name = name_in_what_is_left(store);
    throw;
  }
  store.name = read_name_(*vault);
  store.uuid = to_bytes(vault->uuid());
  store.created = vault->created();
  known.whole = true;
  known.vault = vault;
  opened_[store.leads_to] = vault;
}

// A store whose end is missing is not used, but its serial can be read.
std::optional<StoreName> Folder::name_in_what_is_left(const FoundStore& store) const {
  try {
    return read_name_(*Vault::open(store.leads_to, {/*read_only=*/true, nullptr, /*any_ending=*/true}));
  } catch (const Error&) {
    return std::nullopt;
  }
}

void Folder::apply_the_rules() {
  std::vector<FoundStore*> stores;
  std::vector<bool> whole;
  for (auto& [file_name, known] : known_) {
    stores.push_back(&known.store);
    whole.push_back(known.whole);
  }
  judge(stores, whole);
  give_numbers(stores);
  for (const FoundStore* store : stores) {
    if (store->standing != Standing::kServed) opened_.erase(store->leads_to);
  }
}

uint64_t Folder::unused_number() const {
  std::set<uint64_t> taken;
  for (const FoundStore& store : stores_) {
    if (store.number) taken.insert(*store.number);
  }
  uint64_t number = 0;
  while (taken.contains(number)) ++number;
  return number;
}

std::vector<std::string> Folder::others_of(const FoundStore& store) const {
  std::set<std::string, std::less<>> serials = {std::string(serial_of_path(store.path))};
  if (store.name) serials.insert(store.name->serial);
  std::vector<std::string> paths;
  for (const FoundStore& other : stores_) {
    if (other.path == store.path) continue;
    if (serials.contains(serial_of_path(other.path)) || (other.name && serials.contains(other.name->serial)))
      paths.push_back(other.path);
  }
  return paths;
}

// --- using ---

std::shared_ptr<Vault> Folder::open(const FoundStore& store) {
  if (auto opened = opened_.find(store.leads_to); opened != opened_.end()) {
    std::shared_ptr<Vault> vault = std::move(opened->second);
    opened_.erase(opened);
    return vault;
  }
  std::shared_ptr<Vault> vault;
  try {
    vault = Vault::open(store.leads_to, {store.is_link, nullptr});
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kNoMemory) throw;
    for (const auto& [file_name, known] : known_) {
      if (known.store.path == store.path) vault = inherited_vault(known);
    }
    if (!vault) throw;
    return vault;
  }
  for (auto& [file_name, known] : known_) {
    if (known.store.path == store.path && equal(known.store.uuid, vault->uuid())) known.vault = vault;
  }
  return vault;
}

void Folder::make() const {
  std::error_code error;
  if (fs::is_directory(directory_, error)) return;
  fs::create_directories(fs::path(directory_).parent_path(), error);
  if (mkdir(directory_.c_str(), 0700) != 0 && errno != EEXIST) {
    throw Error(ErrorCode::kIo, "cannot create the store directory " + directory_ + ": " + reason_of(errno));
  }
}

void Folder::remove(const FoundStore& store) {
  if (!store.is_link) {
    try {
      return Vault::open(store.path)->remove();
    } catch (const Error& error) {
      // A momentary fault says nothing about the file, which other processes may be using.
      if (is_momentary(error)) throw;
      if (error.code() == ErrorCode::kNoMemory || error.code() == ErrorCode::kNotFound) throw;
    }
  }
  posix_file_system().remove(store.path);
  posix_file_system().sync_directory_of(store.path);
}

namespace {

class FolderLock final : public StoreDirectory::Lock {
 public:
  explicit FolderLock(const std::string& directory) : descriptor_(open_descriptor(directory, O_RDONLY | O_DIRECTORY)) {
    int failed = descriptor_ ? 0 : errno;
    const auto locked = [&] {
      if (failed || ::flock(descriptor_.get(), LOCK_EX | LOCK_NB) == 0) return true;
      if (errno != EINTR && errno != EWOULDBLOCK) failed = errno;
      return failed != 0;
    };
    wait_until(locked, directory, Wait::For::kProcess);
    if (!failed) return;
    throw Error(ErrorCode::kIo, "cannot lock the store directory " + directory + ": " + reason_of(failed));
  }
  // The child of a fork may have the descriptor too.
  ~FolderLock() override { ::flock(descriptor_.get(), LOCK_UN); }

 private:
  const Descriptor descriptor_;
};

}  // namespace

std::unique_ptr<StoreDirectory::Lock> Folder::lock() const { return std::make_unique<FolderLock>(directory_); }

}  // namespace vtpm::store
