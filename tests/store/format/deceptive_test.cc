// SPDX-License-Identifier: Apache-2.0
// Files that were made to deceive: right checksums, wrong numbers (the seeds of the fuzzer store_recovery).
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "tests/store/crash/crash_history.h"

namespace vtpm::store {
namespace {

using Seen = std::map<std::string, std::string>;

void put_on(SimulatedDisk& disk, ByteView bytes) {
  auto file = disk.create(kCrashPath);
  file->write_at(0, bytes);
  file->sync_all();
}

std::unique_ptr<Vault> open(SimulatedDisk& disk, bool read_only) {
  OpenOptions options;
  options.file_system = &disk;
  options.read_only = read_only;
  return Vault::open(kCrashPath, options);
}

Seen values_of(const Vault& vault) {
  Seen values;
  for (const EntryInfo& entry : vault.list()) {
    try {
      if (auto blob = vault.read(entry.name)) values[entry.name] = std::string(as_text(blob->data.view()));
    } catch (const Error&) {
    }
  }
  return values;
}

class Deceptive : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(Deceptive, ACommitIsReadBackAndCostsNothingElse) {
  SimulatedDisk disk;
  put_on(disk, load(GetParam()));
  Seen before;
  try {
    before = values_of(*open(disk, true));
  } catch (const Error&) {
    return;
  }
  for (int i = 0; i < 3; ++i) {
    try {
      put(*open(disk, false), "obj/written", "new " + std::to_string(i), Protection::kClear);
    } catch (const Error& error) {
      EXPECT_NE(error.code(), ErrorCode::kInternal);
      EXPECT_EQ(values_of(*open(disk, true)), before);
      return;
    }
    before["obj/written"] = "new " + std::to_string(i);
    EXPECT_EQ(values_of(*open(disk, true)), before) << "commit " << i;
  }
  try {
    open(disk, false)->compact();
  } catch (const Error& error) {
    EXPECT_NE(error.code(), ErrorCode::kInternal);
  }
  EXPECT_EQ(values_of(*open(disk, true)), before) << "compaction";
}

// Where the log will end decides what the length of something damaged means: a commit of each size.
TEST_P(Deceptive, ACommitOfAnySizeIsReadBackAndCostsNothingElse) {
  const Bytes bytes = load(GetParam());
  const size_t step = sanitized() ? 29 : 1;
  for (size_t size = 1; size < 260; size += step) {
    SimulatedDisk disk;
    put_on(disk, bytes);
    Seen before;
    try {
      before = values_of(*open(disk, true));
      const std::string value(size, 'v');
      put(*open(disk, false), "obj/written", value, Protection::kClear);
      before["obj/written"] = value;
    } catch (const Error& error) {
      EXPECT_NE(error.code(), ErrorCode::kInternal);
      if (before.empty()) return;
    }
    ASSERT_EQ(values_of(*open(disk, true)), before) << size << " bytes";
  }
}

std::vector<std::filesystem::path> seeds() {
  std::vector<std::filesystem::path> found;
  for (const auto& file : std::filesystem::directory_iterator(VTPM_TEST_DATA "/fuzz/store_recovery"))
    found.push_back(file.path());
  std::sort(found.begin(), found.end());
  return found;
}

INSTANTIATE_TEST_SUITE_P(Seeds, Deceptive, testing::ValuesIn(seeds()), [](const auto& each) {
  std::string name = each.param.filename().string();
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace vtpm::store
