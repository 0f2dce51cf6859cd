// SPDX-License-Identifier: Apache-2.0
#include "crypto/library/random.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bit>
#include <set>

#include "crypto/library/openssl.h"

namespace vtpm::crypto {
namespace {

TEST(Random, IsSpreadEvenlyAndNeverRepeats) {
  Bytes sample = random_bytes(1 << 16);
  size_t ones = 0;
  for (uint8_t byte : sample) ones += static_cast<size_t>(std::popcount(byte));
  // 524288 bits: the standard deviation of the count is 362; ten of them.
  EXPECT_NEAR(static_cast<double>(ones), 262144.0, 3620.0);
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    EXPECT_TRUE(seen.insert(to_hex(random_bytes(16))).second);
    EXPECT_TRUE(seen.insert(to_hex(random_secret(16))).second);
  }
}

TEST(Random, FillsEmptyAndLargeBuffers) {
  random_fill({});
  EXPECT_TRUE(random_bytes(0).empty());
  EXPECT_EQ(random_secret(1 << 20).size(), size_t{1} << 20);
}

TEST(Random, ChildAndParentDiffer) {
  random_bytes(16);
  random_secret(16);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  pid_t child = fork();
  if (child == 0) {
    Bytes mine = random_bytes(32);
    append(mine, random_secret(32));
    _exit(write(ends[1], mine.data(), mine.size()) == 64 ? 0 : 1);
  }
  Bytes theirs(64), mine = random_bytes(32);
  append(mine, random_secret(32));
  EXPECT_EQ(read(ends[0], theirs.data(), theirs.size()), 64);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(equal(ByteView(mine).first(32), ByteView(theirs).first(32)));
  EXPECT_FALSE(equal(ByteView(mine).last(32), ByteView(theirs).last(32)));
  close(ends[0]);
  close(ends[1]);
}

TEST(Random, SeedsAreTakenAndFixNothing) {
  random_add({});
  random_add(Bytes(100000, 0));
  Bytes first = random_bytes(32);
  random_add(Bytes(100000, 0));
  EXPECT_NE(first, random_bytes(32));
  EXPECT_EQ(ERR_peek_error(), 0u);
}

}  // namespace
}  // namespace vtpm::crypto
