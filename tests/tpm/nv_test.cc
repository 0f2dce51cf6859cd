// SPDX-License-Identifier: Apache-2.0
// NV areas, through the engine as a token uses it.
#include "tpm/use/nv.h"

#include <gtest/gtest.h>

#include "crypto/library/random.h"
#include "tests/tpm/errors.h"
#include "tests/tpm/memory_state.h"
#include "tpm/command/commands.h"

namespace vtpm::tpm {
namespace {

constexpr uint32_t kIndex = 0x01800001;

class NvTest : public testing::Test {
 protected:
  void change(const std::function<void(BootedTpm&)>& work) { state_->change(*engine_, work); }
  SecretBytes read(uint32_t index) {
    return engine_->use_current([&](Commands& tpm) { return nv_read(tpm, nv_public(tpm, index).value()); });
  }
  std::optional<NvPublic> area(uint32_t index) {
    return engine_->use_current([&](Commands& tpm) { return nv_public(tpm, index); });
  }

  std::shared_ptr<MemoryState> state_ = std::make_shared<MemoryState>();
  std::shared_ptr<Engine> engine_ = std::make_shared<Engine>(state_);
};

TEST_F(NvTest, AnAreaIsDefinedWrittenReadAndDeleted) {
  for (const size_t size : {size_t{1}, size_t{100}, size_t{1024}, size_t{1025}, kNvMaxBytes}) {
    const Bytes contents = crypto::random_bytes(size);
    change([&](Commands& tpm) {
      nv_define(tpm, kIndex, static_cast<uint16_t>(size), nv_default_attributes());
      nv_write(tpm, nv_public(tpm, kIndex).value(), 0, contents);
    });
    EXPECT_TRUE(equal(read(kIndex), contents)) << size;
    const NvPublic found = area(kIndex).value();
    EXPECT_EQ(found.size, size);
    EXPECT_TRUE(found.written() && found.is_ordinary() && !found.is_counter());
    EXPECT_TRUE(found.owner_readable() && found.owner_writable() && found.auth_readable() && found.auth_writable());
    change([](Commands& tpm) { nv_undefine(tpm, kIndex); });
    EXPECT_FALSE(area(kIndex));
  }
}

TEST_F(NvTest, AnAreaThatWasNeverWrittenIsEmpty) {
  change([](Commands& tpm) { nv_define(tpm, kIndex, 32, nv_default_attributes()); });
  EXPECT_FALSE(area(kIndex)->written());
  EXPECT_TRUE(read(kIndex).empty());
}

TEST_F(NvTest, PartsAreWrittenInPlace) {
  change([](Commands& tpm) {
    nv_define(tpm, kIndex, 8, nv_default_attributes());
    nv_write(tpm, nv_public(tpm, kIndex).value(), 0, as_bytes("abcdefgh"));
    nv_write(tpm, nv_public(tpm, kIndex).value(), 2, as_bytes("XY"));
  });
  EXPECT_EQ(as_text(read(kIndex)), "abXYefgh");
}

TEST_F(NvTest, ListsInAscendingOrder) {
  change([](Commands& tpm) {
    for (const uint32_t index : {0x01C00002u, 0x01000001u, 0x01800005u})
      nv_define(tpm, index, 4, nv_default_attributes());
  });
  EXPECT_EQ(engine_->use_current([](Commands& tpm) { return nv_list(tpm); }),
            (std::vector<uint32_t>{0x01000001u, 0x01800005u, 0x01C00002u}));
}

TEST_F(NvTest, ListsMoreIndicesThanOneResponseHolds) {
  constexpr uint32_t kMany = 300;  // TPM2_GetCapability returns at most 254 handles at once
  change([](Commands& tpm) {
    for (uint32_t i = 0; i < kMany; ++i) nv_define(tpm, kNvFirst + i, 4, nv_default_attributes());
  });
  const std::vector<uint32_t> all = engine_->use_current([](Commands& tpm) { return nv_list(tpm); });
  ASSERT_EQ(all.size(), kMany);
  EXPECT_EQ(all.back(), kNvFirst + kMany - 1);
}

TEST_F(NvTest, EachRejectionHasItsErrorCode) {
  const auto define = [&](uint32_t index, uint16_t size) {
    return code_of([&] { change([&](Commands& tpm) { nv_define(tpm, index, size, nv_default_attributes()); }); });
  };
  change([](Commands& tpm) { nv_define(tpm, kIndex, 16, nv_default_attributes()); });
  EXPECT_EQ(define(kIndex, 16), ErrorCode::kNvExists);
  EXPECT_EQ(define(kIndex + 1, kNvMaxBytes + 1), ErrorCode::kInvalidArgument);
  EXPECT_EQ(define(0x02000000, 16), ErrorCode::kInvalidArgument);
  EXPECT_EQ(
      code_of([&] { change([&](Commands& tpm) { nv_write(tpm, nv_public(tpm, kIndex).value(), 0, Bytes(17, 1)); }); }),
      ErrorCode::kInvalidArgument);
  EXPECT_EQ(
      code_of([&] { change([&](Commands& tpm) { nv_write(tpm, nv_public(tpm, kIndex).value(), 17, Bytes()); }); }),
      ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { change([&](Commands& tpm) { nv_undefine(tpm, kIndex + 7); }); }), ErrorCode::kNotFound);
}

TEST_F(NvTest, AFullNvMemoryIsReportedAndNothingIsHalfMade) {
  uint32_t defined = 0;
  ErrorCode code = ErrorCode::kInternal;
  try {
    for (;; ++defined) {
      change([&](Commands& tpm) {
        nv_define(tpm, kIndex + defined, kNvMaxBytes, nv_default_attributes());
        nv_write(tpm, nv_public(tpm, kIndex + defined).value(), 0, Bytes(kNvMaxBytes, 7));
      });
    }
  } catch (const Error& error) {
    code = error.code();
  }
  EXPECT_EQ(code, ErrorCode::kNvFull);
  EXPECT_GT(defined, 50u);  // in 128 KB and more
  EXPECT_EQ(engine_->use_current([](Commands& tpm) { return nv_list(tpm); }).size(), defined);
  // Such a state is larger than TPM_Malloc can allocate; it boots all the same.
  EXPECT_GT(state_->load().permanent.size(), 128u * 1024);
  auto other = std::make_shared<Engine>(state_);
  EXPECT_EQ(other->use_current([](Commands& tpm) { return nv_list(tpm); }).size(), defined);
  change([](Commands& tpm) { nv_undefine(tpm, kIndex); });
  change([](Commands& tpm) { nv_define(tpm, kIndex, kNvMaxBytes, nv_default_attributes()); });
}

// TPMA_NV (Part 2, 13.4): the type in bits 4 to 7, AUTHREAD bit 18, AUTHWRITE bit 2, NO_DA bit 25.
TEST_F(NvTest, AnAreaThatOnlyItsOwnAuthValueOpensNeedsIt) {
  constexpr uint32_t kAuthOnly = 1u << 2 | 1u << 18 | 1u << 25;
  change([](Commands& tpm) {
    nv_define(tpm, kIndex, 4, kAuthOnly, as_bytes("secret"));
    tpm.nv_write(kIndex, as_bytes("secret"), kIndex, 0, as_bytes("abcd"));
  });
  EXPECT_EQ(code_of([&] { read(kIndex); }), ErrorCode::kAuthFailed);
  engine_->use_current(
      [](Commands& tpm) { EXPECT_EQ(as_text(tpm.nv_read(kIndex, as_bytes("secret"), kIndex, 0, 4)), "abcd"); });
}

TEST_F(NvTest, ACounterCounts) {
  constexpr uint32_t kCounter = 1u << 4;  // TPM_NT_COUNTER
  change([](Commands& tpm) { nv_define(tpm, kIndex, 8, nv_default_attributes() | kCounter); });
  EXPECT_TRUE(area(kIndex)->is_counter());
  const auto increment = [&] {
    change([](Commands& tpm) { tpm.nv_increment(0x40000001, {}, kIndex); });  // TPM_RH_OWNER
    uint64_t value = 0;
    for (const uint8_t byte : read(kIndex)) value = value << 8 | byte;
    return value;
  };
  const uint64_t first = increment();
  EXPECT_EQ(increment(), first + 1);
}

}  // namespace
}  // namespace vtpm::tpm
