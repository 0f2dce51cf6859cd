// SPDX-License-Identifier: Apache-2.0
// Files that were made to keep a reader busy. The tests measure work, not time: the bytes that are read and those of
// which CRCs are computed must be a small multiple of the file's size.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "store/format/encoding.h"
#include "store/format/free_space.h"
#include "store/log/index.h"
#include "tests/store/disk/scratch.h"

namespace vtpm::store {
namespace {

/// A file in memory that counts what is read of it.
class CountingFile : public File {
 public:
  explicit CountingFile(Bytes contents) : contents_(std::move(contents)) {}
  bool writable() const override { return false; }
  FileId id() const override { return {}; }
  uint64_t size() const override { return contents_.size(); }
  size_t read_at(uint64_t offset, MutableByteView out) const override {
    const size_t count = offset >= contents_.size() ? 0 : std::min<size_t>(out.size(), contents_.size() - offset);
    std::copy_n(contents_.begin() + static_cast<ptrdiff_t>(offset), count, out.begin());
    bytes_read += count;
    ++reads;
    return count;
  }
  void write_at(uint64_t, ByteView) override {}
  void truncate(uint64_t) override {}
  void sync_now(Sync, CallSite) const override {}
  bool lock(LockByte, LockMode, bool, CallSite) const override { return true; }
  void unlock(LockByte) const noexcept override {}
  std::string copy_access_from(const File&) override { return {}; }
  void abandon() noexcept override {}

  mutable uint64_t bytes_read = 0, reads = 0;

 private:
  Bytes contents_;
};

constexpr Salt kSalt = {'h', 'o', 's', 't', 'i', 'l', 'e'};

// A whole entry, of a transaction that claims `count` members.
Bytes entry_bytes(uint64_t number, uint16_t index, uint16_t count, const std::string& type, size_t attributes = 0) {
  Entry entry{type, "obj/" + std::to_string(number), {realsize_attribute(1)}, {}, Bytes(1)};
  entry.mandatory.push_back(sequence_attribute({number, index, count, number - index - 1}));
  entry.optional.push_back(bytes_attribute(attribute::kCrc, Bytes(kCrcBytes)));
  for (size_t i = 0; i < attributes; ++i) entry.optional.push_back({"z", {}});
  Bytes bytes = encode(entry);
  store_crc(kSalt, bytes, parse_entry(bytes).value().crc_at);
  return bytes;
}

Bytes free_bytes(uint64_t total) {
  Bytes bytes = free_header(total);
  bytes.resize(total);
  return bytes;
}

/// Appends the next piece, number `number`, of a file.
using Shape = void (*)(Bytes& out, uint64_t number);

void nested_candidates(Bytes& out, uint64_t) {
  append(out, Bytes{0x30, 0x83, 0x10, 0x00, 0x00, 0x30, 0x83, 0x0F, 0x00, 0x00, 0x16, 0x01, 'x'});
}
void damage_between_free_entries(Bytes& out, uint64_t) {
  out.push_back(0x77);
  append(out, free_bytes(kMinFreeBytes));
}
// Each says that it reaches a megabyte further, to where something else begins.
void far_reaching_damage(Bytes& out, uint64_t) {
  append(out, Bytes{0x30, 0x83, 0x0F, 0xFF, 0xF3, 0x02, 0x01, 0x00});
  append(out, free_bytes(kMinFreeBytes));
}
void nothing_but_sequences(Bytes& out, uint64_t) { append(out, Bytes(16, 0x30)); }
void empty_sequences(Bytes& out, uint64_t) { append(out, Bytes{0x30, 0x00}); }
void zeros_and_specks(Bytes& out, uint64_t) {
  out.resize(out.size() + 500);
  out.push_back(0x30);
}
void entries_with_a_torn_crc(Bytes& out, uint64_t number) {
  Bytes bytes = entry_bytes(3 + number, 0, 1, "p11-object");
  bytes[bytes.size() / 2] ^= 0x55;
  append(out, bytes);
}
void members_of_endless_transactions(Bytes& out, uint64_t number) {
  append(out, entry_bytes(3 + 2 * number, 0, 65535, "p11-object"));
  append(out, free_bytes(kMinFreeBytes));
}
// A hundred thousand attributes, and one byte that is not as the CRC says.
void swarms_of_attributes(Bytes& out, uint64_t number) {
  Bytes bytes = entry_bytes(3 + number, 0, 1, "p11-object", 100000);
  bytes.back() ^= 0x03;
  append(out, bytes);
}
void slots_and_gaps(Bytes& out, uint64_t number) {
  append(out, entry_bytes(3 + 3 * number, 0, 1, std::string(type::kAttempt)));
  append(out, Bytes(40, 0x77));
}
void free_entries(Bytes& out, uint64_t) { append(out, free_bytes(kMinFreeBytes)); }
void entries(Bytes& out, uint64_t number) { append(out, entry_bytes(3 + number, 0, 1, "t")); }

const std::map<std::string, Shape> kShapes = {
    {"nested candidates", nested_candidates},
    {"damage between free entries", damage_between_free_entries},
    {"far reaching damage", far_reaching_damage},
    {"nothing but sequences", nothing_but_sequences},
    {"empty sequences", empty_sequences},
    {"zeros and specks", zeros_and_specks},
    {"entries with a torn crc", entries_with_a_torn_crc},
    {"members of endless transactions", members_of_endless_transactions},
    {"swarms of attributes", swarms_of_attributes},
    {"slots and gaps", slots_and_gaps},
    {"free entries", free_entries},
    {"entries", entries},
};

Bytes file_of(Shape shape, size_t size) {
  Bytes file = make_store_image({}, kSalt, {}, 0, 0);
  file.resize(scan_log(CountingFile(file), {{}, kSalt, 0, 2, Cipher::kNone}).end.offset);
  for (uint64_t number = 0; file.size() < size; ++number) shape(file, number);
  append(file, Bytes(kEndBytes));
  return file;
}

struct Cost {
  uint64_t bytes_read = 0, reads = 0, work = 0, size = 0;
};

Cost cost_of(Shape shape, size_t size) {
  const CountingFile file(file_of(shape, size));
  const StoreHeader header = read_header(file, "hostile");
  const ScanResult scan = scan_log(file, header);
  Index index;
  index.apply(scan);
  EXPECT_LE(index.gaps().size(), 1024u);
  return {file.bytes_read, file.reads, scan.work, file.size()};
}

TEST(Hostile, OpeningCostsAFewTimesTheFile) {
  const size_t size = size_t{long_test() ? 100u : sanitized() ? 1u : 3u} << 20;
  for (const auto& [name, shape] : kShapes) {
    SCOPED_TRACE(name);
    const Cost cost = cost_of(shape, size);
    EXPECT_LE(cost.work, 8 * cost.size + kMaxEntryBytes);
    // One look at a far place reads a few bytes; there may be some for each bad one.
    EXPECT_LE(cost.bytes_read, 12 * cost.size + 2 * kMaxEntryBytes);
    EXPECT_LE(cost.reads, cost.size / 64 + 1000);
  }
}

// SipHash-2-4 of 0 to 15 bytes 00 01 02 …, key 00 … 0f: appendix A of the paper gives the last one, and its reference
// implementation's vectors the first.
TEST(Hostile, NamesAreHashedUnderAKey) {
  const SipKey key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
  std::string text;
  for (char byte = 0; byte < 15; ++byte) text.push_back(byte);
  EXPECT_EQ(siphash(key, text), 0xa129ca6149be45e5u);
  EXPECT_EQ(siphash(key, ""), 0x726fdb47dd0e0e31u);
  EXPECT_NE(siphash({1, 2}, text), siphash(key, text));
}

}  // namespace
}  // namespace vtpm::store
