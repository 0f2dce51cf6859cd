// record_surgeon strip|break|swap|count|trust STORE PIN: what older versions, and enemies, leave in a token's records.
//
//   strip  writes every private object's record anew without its blind index, as an older version would
//   break  flips a bit of the newest private record's seal; its checksum is right
//   swap   exchanges the blind indices of the two newest private records; their checksums are right
//   count  prints how many private records have a blind index
//   trust  sets CKA_TRUSTED in every public record that was written without a login, as anybody with the file can
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>

#include "store/blind_index.h"
#include "store/file.h"
#include "store/scan.h"
#include "store/vault.h"

namespace {

using namespace vtpm;
using namespace vtpm::store;

bool is_record(const LogEntry& entry) {
  return entry.sealed && !entry.deleted && entry.name.compare(0, 4, "obj/") == 0;
}

class Surgeon {
 public:
  explicit Surgeon(const std::string& path)
      : file_(posix_file_system().open(path, true)), header_(read_header(*file_, path)) {
    for (LogEntry& entry : scan_log(*file_, header_).entries) {
      std::erase_if(records_, [&](const LogEntry& older) { return older.name == entry.name; });
      if (is_record(entry)) records_.push_back(std::move(entry));
    }
  }

  void break_newest() {
    Bytes octets = read(records_.back());
    octets[parse_entry(octets)->data_at + 5] ^= 0x10;
    write(records_.back(), octets);
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
  static size_t tags_at(const Bytes& octets) {
    return static_cast<size_t>(parse_entry(octets)->tags.data() - octets.data());
  }
  void write(const LogEntry& entry, Bytes& octets) {
    store_crc(header_.salt, octets, parse_entry(octets)->crc_at);
    file_->write_at(entry.offset, octets);
  }

  std::unique_ptr<File> file_;
  StoreHeader header_;
  std::vector<LogEntry> records_;  // in log order
};

void strip(const std::string& path, std::string_view pin) {
  auto vault = Vault::open(path);
  if (vault->unlock(Role::kUser, as_bytes(pin)) != UnlockResult::kUnlocked) throw std::runtime_error("wrong PIN");
  Transaction transaction = vault->begin();
  for (const EntryInfo& entry : vault->list("obj/")) {
    if (entry.protection != Protection::kSealed) continue;
    const auto blob = vault->read(entry.name);
    transaction.put(entry.name, entry.type, Protection::kSealed, blob->data);
  }
  transaction.commit();
}

void forge_trust(const std::string& path) {
  // CKA_TRUSTED (0x86) CK_FALSE, as docs/format.md has it.
  const Bytes distrust = {0x02, 0x02, 0x00, 0x86, 0x04, 0x01, 0x00};
  auto vault = Vault::open(path);
  Transaction transaction = vault->begin();
  for (const EntryInfo& entry : vault->list("obj/")) {
    if (entry.protection != Protection::kClear) continue;
    const auto blob = vault->read(entry.name);
    Bytes data = to_bytes(blob->data);
    const auto at = std::search(data.begin(), data.end(), distrust.begin(), distrust.end());
    if (at == data.end()) continue;
    at[6] = 1;
    transaction.put(entry.name, entry.type, Protection::kClear, data);
  }
  transaction.commit();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const std::string work = argv[1], path = argv[2];
  try {
    if (work == "strip") {
      strip(path, argv[3]);
    } else if (work == "break") {
      Surgeon(path).break_newest();
    } else if (work == "swap") {
      Surgeon(path).swap_newest();
    } else if (work == "trust") {
      forge_trust(path);
    } else if (work == "count") {
      Surgeon(path).count();
    } else {
      return 2;
    }
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
