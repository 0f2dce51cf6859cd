// SPDX-License-Identifier: Apache-2.0
// A TPM that does not contain its storage root key works like one that does: the key is derived, and the room for three
// transient objects suffices for every combination of keys.
#include "tpm/engine/storage_root.h"

#include <gtest/gtest.h>
#include <tss2/tss2_tpm2_types.h>

#include "base/error.h"
#include "tests/tpm/errors.h"
#include "tests/tpm/memory_state.h"
#include "tpm/command/commands.h"
#include "tpm/use/attestation.h"
#include "tpm/use/identity.h"
#include "tpm/use/key_transfer.h"
#include "tpm/use/persistent_key.h"

namespace vtpm::tpm {
namespace {

constexpr uint32_t kSigner = 0x81000100;
const Bytes kDigest = Bytes(32, 7);

/// The template of an unrestricted P-256 key.
TPM2B_PUBLIC signing_template() {
  TPM2B_PUBLIC wanted = {};
  TPMT_PUBLIC& area = wanted.publicArea;
  area.type = TPM2_ALG_ECC;
  area.nameAlg = TPM2_ALG_SHA256;
  area.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |
                          TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA | TPMA_OBJECT_SIGN_ENCRYPT | TPMA_OBJECT_DECRYPT;
  area.parameters.eccDetail.symmetric.algorithm = TPM2_ALG_NULL;
  area.parameters.eccDetail.scheme.scheme = TPM2_ALG_NULL;
  area.parameters.eccDetail.curveID = TPM2_ECC_NIST_P256;
  area.parameters.eccDetail.kdf.scheme = TPM2_ALG_NULL;
  return wanted;
}

/// The state without its storage root key, and with a signing key.
SecretBytes without_root(ByteView state) {
  return Engine::visit(state, [](BootedTpm& tpm) {
    evict(tpm, kStorageRoot);
    const Handle key = tpm.create_primary(TPM2_RH_OWNER, signing_template());
    tpm.evict_control(key.value(), kSigner);
  });
}

TEST(StorageRoot, APersistedAndADerivedRootAreTheSameKey) {
  const SecretBytes state = Engine::manufacture();
  Bytes kept, derived;
  Engine::inspect(state, [&](BootedTpm& tpm) { kept = storage_root_area(tpm); });
  Engine::inspect(without_root(state), [&](BootedTpm& tpm) {
    EXPECT_FALSE(find_storage_root(tpm).has_value());
    derived = storage_root_area(tpm);
    EXPECT_TRUE(tpm.storage_root_is_transient());
  });
  EXPECT_FALSE(kept.empty());
  EXPECT_EQ(kept, derived);
}

TEST(StorageRoot, KeysOfEveryKindFitBesideADerivedRoot) {
  const SecretBytes before = Engine::manufacture();
  const auto with_root = std::make_shared<Engine>(std::make_shared<MemoryState>(before.clone()), 1);
  const KeyBlob old = create_ec(*with_root, crypto::Curve::kP256);
  const auto engine = std::make_shared<Engine>(std::make_shared<MemoryState>(without_root(before)), 1);
  std::vector<PersistentObject> persistent =
      engine->use_current([](BootedTpm& tpm) { return persistent_objects(tpm); });
  ASSERT_EQ(persistent.size(), 1u);
  const crypto::PublicKey persistent_public = persistent[0].public_key.value();
  PersistentKey signer(engine, persistent[0], {});
  KeyBlob blobs[] = {old.clone(), create_ec(*engine, crypto::Curve::kP384), create_rsa(*engine, {}),
                     create_ec(*engine, crypto::Curve::kP256)};
  std::vector<std::unique_ptr<ResidentKey>> keys;
  for (const KeyBlob& blob : blobs) keys.push_back(std::make_unique<ResidentKey>(engine, blob.clone()));
  for (int round = 0; round < 3; ++round) {
    for (size_t i = 0; i < keys.size(); ++i) {
      SCOPED_TRACE(i);
      if (public_key_of(blobs[i]).type() == crypto::KeyType::kRsa) {
        EXPECT_EQ(keys[i]->rsa_private(Bytes(256, 1)).size(), 256u);
      } else {
        EXPECT_TRUE(public_key_of(blobs[i]).ecdsa_verify(kDigest, keys[i]->ecdsa_sign(kDigest)));
      }
      EXPECT_TRUE(persistent_public.ecdsa_verify(kDigest, signer.ecdsa_sign(kDigest)));
    }
    (void)create_ec(*engine, crypto::Curve::kP256);
    EXPECT_NO_THROW(attest_key(*engine, blobs[3], {}));
    EXPECT_NO_THROW(quote_pcrs(*engine, {{"sha256", {0}}}, {}));
    const WrappedKey out = wrap_for_others(*engine, blobs[1], {});
    EXPECT_EQ(out.parent, TPM2_RH_OWNER);
    EXPECT_NO_THROW(take_from_others(*engine, out, {}));
  }
}

TEST(StorageRoot, ADerivedRootIsReplacedForANewOwner) {
  const SecretBytes state = Engine::visit(without_root(Engine::manufacture()), [](BootedTpm& tpm) {
    (void)tpm.storage_root();
    renew_owner(tpm);
    EXPECT_EQ(tpm.storage_root(), kStorageRoot);
  });
  Engine engine(std::make_shared<MemoryState>(state.clone()));
  EXPECT_NO_THROW(create_ec(engine, crypto::Curve::kP256));
}

}  // namespace
}  // namespace vtpm::tpm
