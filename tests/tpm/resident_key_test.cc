// SPDX-License-Identifier: Apache-2.0
// Keys that are created in the TPM or imported into it. OpenSSL checks every result outside of the TPM.
#include "tpm/use/resident_key.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/error.h"
#include "crypto/hash/digest.h"
#include "crypto/key/rsa_padding.h"
#include "crypto/key/software_key.h"
#include "crypto/library/random.h"
#include "tests/tpm/errors.h"
#include "tests/tpm/memory_state.h"
#include "tpm/command/commands.h"

namespace vtpm::tpm {
namespace {

using crypto::Curve;
using crypto::PublicKey;
using crypto::SoftwareKey;

constexpr Curve kCurves[] = {Curve::kP256, Curve::kP384, Curve::kP521};

class ResidentKeyTest : public testing::Test {
 protected:
  ResidentKey resident(const KeyBlob& blob) { return {engine_, blob.clone()}; }

  std::shared_ptr<MemoryState> state_ = std::make_shared<MemoryState>();
  std::shared_ptr<Engine> engine_ = std::make_shared<Engine>(state_);
};

/// A block below `modulus`, different at each call.
Bytes block_below(const Bytes& modulus) {
  Bytes block = crypto::random_bytes(modulus.size());
  block[0] = 0;
  return block;
}

TEST_F(ResidentKeyTest, EcSignaturesVerify) {
  for (const Curve curve : kCurves) {
    const KeyBlob blob = create_ec(*engine_, curve);
    const PublicKey public_key = public_key_of(blob);
    ResidentKey key = resident(blob);
    for (const crypto::Hash hash : {crypto::Hash::kSha1, crypto::Hash::kSha224, crypto::Hash::kSha256,
                                    crypto::Hash::kSha384, crypto::Hash::kSha512}) {
      const Bytes digest = crypto::digest(hash, as_bytes("message"));
      const Bytes signature = key.ecdsa_sign(digest);
      EXPECT_EQ(signature.size(), 2 * crypto::curve_bytes(curve));
      EXPECT_TRUE(public_key.ecdsa_verify(digest, signature)) << "curve " << static_cast<int>(curve);
      Bytes other = digest;
      other[0] ^= 1;
      EXPECT_FALSE(public_key.ecdsa_verify(other, signature));
    }
  }
}

TEST_F(ResidentKeyTest, EcSignsDigestsOfAnyLength) {
  for (const Curve curve : kCurves) {
    const KeyBlob blob = create_ec(*engine_, curve);
    const PublicKey public_key = public_key_of(blob);
    ResidentKey key = resident(blob);
    for (size_t size = 1; size <= 100; ++size) {
      const Bytes digest = crypto::random_bytes(size);
      if (curve == Curve::kP521 && size > 64) {
        EXPECT_EQ(code_of([&] { key.ecdsa_sign(digest); }), ErrorCode::kInvalidArgument);
      } else {
        EXPECT_TRUE(public_key.ecdsa_verify(digest, key.ecdsa_sign(digest))) << size;
      }
    }
  }
}

TEST_F(ResidentKeyTest, EcdhAgreesWithOpenSsl) {
  for (const Curve curve : kCurves) {
    const KeyBlob blob = create_ec(*engine_, curve);
    ResidentKey key = resident(blob);
    for (int i = 0; i < 5; ++i) {
      const auto peer = SoftwareKey::generate_ec(curve);
      const SecretBytes ours = key.ecdh(peer->public_key().point());
      EXPECT_EQ(ours.size(), crypto::curve_bytes(curve));
      EXPECT_TRUE(equal(ours, peer->ecdh(public_key_of(blob).point())));
    }
  }
}

TEST_F(ResidentKeyTest, EcdhRejectsPointsThatAreNotOnTheCurve) {
  ResidentKey key = resident(create_ec(*engine_, Curve::kP256));
  Bytes point = SoftwareKey::generate_ec(Curve::kP256)->public_key().point();
  point.back() ^= 1;
  EXPECT_EQ(code_of([&] { key.ecdh(point); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { key.ecdh(Bytes(64, 4)); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { key.ecdh(Bytes(65, 0)); }), ErrorCode::kInvalidArgument);
}

TEST_F(ResidentKeyTest, RsaPrivateIsTheInverseOfPublic) {
  for (const unsigned bits : {1024u, 2048u, 3072u}) {
    const KeyBlob blob = create_rsa(*engine_, {.bits = bits});
    const PublicKey public_key = public_key_of(blob);
    EXPECT_EQ(public_key.bits(), bits);
    EXPECT_EQ(public_key.exponent(), (Bytes{1, 0, 1}));
    ResidentKey key = resident(blob);
    for (int i = 0; i < 5; ++i) {
      const Bytes block = block_below(public_key.modulus());
      const SecretBytes power = key.rsa_private(block);
      EXPECT_EQ(public_key.rsa_public(power), block);
    }
    // Small results keep their leading zeros.
    Bytes one(public_key.modulus().size(), 0);
    one.back() = 1;
    EXPECT_TRUE(equal(key.rsa_private(one), one));
  }
}

TEST_F(ResidentKeyTest, RsaRejectsBlocksThatAreNotBelowTheModulus) {
  const KeyBlob blob = create_rsa(*engine_, {.bits = 1024});
  ResidentKey key = resident(blob);
  const Bytes modulus = public_key_of(blob).modulus();
  for (const Bytes& block : {modulus, Bytes(modulus.size(), 0xFF), Bytes(modulus.size() - 1, 1), Bytes()})
    EXPECT_EQ(code_of([&] { key.rsa_private(block); }), ErrorCode::kInvalidArgument);
  const Bytes good = block_below(modulus);
  EXPECT_EQ(public_key_of(blob).rsa_public(key.rsa_private(good)), good);
}

// libtpms returns TPM_RC_FAILURE for a cipher text that is too large, which must not be taken for a dead TPM.
TEST_F(ResidentKeyTest, BadCipherTextDoesNotRestartTheTpm) {
  const KeyBlob blob = create_rsa(*engine_, {.bits = 1024});
  const unsigned loads = state_->loads();
  engine_->use([&](BootedTpm& tpm) {
    const uint64_t session = tpm.session();
    const uint32_t handle = tpm.keys().load(1'000'000, blob);
    const Bytes too_large(128, 0xFF);
    for (int i = 0; i < 3; ++i)
      EXPECT_EQ(code_of([&] { tpm.rsa_decrypt(handle, blob.auth, too_large); }), ErrorCode::kTpm);
    EXPECT_EQ(tpm.session(), session);
    EXPECT_EQ(tpm.get_random(16).size(), 16u);
  });
  EXPECT_EQ(state_->loads(), loads);
}

TEST_F(ResidentKeyTest, RsaKeysHaveTheRequestedExponent) {
  const KeyBlob blob = create_rsa(*engine_, {.bits = 1024, .exponent = 65539});
  EXPECT_EQ(public_key_of(blob).exponent(), (Bytes{1, 0, 3}));
  ResidentKey key = resident(blob);
  const Bytes block = block_below(public_key_of(blob).modulus());
  EXPECT_EQ(public_key_of(blob).rsa_public(key.rsa_private(block)), block);
}

TEST_F(ResidentKeyTest, CanHoldRsaAgreesWithTheTpm) {
  for (const uint8_t exponent : {3, 5, 7, 9, 15, 17, 21, 35, 101}) {
    const auto software = SoftwareKey::generate_rsa(1024, Bytes{exponent});
    bool imported = true;
    try {
      const KeyBlob blob = import_rsa(*engine_, software->rsa_numbers());
      ResidentKey key = resident(blob);
      const Bytes block = block_below(software->public_key().modulus());
      EXPECT_TRUE(equal(key.rsa_private(block), software->rsa_private(block))) << int{exponent};
    } catch (const Error& error) {
      imported = false;
      EXPECT_NE(error.code(), ErrorCode::kTpmFailure) << error.sentence();
    }
    EXPECT_EQ(imported, can_hold_rsa(1024, Bytes{exponent}, true)) << int{exponent};
  }
  EXPECT_TRUE(can_hold_rsa(2048, Bytes{1, 0, 1}, false));
  EXPECT_FALSE(can_hold_rsa(2048, Bytes{17}, false));
  EXPECT_FALSE(can_hold_rsa(4096, Bytes{1, 0, 1}, true));
  EXPECT_FALSE(can_hold_rsa(2048, Bytes{1, 0, 0, 0, 1}, true));
}

TEST_F(ResidentKeyTest, ImportedRsaKeysWork) {
  for (const unsigned bits : {1024u, 2048u, 3072u}) {
    for (const Bytes& exponent : {Bytes{1, 0, 1}, Bytes{17}, Bytes{1, 0, 3}}) {
      const auto software = SoftwareKey::generate_rsa(bits, exponent);
      const KeyBlob blob = import_rsa(*engine_, software->rsa_numbers());
      EXPECT_EQ(public_key_of(blob).spki(), software->public_key().spki());
      EXPECT_TRUE(blob.creation_data.empty());
      ResidentKey key = resident(blob);
      const Bytes block = block_below(software->public_key().modulus());
      EXPECT_TRUE(equal(key.rsa_private(block), software->rsa_private(block)));
    }
  }
}

TEST_F(ResidentKeyTest, ImportedEcKeysWork) {
  for (const Curve curve : kCurves) {
    const auto software = SoftwareKey::generate_ec(curve);
    const KeyBlob blob = import_ec(*engine_, software->public_key(), software->ec_scalar());
    EXPECT_EQ(public_key_of(blob).spki(), software->public_key().spki());
    ResidentKey key = resident(blob);
    const Bytes digest = crypto::random_bytes(32);
    EXPECT_TRUE(software->public_key().ecdsa_verify(digest, key.ecdsa_sign(digest)));
    const auto peer = SoftwareKey::generate_ec(curve);
    EXPECT_TRUE(equal(key.ecdh(peer->public_key().point()), software->ecdh(peer->public_key().point())));
  }
}

TEST_F(ResidentKeyTest, ImportRejectsHalvesThatDoNotBelongTogether) {
  const auto one = SoftwareKey::generate_ec(Curve::kP256), other = SoftwareKey::generate_ec(Curve::kP256);
  EXPECT_THROW(import_ec(*engine_, one->public_key(), other->ec_scalar()), Error);
  crypto::RsaNumbers numbers = SoftwareKey::generate_rsa(1024, Bytes{1, 0, 1})->rsa_numbers();
  numbers.modulus = SoftwareKey::generate_rsa(1024, Bytes{1, 0, 1})->rsa_numbers().modulus;
  EXPECT_THROW(import_rsa(*engine_, numbers), Error);
  EXPECT_TRUE(engine_->use([](BootedTpm& tpm) { return tpm.get_random(8).size() == 8; }));
}

// Two keys stay loaded; the others are swapped by contexts and loads, on an instance with three places.
TEST_F(ResidentKeyTest, MoreKeysThanPlacesWorkInTurn) {
  std::vector<KeyBlob> blobs;
  std::vector<std::unique_ptr<ResidentKey>> keys;
  for (int i = 0; i < 6; ++i)
    blobs.push_back(i % 2 == 0 ? create_ec(*engine_, Curve::kP256) : create_rsa(*engine_, {.bits = 1024}));
  for (const KeyBlob& blob : blobs) keys.push_back(std::make_unique<ResidentKey>(engine_, blob.clone()));
  for (int round = 0; round < 5; ++round) {
    for (size_t i = 0; i < keys.size(); ++i) {
      const PublicKey public_key = public_key_of(blobs[i]);
      if (public_key.type() == crypto::KeyType::kEc) {
        const Bytes digest = crypto::random_bytes(32);
        EXPECT_TRUE(public_key.ecdsa_verify(digest, keys[i]->ecdsa_sign(digest)));
      } else {
        const Bytes block = block_below(public_key.modulus());
        EXPECT_EQ(public_key.rsa_public(keys[i]->rsa_private(block)), block);
      }
    }
    (void)create_ec(*engine_, Curve::kP256);  // needs two of the three places
  }
  engine_->use([](BootedTpm& tpm) {
    EXPECT_EQ(tpm.keys().loaded(), 1u);  // the creation has flushed the other one
    EXPECT_EQ(tpm.handles(0x80000000).size(), 1u);
  });
}

TEST_F(ResidentKeyTest, AWrongAuthValueIsRejectedAndStoresNothing) {
  KeyBlob blob = create_ec(*engine_, Curve::kP256);
  blob.auth = SecretBytes(ByteView(crypto::random_bytes(32)));
  ResidentKey key = resident(blob);
  const unsigned loads = state_->loads();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(code_of([&] { key.ecdsa_sign(Bytes(32, 1)); }), ErrorCode::kAuthFailed);
  EXPECT_TRUE(engine_->use([](BootedTpm& tpm) { return tpm.get_random(8).size() == 8; }));
  EXPECT_EQ(state_->loads(), loads);  // after a store, the instance would have booted again
}

TEST_F(ResidentKeyTest, AWrappedKeyThatWasChangedIsRejected) {
  KeyBlob blob = create_ec(*engine_, Curve::kP256);
  blob.private_area.back() ^= 1;
  ResidentKey key = resident(blob);
  EXPECT_THROW(key.ecdsa_sign(Bytes(32, 1)), Error);
  blob.private_area.pop_back();
  ResidentKey cut = resident(blob);
  EXPECT_EQ(code_of([&] { cut.ecdsa_sign(Bytes(32, 1)); }), ErrorCode::kCorrupt);
}

TEST_F(ResidentKeyTest, AKeyLoadsWhereverTheStateIs) {
  const KeyBlob blob = create_ec(*engine_, Curve::kP256);
  auto elsewhere = std::make_shared<Engine>(std::make_shared<MemoryState>(state_->load().permanent.clone()));
  ResidentKey key(elsewhere, blob.clone());
  EXPECT_TRUE(public_key_of(blob).ecdsa_verify(Bytes(32, 7), key.ecdsa_sign(Bytes(32, 7))));

  auto stranger = std::make_shared<Engine>(std::make_shared<MemoryState>());
  ResidentKey foreign(stranger, blob.clone());
  EXPECT_EQ(code_of([&] { foreign.ecdsa_sign(Bytes(32, 7)); }), ErrorCode::kTpm);
}

TEST_F(ResidentKeyTest, OperationsOfTheOtherKeyTypeAreRejected) {
  ResidentKey ec = resident(create_ec(*engine_, Curve::kP256));
  ResidentKey rsa = resident(create_rsa(*engine_, {.bits = 1024}));
  EXPECT_EQ(code_of([&] { ec.rsa_private(Bytes(128, 0)); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { rsa.ecdsa_sign(Bytes(32, 0)); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { rsa.ecdh(Bytes(65, 4)); }), ErrorCode::kInvalidArgument);
}

TEST_F(ResidentKeyTest, CreatedKeysCarryTheirEvidence) {
  const KeyBlob blob = create_ec(*engine_, Curve::kP256);
  EXPECT_FALSE(blob.creation_data.empty());
  // TPM2B_DIGEST of SHA-256, over the creation data's contents (Part 3, 12.1).
  ASSERT_EQ(blob.creation_hash.size(), 34u);
  EXPECT_TRUE(equal(ByteView(blob.creation_hash).subspan(2),
                    crypto::digest(crypto::Hash::kSha256, ByteView(blob.creation_data).subspan(2))));
  EXPECT_FALSE(blob.creation_ticket.empty());
  // objectAttributes (Part 2, 8.3): fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, noDA, decrypt, sign.
  const ByteView attributes = ByteView(blob.public_area).subspan(6, 4);
  EXPECT_TRUE(equal(attributes, Bytes{0x00, 0x06, 0x04, 0x72}));
}

// --- a key that is destroyed ---

constexpr uint32_t kTransientFirst = 0x80000000;

TEST_F(ResidentKeyTest, ADestroyedKeyIsFlushedFromEveryFreeInstance) {
  const Bytes digest(32, 1);
  auto key = std::make_unique<ResidentKey>(engine_, create_ec(*engine_, Curve::kP256));
  auto rsa = std::make_unique<ResidentKey>(engine_, create_rsa(*engine_, {}));
  ResidentKey stays(engine_, create_ec(*engine_, Curve::kP256));
  const Bytes block(256, 1);
  // The keys are used on two instances: one is held while the other works.
  const auto work = [&] {
    key->ecdsa_sign(digest);
    rsa->rsa_private(block);
    stays.ecdsa_sign(digest);  // replaces a loaded key, which becomes a context
  };
  work();
  engine_->use([&](Commands&) { work(); });
  const auto loaded = [&] {
    std::vector<size_t> counts;
    engine_->use([&](Commands& one) {
      counts.push_back(one.handles(kTransientFirst).size());
      engine_->use([&](Commands& other) { counts.push_back(other.handles(kTransientFirst).size()); });
    });
    return counts;
  };
  ASSERT_EQ(loaded(), (std::vector<size_t>{2, 2}));
  key.reset();
  rsa.reset();
  EXPECT_EQ(loaded(), (std::vector<size_t>{1, 1}));
  stays.ecdsa_sign(digest);
}

TEST_F(ResidentKeyTest, ADestroyedKeyIsFlushedFromABusyInstanceAfterwards) {
  auto key = std::make_unique<ResidentKey>(engine_, create_ec(*engine_, Curve::kP256));
  key->ecdsa_sign(Bytes(32, 1));
  engine_->use([&](BootedTpm& tpm) {
    ASSERT_EQ(tpm.keys().loaded(), 1u);
    std::thread([&] { key.reset(); }).join();
    EXPECT_EQ(tpm.keys().loaded(), 1u) << "only its holder uses an instance";
  });
  engine_->use([&](BootedTpm& tpm) { EXPECT_EQ(tpm.keys().loaded(), 0u); });
}

}  // namespace
}  // namespace vtpm::tpm
