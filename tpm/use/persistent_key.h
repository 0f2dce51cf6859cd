// SPDX-License-Identifier: Apache-2.0
// Persistent keys: those that the TPM itself keeps, at handles 0x81000000 and up (TPM 2.0 Part 1, 37.3.3). They are the
// storage root key, the endorsement keys, and keys that other programs persisted before the state was imported.
//
// A handle does not name a key for ever: after a change by another process another key may have it. Therefore each use
// compares the public area first, and throws kNotFound if it is another key's.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "crypto/key/key.h"
#include "tpm/engine/engine.h"

namespace vtpm::tpm {

constexpr uint32_t kPersistentFirst = 0x81000000, kPersistentLast = 0x81FFFFFF;
/// The first handle of the platform's range.
constexpr uint32_t kPersistentPlatform = 0x81800000;
/// The range for endorsement keys (TCG registry of reserved handles).
constexpr uint32_t kEndorsementFirst = 0x81010000, kEndorsementLast = 0x8101FFFF;

/// A persistent object, or a key that may become one.
struct PersistentObject {
  uint32_t handle = 0;
  Bytes public_area;                            // TPM2B_PUBLIC
  std::optional<crypto::PublicKey> public_key;  // nothing unless it is RSA or on a NIST curve of crypto/key/key.h
  bool fixed_tpm = false, generated = false;    // TPMA_OBJECT fixedTPM, sensitiveDataOrigin
  bool restricted = false;               // for structures of the TPM only: storage root, endorsement, attestation
  bool signs = false, decrypts = false;  // what its raw operations allow; false if it is restricted
};

/// Describes a key by its public area (TPM2B_PUBLIC). `handle`: its persistent handle; 0: it has none.
PersistentObject describe_key(uint32_t handle, const Bytes& public_area);

/// Returns all persistent objects, in ascending order of their handles. Runs inside Engine::use_current or
/// Engine::change.
std::vector<PersistentObject> persistent_objects(Commands& tpm);

/// Deletes a persistent object; does nothing if there is none at the handle. Stores: runs inside Engine::change.
void evict(Commands& tpm, uint32_t handle);

/// The operations of an unrestricted persistent key. Thread-safe. Must not be used inside Engine::use.
class PersistentKey : public crypto::PrivateKey {
 public:
  /// `auth`: the auth value of the key. Throws kUnsupported if the type of the key is not supported.
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
