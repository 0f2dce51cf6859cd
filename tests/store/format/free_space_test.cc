// SPDX-License-Identifier: Apache-2.0
#include "store/format/free_space.h"

#include <gtest/gtest.h>

#include "base/der.h"
#include "base/error.h"
#include "tests/store/disk/scratch.h"

namespace vtpm::store {
namespace {

// Walks `total` bytes of free space as the entries that they must be; returns how many.
unsigned walk(uint64_t total) {
  Bytes space = free_header(total);
  EXPECT_LE(space.size(), kMaxFreeHeaderBytes);
  EXPECT_LE(space.size(), total);
  space.resize(total);
  unsigned count = 0;
  for (size_t at = 0; at < total; ++count) {
    auto length = read_free(ByteView(space).subspan(at));
    auto element = DerReader(ByteView(space).subspan(at)).next(DerTag::kSequence);
    if (!length || !element || element->bytes.size() != *length) return 0;
    at += *length;
  }
  return count;
}

TEST(FreeSpace, FillsEveryTotal) {
  for (uint64_t total = kMinFreeBytes; total < 70000; ++total) ASSERT_GT(walk(total), 0u) << total;
  for (uint64_t around : {1u << 16, 1u << 24}) {
    for (uint64_t total = around - 40; total < around + 40; ++total) ASSERT_GT(walk(total), 0u) << total;
  }
}

// Where a length byte would be added by the very byte that is missing.
TEST(FreeSpace, TakesTwoEntriesWhereDerHasNoSingleOne) {
  for (uint64_t total : {130u, 133u, 146u, 259u, 263u}) EXPECT_EQ(walk(total), 2u) << total;
  for (uint64_t total : {17u, 129u, 131u, 132u, 134u, 258u, 260u, 4096u}) EXPECT_EQ(walk(total), 1u) << total;
}

TEST(FreeSpace, TheSmallestHasSeventeenBytes) {
  EXPECT_EQ(to_hex(free_header(17)), "300f300d160466726565310031000401");
  EXPECT_THROW(free_header(16), Error);
}

TEST(FreeSpace, IsReadOnlyWhenItIsExact) {
  Bytes header = free_header(5000);
  EXPECT_EQ(read_free(header), 5000u);
  for (size_t at = 0; at < header.size(); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      Bytes flipped = header;
      flipped[at] ^= static_cast<uint8_t>(1u << bit);
      EXPECT_FALSE(read_free(flipped)) << at;
    }
  }
  EXPECT_FALSE(read_free(ByteView(header).first(header.size() - 1)));
}

// The same through an outside tool, for a file of each kind.
TEST(FreeSpace, OutsideToolsReadIt) {
  ScratchDirectory scratch;
  for (uint64_t total : {17u, 129u, 130u, 133u, 146u, 259u, 4096u, 60000u, 70000u}) {
    Bytes file = {0x31, 0x80};
    append(file, free_header(total));
    file.resize(2 + total + 2);
    save(scratch.file("free"), file);
    EXPECT_TRUE(outside_tools_read(scratch.file("free"))) << total;
  }
}

}  // namespace
}  // namespace vtpm::store
