// SPDX-License-Identifier: Apache-2.0
// Keys that the TPM itself keeps, at handles 0x81000000 and up (TPM 2.0 Part 1, 37.3.3): the storage root key, the
// endorsement keys, and whatever tpm2-tools persisted before the state was imported.
//
// A handle is not a name: after a change by another process it may be another key's. So each use looks at the public
// area first, and answers kNotFound when it is not the key that was asked for.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "crypto/key/key.h"
#include "tpm/engine/engine.h"

namespace vtpm::tpm {

constexpr uint32_t kPersistentFirst = 0x81000000, kPersistentLast = 0x81FFFFFF;
/// From here on handles are the platform's.
constexpr uint32_t kPersistentPlatform = 0x81800000;
/// Endorsement keys (TCG registry of reserved handles).
constexpr uint32_t kEndorsementFirst = 0x81010000, kEndorsementLast = 0x8101FFFF;

struct PersistentObject {
  uint32_t handle = 0;
  Bytes public_area;                            // TPM2B_PUBLIC
  std::optional<crypto::PublicKey> public_key;  // RSA, or a NIST curve of crypto/key/key.h; else nothing
  bool fixed_tpm = false, generated = false;    // TPMA_OBJECT fixedTPM, sensitiveDataOrigin
  bool restricted = false;                      // works on the TPM's own structures only: SRK, EK, attestation keys
  bool signs = false, decrypts = false;         // what its raw operations can be used for; false when restricted
};

/// What a public area says about a key that stands at `handle`, or nowhere yet (0).
PersistentObject describe_key(uint32_t handle, const Bytes& public_area);

/// Ascending handles. Runs inside Engine::use_current or Engine::change.
std::vector<PersistentObject> persistent_objects(Commands& tpm);

/// Takes a key away from its handle; nothing happens when there is none. Stores.
void evict(Commands& tpm, uint32_t handle);

/// The operations of an unrestricted persistent key. `auth`: its auth value.
class PersistentKey : public crypto::PrivateKey {
 public:
  PersistentKey(std::shared_ptr<Engine> engine, PersistentObject object, SecretBytes auth);

  SecretBytes rsa_private(ByteView block) override;
  Bytes ecdsa_sign(ByteView digest) override;
  SecretBytes ecdh(ByteView point) override;

 private:
  template <typename F>
  auto use(F&& work);
  const std::shared_ptr<Engine> engine_;
  const PersistentObject object_;
  const SecretBytes auth_;
};

}  // namespace vtpm::tpm
