// SPDX-License-Identifier: Apache-2.0
// Which stores there are, which of them is a token of its own, and the number of each: the contract of a directory of
// stores, whatever it is kept in. The folder of a file system is one (store/directory/folder.h).
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
// `refresh` is the only call that looks at the directory; everything else that only looks answers from what it found,
// without I/O. Not thread-safe: the caller has a lock.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

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
  /// What the child of a fork goes on with where it may not look into the directory any longer: the stores that it has
  /// inherited (Vault::inherited).
  class Inheritance {
   public:
    virtual ~Inheritance() = default;
  };
  virtual ~StoreDirectory() = default;

  /// Where it is, for sentences; "": there is none, and it is empty.
  virtual const std::string& directory() const = 0;
  /// Looks at the directory. Of a directory that cannot be read `problem` says why, and what was known stays known.
  /// Throws kNoMemory.
  virtual void refresh() = 0;
  /// By path.
  virtual const std::vector<FoundStore>& stores() const = 0;
  /// Why the directory cannot be read: a sentence. Empty: it can.
  virtual const std::string& problem() const = 0;
  /// This process, the child of a fork, may not look into the directory: the stores are those that it has inherited.
  virtual bool out_of_reach() const = 0;
  /// The inherited stores among those that are known. They stay as they are until they are seen deleted.
  virtual std::shared_ptr<const Inheritance> inheritance() const = 0;
  /// The lowest slot number that no store has.
  virtual uint64_t unused_number() const = 0;
  /// The paths of the other stores that have its serial inside or as their name.
  virtual std::vector<std::string> others_of(const FoundStore& store) const = 0;

  /// Opens a store, a link read-only. A store that the last `refresh` has opened to look into it is not opened twice.
  /// Throws as Vault::open.
  virtual std::shared_ptr<Vault> open(const FoundStore& store) = 0;
  /// Closes what `refresh` has opened and `open` has not given out.
  virtual void close_unused() = 0;

  /// Where a new store of this serial goes.
  virtual std::string path_of(const std::string& serial) const = 0;
  /// Makes the directory unless it is there. Throws kIo.
  virtual void make() const = 0;
  /// Removes a store, or the link. Whoever has the store open finds it replaced (Vault::remove). What cannot be opened,
  /// or not written, is just removed. Throws kIo, kReadOnly, kNotFound.
  virtual void remove(const FoundStore& store) = 0;

  /// Excludes everybody else who makes, replaces or removes stores here, in this process and in others, until it is
  /// destroyed.
  class Lock {
   public:
    virtual ~Lock() = default;
  };
  /// The wait is the call's (base/waiting.h): it may throw LockTimeout. Throws kIo.
  virtual std::unique_ptr<Lock> lock() const = 0;
};

/// The directory at this path. `inheritance`: of another one on this directory, in whose place this one comes; or null.
std::unique_ptr<StoreDirectory> store_directory_at(
    std::string directory, ReadStoreName read_name,
    std::shared_ptr<const StoreDirectory::Inheritance> inheritance = nullptr);

}  // namespace vtpm::store
