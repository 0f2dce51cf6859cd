// SPDX-License-Identifier: Apache-2.0
// Arbitrary bytes as a store file, on a disk in memory. The store must open, or throw an Error. Reading must change
// nothing, and the report must stay inside the file. A commit and a compaction must throw, or be read back and change
// nothing else. An import must throw, or leave a store that can be changed. A repair must throw and change nothing, or
// leave a store in which a change can be read back.
#include <algorithm>
#include <map>

#include "base/der.h"
#include "base/error.h"
#include "store/care/fixed_layout.h"
#include "store/care/repair.h"
#include "store/care/report.h"
#include "store/format/entry.h"
#include "tests/fuzz/require.h"
#include "tests/store/disk/simulated_disk.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t most);

namespace vtpm::fuzz {
namespace {

using namespace store;

constexpr const char* kPath = "fuzz.vtpm";
constexpr std::string_view kWritten = "obj/fuzz";

void put_on(SimulatedDisk& disk, ByteView bytes) { disk.create(kPath)->write_at(0, bytes); }

/// The key of tests/data/store/golden-raw.vtpm: the seeds that descend from it are opened, sealed entries and all.
const RawKey& key() {
  static const RawKey made = [] {
    SecretBytes bytes(24);
    for (uint8_t i = 0; i < 24; ++i) bytes.data()[i] = i;
    return RawKey(std::move(bytes));
  }();
  return made;
}

std::unique_ptr<Vault> open(SimulatedDisk& disk, bool read_only) {
  OpenOptions options;
  options.read_only = read_only;
  options.file_system = &disk;
  auto vault = Vault::open(kPath, options);
  vault->unlock_raw(key());
  return vault;
}

struct Value {
  std::string type, bytes;
  bool operator==(const Value&) const = default;
};
using Values = std::map<std::string, Value>;

/// The names that can be read, with their blobs. The store's own entries (key slots, retry counters) are left out.
Values values_of(const Vault& vault) {
  Values values;
  for (const EntryInfo& entry : vault.list()) {
    try {
      if (auto blob = vault.read(entry.name)) {
        require(blob->data.size() == entry.size, "a blob is as long as the index says");
        values[entry.name] = {blob->type, std::string(as_text(blob->data.view()))};
      }
    } catch (const Error&) {
    }
  }
  return values;
}

/// Returns whether `work` was done; it may throw an Error instead.
template <typename F>
bool done(F&& work) {
  try {
    work();
    return true;
  } catch (const Error& error) {
    require(error.code() != ErrorCode::kInternal, "an error is not an internal one");
    return false;
  }
}

void require_same(SimulatedDisk& disk, const Values& wanted, const char* what) {
  require(values_of(*open(disk, true)) == wanted, what);
}

void commit(SimulatedDisk& disk) {
  auto vault = open(disk, false);
  vault->change(
      [&](Transaction& transaction) { transaction.put(kWritten, "p11-object", Protection::kClear, as_bytes("fuzz")); });
}

/// Whether the first change was accepted.
bool commit_twice(SimulatedDisk& disk, Values wanted) {
  bool accepted = false;
  for (int i = 0; i < 2; ++i) {
    if (done([&] { commit(disk); })) {
      wanted[std::string(kWritten)] = {"p11-object", "fuzz"};
      accepted |= i == 0;
    }
    require_same(disk, wanted, "a commit is read back and changes nothing else");
  }
  return accepted;
}

void check_changes(ByteView bytes, const Values& before) {
  SimulatedDisk written;
  put_on(written, bytes);
  commit_twice(written, before);

  SimulatedDisk compacted;
  put_on(compacted, bytes);
  done([&] { open(compacted, false)->compact(); });
  require_same(compacted, before, "a compaction keeps every name");
  commit_twice(compacted, before);
}

void check_repairs(ByteView bytes) {
  for (bool accept_older : {false, true}) {
    SimulatedDisk repaired;
    put_on(repaired, bytes);
    RepairOptions options;
    options.file_system = &repaired;
    options.accept_older = accept_older;
    if (!done([&] { repair(kPath, options); })) {
      require(repaired.contents(kPath) == to_bytes(bytes), "a repair that is refused changes nothing");
      continue;
    }
    Values left;
    if (done([&] { left = values_of(*open(repaired, true)); }))
      require(commit_twice(repaired, left), "what was repaired takes a change");
  }
}

void check_report(SimulatedDisk& disk, size_t size) {
  done([&] {
    const StoreReport report = check(kPath, nullptr, nullptr, &disk);
    for (const EntryReport& entry : report.entries) {
      require(entry.offset <= size && entry.length <= size - entry.offset,
              "an entry of the report lies inside the file");
    }
  });
}

/// A file in the fixed-capacity layout becomes a store that can be changed, or no store at all.
void check_import(SimulatedDisk& disk) {
  for (bool accept_older : {false, true}) {
    const std::string to = accept_older ? "older.vtpm" : "imported.vtpm";
    FixedImportOptions options;
    options.accept_older = accept_older;
    options.file_system = &disk;
    if (!done([&] { import_fixed(kPath, to, options); })) {
      require(!disk.exists(to), "an import that is refused leaves nothing");
      continue;
    }
    SimulatedDisk imported;
    put_on(imported, disk.contents(to));
    Values values;
    if (done([&] { values = values_of(*open(imported, true)); })) commit_twice(imported, values);
  }
}

/// Corrects the CRC of everything that looks like an entry; otherwise the code that runs after the check would never be
/// tried.
void correct_checksums(MutableByteView bytes) {
  Salt salt{};
  bool have_salt = false;
  for (size_t at = kLogStart; at < bytes.size();) {
    const auto header = read_der_header(bytes.subspan(at));
    if (!header || header->total() > bytes.size() - at) return;
    const MutableByteView element = bytes.subspan(at, header->total());
    at += element.size();
    const auto entry = parse_entry(element);
    if (!entry) continue;
    if (const auto value = entry->find_bytes(entry->mandatory, attribute::kSalt, kSaltBytes); value && !have_salt) {
      std::copy(value->begin(), value->end(), salt.begin());
      have_salt = true;
    }
    store_crc(salt, element, entry->crc_at);
  }
}

}  // namespace
}  // namespace vtpm::fuzz

/// Half of the inputs get correct checksums, as an attacker would write them.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, most);
  if (seed % 2) vtpm::fuzz::correct_checksums({data, size});
  return size;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace vtpm::fuzz;
  const vtpm::ByteView bytes(data, size);
  vtpm::store::SimulatedDisk disk;
  put_on(disk, bytes);
  check_report(disk, bytes.size());
  check_import(disk);
  check_repairs(bytes);
  Values before;
  if (!done([&] { before = values_of(*open(disk, false)); })) return 0;
  require(disk.contents(kPath) == vtpm::to_bytes(bytes), "reading changes nothing");
  check_changes(bytes, before);
  return 0;
}
