// SPDX-License-Identifier: Apache-2.0
// A directory of stores: which stores there are, which of them is a token of its own, and the slot id of each. This is
// the contract; a folder of a file system (store/directory/folder.h) implements it, and another kind of storage may.
//
// Rules (docs/security.md, "Copies and names", gives the reasons). They are the same for every implementation:
//   - Names. A store is called by its serial number (StoreName::serial), and a new store gets the name SERIAL.vtpm.
//     Anything whose name ends in ".vtpm" and does not begin with "." may be a store.
//   - Standing (`judge`). What is named SERIAL.vtpm is the store of that serial, whatever it holds and whether or not
//   it
//     can be read; while it exists, no other store with that serial inside is served. A store whose name is not its
//     serial is served if no other one has that serial, as its name or inside. Of several that have it, none is served.
//   - Slot ids (`give_numbers`). A served store has the slot id that it was given when it was made (StoreName::number).
//     If two served stores have the same one, the older keeps it (`created`, then the serial), and the other one gets
//     `displaced_number` of its serial, or the next higher number that is free. A store that cannot be used keeps the
//     number that it had, or the one inside, as long as no served store has it, and otherwise gets the lowest free one.
//     A copy has none. Nothing is written for this: every process computes the same numbers.
//   - Links. A symbolic link is served read-only, from the path that it leads to when the directory is looked at. It is
//     never followed for writing.
//   - Lock (`lock`). A process that creates, replaces or removes a store holds the lock of the directory, and takes it
//     before the locks of the stores.
//   - Times of files decide nothing.
//
// I/O: only `refresh` looks at the directory; every other call that does not open, make or remove something returns
// what the last `refresh` found. Threads: a StoreDirectory is not thread-safe; its owner holds a lock.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/vault/vault.h"

namespace vtpm::store {

/// What a store says of itself.
struct StoreName {
  std::string serial;   // 16 hexadecimal digits, as a rule
  std::string label;    // without blanks at its end
  uint64_t number = 0;  // the slot id that it was given when it was made
};
/// Reads it from an open store, without the store's key. Throws Error if the store is not of the caller's kind.
using ReadStoreName = std::function<StoreName(const Vault&)>;

enum class Standing {
  kServed,
  kCopy,        // the file that is named by its serial is the store
  kAmbiguous,   // several files have the serial, and none is named by it
  kUnreadable,  // not a store, damaged, no permission …
};
/// "served", "copy", "ambiguous", "unreadable".
std::string_view standing_name(Standing standing);

/// True for a fault that says nothing about the file and may not occur the next time: another process held the lock
/// (LockTimeout), or the process has no file descriptor left (NoDescriptorLeft).
bool is_momentary(const Error& error);

/// A file of the directory, as the last `refresh` found it.
struct FoundStore {
  std::string path;      // in the directory
  std::string leads_to;  // the same, or where the symbolic link leads
  bool is_link = false;  // and so read-only
  Standing standing = Standing::kUnreadable;
  std::string reason;              // if it is not served: a sentence for the user that says why
  bool held_up = false;            // it is not served because of a momentary fault (is_momentary)
  std::optional<StoreName> name;   // if it could be read; the label is the one that it had then
  Bytes uuid;                      // 16 bytes, if it could be read; otherwise empty
  uint64_t created = 0;            // seconds since 1970, from its header
  std::optional<uint64_t> number;  // its slot id; a copy has none
};

/// The slot id of a served store whose own is taken: 0x10000 plus the first six hexadecimal digits of the serial. (Of a
/// character that is no such digit the low four bits count, and a missing one counts as 0.)
uint64_t displaced_number(std::string_view serial);
/// The serial that a name or path claims: what stands in front of ".vtpm" behind the last "/". The name must end so.
std::string_view serial_of_path(std::string_view path);
/// Applies the rules on standing: sets `standing` and, where a store is not served, `reason`. `stores`: all of the
/// directory, each not null. A store in `whole` (parallel to `stores`) could be opened and nothing of it is missing.
void judge(const std::vector<FoundStore*>& stores, const std::vector<bool>& whole);
/// Applies the rules on slot ids to stores that have been judged: sets `number`, whose value before is the one that the
/// store had so far.
void give_numbers(const std::vector<FoundStore*>& stores);

class StoreDirectory {
 public:
  /// The stores that the child of a fork has inherited (Vault::inherited), with which it continues if it may no longer
  /// read the directory.
  class Inheritance {
   public:
    virtual ~Inheritance() = default;
  };
  virtual ~StoreDirectory() = default;

  /// The path, for messages. Empty if no directory is configured; it has no stores then.
  virtual const std::string& directory() const = 0;
  /// Looks at the directory, and at what is new in it. If the directory cannot be read, `problem` says why, and the
  /// stores remain those of the last refresh. Throws kNoMemory.
  virtual void refresh() = 0;
  /// The stores that the last refresh found, sorted by path.
  virtual const std::vector<FoundStore>& stores() const = 0;
  /// A sentence that says why the directory cannot be read; empty if it can.
  virtual const std::string& problem() const = 0;
  /// True if this process is the child of a fork and may not read the directory: the stores are those that it has
  /// inherited.
  virtual bool out_of_reach() const = 0;
  /// The inherited stores among those that are known, for the directory that replaces this one (store_directory_at).
  /// They remain as they are until they are found deleted.
  virtual std::shared_ptr<const Inheritance> inheritance() const = 0;
  /// The lowest slot id that no store has.
  virtual uint64_t unused_number() const = 0;
  /// The paths of the other stores that have the same serial, inside or as their name.
  virtual std::vector<std::string> others_of(const FoundStore& store) const = 0;

  /// Opens a store; a link is opened read-only. A store that the last `refresh` opened in order to read it is not
  /// opened twice. Throws as Vault::open.
  virtual std::shared_ptr<Vault> open(const FoundStore& store) = 0;
  /// Closes the stores that `refresh` has opened and `open` has not returned.
  virtual void close_unused() = 0;

  /// The path of a new store with this serial.
  virtual std::string path_of(const std::string& serial) const = 0;
  /// Creates the directory if it does not exist. Throws kIo.
  virtual void make() const = 0;
  /// Removes a store, or the link. Every process that has the store open then finds it replaced (Vault::remove). A file
  /// that cannot be opened as a store, or not written, is removed without that. Throws a momentary fault
  /// (`is_momentary`: LockTimeout, NoDescriptorLeft), kIo, kReadOnly or kNotFound; the file is still there then.
  virtual void remove(const FoundStore& store) = 0;

  /// Excludes every other holder, in this process and in others, until it is destroyed.
  class Lock {
   public:
    virtual ~Lock() = default;
  };
  /// Waits for the lock of the directory within the limit of the call (base/waiting.h). Throws LockTimeout, kIo.
  virtual std::unique_ptr<Lock> lock() const = 0;
};

/// Returns the directory at this path, which need not exist yet. `inheritance`: null, or that of another object on the
/// same directory, which this one replaces in the child of a fork.
std::unique_ptr<StoreDirectory> store_directory_at(
    std::string directory, ReadStoreName read_name,
    std::shared_ptr<const StoreDirectory::Inheritance> inheritance = nullptr);

}  // namespace vtpm::store
