// SPDX-License-Identifier: Apache-2.0
// record_surgeon WORK STORE PIN: changes a token's records as older versions or an attacker could.
//
//   strip  writes every private object's record anew without its blind index, as an older version would
//   break  flips a bit of the newest private record; its checksum is right
//   swap   exchanges the blind indices of the two newest private records; their checksums are right
//   count  prints how many private records have a blind index
//   forbid empties CKA_ALLOWED_MECHANISMS of the newest private record, which names one mechanism
//   trust sets CKA_TRUSTED in every public record that was written without a login, as any program that can write the
//   file can do
//
// The same of public records, whose seal is a MAC: strip-public, break-public, swap-public, count-public. And
//
//   exchange-public  exchanges the contents of the two newest public records, which have the same size
//   revive-public    gives the newest public record the contents that it had before
//   vouch-public     sets CKA_TRUSTED in the newest public record
//   multiply-public  adds 3500 public records like the newest one
//   smash-public     overwrites the newest public record's contents with zeros; its checksum is wrong
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>

#include "base/der.h"
#include "store/file/file.h"
#include "store/format/blind_index.h"
#include "store/format/scan.h"
#include "store/vault/vault.h"

namespace {

using namespace vtpm;
using namespace vtpm::store;

// CKA_TRUSTED (0x86) CK_FALSE, as docs/format.md has it.
constexpr uint8_t kDistrust[] = {0x02, 0x02, 0x00, 0x86, 0x04, 0x01, 0x00};

class Surgeon {
 public:
  Surgeon(const std::string& path, Protection protection)
      : file_(posix_file_system().open(path, true)), header_(read_header(*file_, path)) {
    for (LogEntry& entry : scan_log(*file_, header_).entries) {
      const auto known = std::find_if(records_.begin(), records_.end(),
                                      [&](const LogEntry& older) { return older.name == entry.name; });
      if (known != records_.end()) {
        past_.push_back(std::move(*known));
        records_.erase(known);
      }
      const bool is_record = !entry.deleted && entry.name.compare(0, 4, "obj/") == 0;
      if (is_record && entry.sealed == (protection == Protection::kSealed)) records_.push_back(std::move(entry));
    }
  }

  void break_newest() {
    Bytes bytes = read(records_.back());
    const EntryView layout = parse_entry(bytes).value();
    bytes[layout.data_at + layout.data_bytes - 1] ^= 0x10;  // the record remains readable, and its contents differ
    write(records_.back(), bytes);
  }
  void smash_newest() {
    const Bytes bytes = read(records_.back());
    const EntryView layout = parse_entry(bytes).value();
    file_->write_at(records_.back().offset + layout.data_at, Bytes(layout.data_bytes));
  }
  void exchange_newest() {
    const LogEntry &one = records_.at(records_.size() - 2), &two = records_.back();
    Bytes first = read(one), second = read(two);
    const EntryView layout = parse_entry(first).value(), other = parse_entry(second).value();
    if (layout.data_bytes != other.data_bytes) throw std::runtime_error("records of different sizes");
    std::swap_ranges(first.begin() + static_cast<ptrdiff_t>(layout.data_at),
                     first.begin() + static_cast<ptrdiff_t>(layout.data_at + layout.data_bytes),
                     second.begin() + static_cast<ptrdiff_t>(other.data_at));
    write(one, first);
    write(two, second);
  }
  void revive_newest() {
    Bytes now = read(records_.back());
    const EntryView layout = parse_entry(now).value();
    for (auto entry = past_.rbegin(); entry != past_.rend(); ++entry) {
      const Bytes before = read(*entry);
      const EntryView older = parse_entry(before).value();
      if (older.name != layout.name || older.data_bytes != layout.data_bytes) continue;
      if (equal(older.data(), layout.data())) continue;
      std::copy_n(older.data().begin(), older.data_bytes, now.begin() + static_cast<ptrdiff_t>(layout.data_at));
      return write(records_.back(), now);
    }
    throw std::runtime_error("no such past");
  }
  void vouch_for_newest() {
    Bytes bytes = read(records_.back());
    const auto at = std::search(bytes.begin(), bytes.end(), std::begin(kDistrust), std::end(kDistrust));
    if (at == bytes.end()) throw std::runtime_error("no CKA_TRUSTED");
    at[6] = 1;
    write(records_.back(), bytes);
  }
  void swap_newest() {
    const LogEntry &one = records_.at(records_.size() - 2), &two = records_.back();
    Bytes first = read(one), second = read(two);
    const size_t at_first = tags_at(first), at_second = tags_at(second), size = parse_entry(first)->tags.size();
    std::swap_ranges(first.begin() + static_cast<ptrdiff_t>(at_first),
                     first.begin() + static_cast<ptrdiff_t>(at_first + size),
                     second.begin() + static_cast<ptrdiff_t>(at_second));
    write(one, first);
    write(two, second);
  }
  void count() const {
    std::printf("%ld\n", static_cast<long>(std::count_if(records_.begin(), records_.end(),
                                                         [](const LogEntry& entry) { return !entry.tags.empty(); })));
  }

 private:
  Bytes read(const LogEntry& entry) const { return read_entry(*file_, header_, entry).value(); }
  static size_t tags_at(const Bytes& bytes) {
    return static_cast<size_t>(parse_entry(bytes)->tags.data() - bytes.data());
  }
  void write(const LogEntry& entry, Bytes& bytes) {
    store_crc(header_.salt, bytes, parse_entry(bytes)->crc_at);
    file_->write_at(entry.offset, bytes);
  }

  std::unique_ptr<File> file_;
  StoreHeader header_;
  std::vector<LogEntry> records_, past_;  // in log order: current entries, and the entries that they have replaced
};

/// In log order.
std::vector<EntryInfo> records_of(const Vault& vault, Protection protection) {
  std::vector<EntryInfo> records = vault.list("obj/");
  std::erase_if(records, [&](const EntryInfo& entry) { return entry.protection != protection; });
  std::sort(records.begin(), records.end(),
            [](const EntryInfo& a, const EntryInfo& b) { return a.sequence < b.sequence; });
  return records;
}

void strip(const std::string& path, std::string_view pin, Protection protection) {
  auto vault = Vault::open(path);
  if (vault->unlock(Role::kUser, as_bytes(pin)) != UnlockResult::kUnlocked) throw std::runtime_error("wrong PIN");
  vault->change([&](Transaction& transaction) {
    for (const EntryInfo& entry : records_of(*vault, protection)) {
      const auto blob = vault->read(entry.name);
      transaction.put(entry.name, entry.type, protection, blob->data);
    }
  });
}

void multiply(const std::string& path, std::string_view pin, Protection protection) {
  constexpr unsigned kCopies = 3500;
  auto vault = Vault::open(path);
  if (vault->unlock(Role::kUser, as_bytes(pin)) != UnlockResult::kUnlocked) throw std::runtime_error("wrong PIN");
  vault->change([&](Transaction& transaction) {
    const std::string like = records_of(*vault, protection).back().name;
    const auto blob = vault->read(like);
    for (unsigned i = 0; i < kCopies; ++i) {
      char name[40];
      std::snprintf(name, sizeof name, "obj/%032x", i);
      transaction.put(name, blob->type, protection, blob->data);
      transaction.index(name, {{0, Bytes(8)}});  // CKA_CLASS: CKO_DATA
    }
  });
}

void forge_trust(const std::string& path) {
  auto vault = Vault::open(path);
  vault->change([&](Transaction& transaction) {
    for (const EntryInfo& entry : vault->list("obj/")) {
      if (entry.protection != Protection::kClear) continue;
      const auto blob = vault->read(entry.name);
      Bytes data = to_bytes(blob->data);
      const auto at = std::search(data.begin(), data.end(), std::begin(kDistrust), std::end(kDistrust));
      if (at == data.end()) continue;
      at[6] = 1;
      transaction.put(entry.name, entry.type, Protection::kClear, data);
    }
  });
}

// CKA_ALLOWED_MECHANISMS (0x40000600) with one mechanism, as docs/format.md has it: the bytes before its number.
constexpr uint8_t kOneMechanism[] = {0x30, 0x10, 0x02, 0x04, 0x40, 0x00, 0x06, 0x00, 0x04, 0x08};

void forbid(const std::string& path, std::string_view pin, Protection protection) {
  auto vault = Vault::open(path);
  if (vault->unlock(Role::kUser, as_bytes(pin)) != UnlockResult::kUnlocked) throw std::runtime_error("wrong PIN");
  vault->change([&](Transaction& transaction) {
    const EntryInfo entry = records_of(*vault, protection).back();
    const auto blob = vault->read(entry.name);
    DerReader reader(blob->data);
    Bytes rows = to_bytes(reader.next(DerTag::kSequence).value().contents);
    const auto at = std::search(rows.begin(), rows.end(), std::begin(kOneMechanism), std::end(kOneMechanism));
    if (at == rows.end()) throw std::runtime_error("no CKA_ALLOWED_MECHANISMS with one mechanism");
    at[1] = 0x08;
    at[9] = 0;
    rows.erase(at + sizeof kOneMechanism, at + sizeof kOneMechanism + 8);
    Bytes data;
    write_der(data, DerTag::kSequence, rows);
    transaction.put(entry.name, entry.type, protection, data);
  });
}

struct Work {
  const char* name;
  void (*work)(const std::string& path, std::string_view pin, Protection protection);
};
constexpr Work kWorks[] = {
    {"strip", strip},
    {"forbid", forbid},
    {"multiply", multiply},
    {"break", [](auto& path, auto, Protection of) { Surgeon(path, of).break_newest(); }},
    {"swap", [](auto& path, auto, Protection of) { Surgeon(path, of).swap_newest(); }},
    {"count", [](auto& path, auto, Protection of) { Surgeon(path, of).count(); }},
    {"exchange", [](auto& path, auto, Protection of) { Surgeon(path, of).exchange_newest(); }},
    {"revive", [](auto& path, auto, Protection of) { Surgeon(path, of).revive_newest(); }},
    {"smash", [](auto& path, auto, Protection of) { Surgeon(path, of).smash_newest(); }},
    {"vouch", [](auto& path, auto, Protection of) { Surgeon(path, of).vouch_for_newest(); }},
    {"trust", [](auto& path, auto, Protection) { forge_trust(path); }},
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  std::string name = argv[1];
  const std::string_view suffix = "-public";
  const bool is_public = name.size() > suffix.size() && name.ends_with(suffix);
  if (is_public) name.resize(name.size() - suffix.size());
  try {
    for (const Work& work : kWorks) {
      if (name != work.name) continue;
      work.work(argv[2], argv[3], is_public ? Protection::kClear : Protection::kSealed);
      return 0;
    }
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
