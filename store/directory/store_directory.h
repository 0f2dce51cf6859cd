// SPDX-License-Identifier: Apache-2.0
// Which stores there are: the stores of one directory, which of them is a token of its own, and the number of each.
//
// The rules (docs/security.md, "Copies and names", says why):
//   - A store is a file whose name ends in ".vtpm" and does not begin with ".". What it is called is its serial number
//     (StoreName::serial); a new store gets the name SERIAL.vtpm.
//   - A file that is named SERIAL.vtpm is the store of that serial, whatever it holds and whether or not it can be
//   read.
//     While it exists, no other file with that serial inside is served.
//   - A file whose name is not its serial is served when no other file of the directory has that serial, by its name or
//     inside. Of several without the right name none is served.
//   - Of two served stores with one slot number the one with the older header keeps it (`created`, then the serial).
//   The
//     other one has 0x10000 + the first 24 bits of its serial. Nothing is written: every process computes the same.
//   - A symbolic link is served read-only, from the path that it leads to when the directory is looked at. It is never
//     followed for writing.
// No rule uses a file's times.
//
// `refresh` is the only call that looks at the directory; everything else answers from what it found. A refresh costs
// one directory listing, one statx for each file, and a look into what is new or has been replaced; what is not served
// is looked at again each time. Not thread-safe: the caller has a lock.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/descriptor.h"
#include "store/file/file.h"
#include "store/vault/vault.h"

namespace vtpm::store {

/// What a store says of itself.
struct StoreName {
  std::string serial;   // 16 hexadecimal digits, as a rule
  std::string label;    // without blanks at its end
  uint64_t number = 0;  // the slot number that it was given when it was made
};
/// Takes it out of an open store, without its key. Throws Error for a store that is none of the caller's kind.
using ReadStoreName = std::function<StoreName(const Vault&)>;

enum class Standing {
  kServed,
  kCopy,        // the file that is named by its serial is the store
  kAmbiguous,   // several files have the serial, and none is named by it
  kUnreadable,  // not a store, damaged, no permission …
};
/// "served", "copy", "ambiguous", "unreadable".
std::string_view standing_name(Standing standing);

/// Whether the fault says nothing about the file and may be over the next time: a lock that others held (LockTimeout),
/// or no descriptor left (NoDescriptorLeft).
bool is_momentary(const Error& error);

/// A file of the directory, as the last `refresh` found it.
struct FoundStore {
  std::string path;      // in the directory
  std::string leads_to;  // the same, or where the symbolic link leads
  bool is_link = false;  // and so read-only
  Standing standing = Standing::kUnreadable;
  std::string reason;             // a sentence for a person, when it is not served
  bool held_up = false;           // it is not, but may be the next time: see is_momentary
  std::optional<StoreName> name;  // when it could be read; the label is that of the moment
  Bytes uuid;                     // when it could be read
  uint64_t created = 0;
  std::optional<uint64_t> number;  // its slot; a copy has none
};

class StoreDirectory {
 public:
  class Heritage;
  /// `directory`: may be missing, then it is empty; "": there is none. `heritage`: of another one on this directory, in
  /// whose place this one comes.
  StoreDirectory(std::string directory, ReadStoreName read_name, const Heritage& heritage);
  StoreDirectory(std::string directory, ReadStoreName read_name);
  ~StoreDirectory();
  StoreDirectory(const StoreDirectory&) = delete;
  StoreDirectory& operator=(const StoreDirectory&) = delete;

  const std::string& directory() const { return directory_; }
  /// Looks at the directory. Of a directory that can not be read `problem` says why, and what was known stays known.
  void refresh();
  /// By path.
  const std::vector<FoundStore>& stores() const { return stores_; }
  /// Why the directory can not be read: a sentence. Empty: it can.
  const std::string& problem() const { return problem_; }
  /// This process, the child of a fork, may not look into the directory: the stores are those that it has inherited.
  bool out_of_reach() const { return out_of_reach_; }
  /// The inherited stores among those that are known (Vault::inherited). They stay as they are until they are seen
  /// deleted.
  Heritage heritage() const;
  /// The lowest slot number that no file has.
  uint64_t unused_number() const;
  /// The paths of the other files that have its serial inside or as their name.
  std::vector<std::string> others_of(const FoundStore& store) const;

  /// Opens a store, a link read-only. A store that the last `refresh` has opened to look into it is not opened twice.
  std::shared_ptr<Vault> open(const FoundStore& store);
  /// Closes what `refresh` has opened and `open` has not given out.
  void close_unused() { opened_.clear(); }

  /// Where a new store of this serial goes.
  std::string path_of(const std::string& serial) const { return directory_ + "/" + serial + ".vtpm"; }
  /// Makes the directory (0700) unless it is there. Throws kIo.
  void make() const;
  /// Removes the file of a store, or the link. Whoever has the store open finds it replaced (Vault::remove). What can
  /// not be opened, or not written, is just removed. Throws kIo, kReadOnly, kNotFound.
  void remove(const FoundStore& store);

  /// Excludes everybody else who makes, replaces or removes stores here, in this process and in others. It is an
  /// advisory lock (flock) on the directory itself, so that no lock file is left behind.
  class Lock {
   public:
    explicit Lock(const std::string& directory);
    ~Lock();
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

   private:
    const Descriptor descriptor_;
  };
  /// The wait is the call's (base/waiting.h): it may throw LockTimeout. Throws kIo: the directory can not be opened.
  Lock lock() const { return Lock(directory_); }

 private:
  struct Known {
    FoundStore store;
    FileId id;
    bool whole = false;  // it was opened and nothing was missing
    std::weak_ptr<Vault> vault;
  };

  static std::shared_ptr<Vault> inherited_vault(const Known& known);
  std::optional<Known> look_at(const std::string& file_name, bool is_link, const Known* before);
  void look_into(Known& known);
  std::optional<StoreName> name_in_what_is_left(const FoundStore& store) const;
  void judge();
  void give_numbers();

  const std::string directory_;
  const ReadStoreName read_name_;
  std::string problem_;
  bool out_of_reach_ = false;
  std::map<std::string, Known> known_;  // by file name
  std::vector<std::shared_ptr<Vault>> inherited_;
  std::vector<FoundStore> stores_;
  std::map<std::string, std::shared_ptr<Vault>> opened_;  // by the path that was opened
};

class StoreDirectory::Heritage {
  friend class StoreDirectory;
  std::map<std::string, Known> known_;
  std::vector<std::shared_ptr<Vault>> vaults_;
};

}  // namespace vtpm::store
