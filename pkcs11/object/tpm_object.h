// SPDX-License-Identifier: Apache-2.0
// What the TPM itself holds, as PKCS#11 objects: the NV indices and persistent handles that no record of the store
// describes, because tpm2-tools or a virtual machine made them, or because they are the token's own identity
// (docs/pkcs11.md, "What the TPM holds").
//
// - A certificate in NV, and the public half of a persistent key that can be used, are public. They are *mirrored*: the
//   transaction that commits the TPM's state keeps a clear record of each, so that they are visible before login.
// - All else is private. The token makes it up from the TPM while the user is logged in, and keeps it nowhere.
//
// CKA_UNIQUE_ID of such an object is made from what the object is, so it is the same in every process and session.
#pragma once

#include <memory>
#include <set>
#include <vector>

#include "crypto/key/key.h"
#include "pkcs11/object/attribute.h"
#include "pkcs11/object/key_factory.h"
#include "tpm/engine/engine.h"

namespace vtpm::pkcs11 {

/// Certificates and usable public keys. Runs inside Engine::use_current or Engine::change.
std::vector<Attributes> public_tpm_objects(tpm::Commands& tpm);
/// NV areas other than `recorded` ones, usable private keys, and the public halves of restricted ones.
std::vector<Attributes> private_tpm_objects(tpm::Commands& tpm, const std::set<uint32_t>& recorded);

/// Whether one of these is the TPM's own: a restricted key (storage root, endorsement, attestation), or a certificate
/// at 0x01C0xxxx or 0x01C9xxxx. Applications that take the first object of a class, or all of them, cannot use these.
bool is_tpms_own(const Attributes& object);

/// Token objects for a key that another program of this TPM has made or wrapped (tpm/use/key_transfer.h). An empty id
/// is made from the public key.
KeyPairDraft adopt_key(const tpm::KeyBlob& key, const std::string& label, ByteView id);

/// The key behind a private key object with CKA_VTPM_HANDLE. Throws Refusal CKR_DEVICE_ERROR when it has left its
/// handle.
std::shared_ptr<crypto::PrivateKey> open_persistent_key(const Attributes& object, ByteView auth,
                                                        const std::shared_ptr<tpm::Engine>& engine);

}  // namespace vtpm::pkcs11
