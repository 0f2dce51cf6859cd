// SPDX-License-Identifier: Apache-2.0
// Keys that are exported with another auth value and imported again, between engines of one TPM and of two.
#include "tpm/use/key_transfer.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "crypto/key/software_key.h"
#include "tests/tpm/errors.h"
#include "tests/tpm/memory_state.h"
#include "tpm/engine/storage_root.h"

namespace vtpm::tpm {
namespace {

class KeyTransferTest : public ::testing::Test {
 protected:
  const std::shared_ptr<MemoryState> state = std::make_shared<MemoryState>();
  const std::shared_ptr<Engine> engine = std::make_shared<Engine>(state), second = std::make_shared<Engine>(state);
  const Bytes digest = Bytes(32, 7);
};

TEST_F(KeyTransferTest, AnExportedKeyCanBeImportedAgain) {
  const KeyBlob key = create_ec(*engine, crypto::Curve::kP256);
  const SecretBytes auth(as_bytes("of its user there"));
  const WrappedKey out = wrap_for_others(*engine, key, auth);
  EXPECT_EQ(out.parent, kStorageRoot);
  EXPECT_EQ(out.public_area, key.public_area);
  EXPECT_NE(out.private_area, key.private_area);
  ResidentKey back(second, take_from_others(*second, out, auth));
  EXPECT_TRUE(public_key_of(key).ecdsa_verify(digest, back.ecdsa_sign(digest)));
  ResidentKey kept(engine, key.clone());
  EXPECT_TRUE(public_key_of(key).ecdsa_verify(digest, kept.ecdsa_sign(digest))) << "ours has kept its own auth value";
}

TEST_F(KeyTransferTest, AWrongAuthValueIsRejected) {
  const WrappedKey out = wrap_for_others(*engine, create_ec(*engine, crypto::Curve::kP256), as_bytes("right"));
  EXPECT_EQ(code_of([&] { take_from_others(*engine, out, as_bytes("wrong")); }), ErrorCode::kAuthFailed);
  EXPECT_EQ(code_of([&] { take_from_others(*engine, out, {}); }), ErrorCode::kAuthFailed);
  EXPECT_EQ(code_of([&] { wrap_for_others(*engine, create_ec(*engine, crypto::Curve::kP256), Bytes(33, 1)); }),
            ErrorCode::kInvalidArgument);
}

TEST_F(KeyTransferTest, AKeyOfAnotherTpmIsRejected) {
  Engine elsewhere(std::make_shared<MemoryState>());
  const WrappedKey out = wrap_for_others(elsewhere, create_ec(elsewhere, crypto::Curve::kP256), {});
  EXPECT_EQ(code_of([&] { take_from_others(*engine, out, {}); }), ErrorCode::kNotFound);
}

TEST_F(KeyTransferTest, DamagedKeysAreRejectedAndDoNoHarm) {
  const WrappedKey out = wrap_for_others(*engine, create_rsa(*engine, {}), {});
  for (size_t at = 0; at < out.private_area.size(); at += 5) {
    WrappedKey damaged = out;
    damaged.private_area[at] ^= 0x10;
    EXPECT_THROW(take_from_others(*engine, damaged, {}), Error) << at;
    damaged = out;
    damaged.private_area.resize(at);
    EXPECT_THROW(take_from_others(*engine, damaged, {}), Error) << at;
  }
  for (size_t at = 0; at < out.public_area.size(); at += 5) {
    WrappedKey damaged = out;
    damaged.public_area[at] ^= 0x10;
    EXPECT_THROW(take_from_others(*engine, damaged, {}), Error) << at;
  }
  EXPECT_NO_THROW(take_from_others(*engine, out, {}));
}

}  // namespace
}  // namespace vtpm::tpm
