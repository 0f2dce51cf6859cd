// SPDX-License-Identifier: Apache-2.0
// The TPM's own contents as PKCS#11 objects: the NV indices and persistent handles that no record of the store
// describes, because tpm2-tools or a virtual machine made them, or because they are the identity of the token
// (docs/pkcs11.md, "What the TPM holds").
//
// - Certificates in NV, and the public halves of persistent keys that can be used, are public objects. They are
//   *mirrored*: the transaction that commits the TPM's state also writes a clear record of each, so that they are
//   visible before login.
// - All other objects are private. The module makes them from the TPM while the user is logged in, and does not store
//   them.
//
// The CKA_UNIQUE_ID of such an object is derived from what the object is, so that it is the same in every process and
// session.
#pragma once

#include <memory>
#include <set>
#include <vector>

#include "crypto/key/key.h"
#include "pkcs11/object/attribute.h"
#include "pkcs11/object/key_factory.h"
#include "tpm/engine/engine.h"

namespace vtpm::pkcs11 {

/// The certificates and usable public keys. Runs inside Engine::use_current or Engine::change.
std::vector<Attributes> public_tpm_objects(tpm::Commands& tpm);
/// The NV areas except those in `recorded`, the usable private keys, and the public halves of restricted keys. Runs
/// inside Engine::use_current or Engine::change.
std::vector<Attributes> private_tpm_objects(tpm::Commands& tpm, const std::set<uint32_t>& recorded);

/// Whether one of these objects belongs to the TPM and not to the user: a restricted key (storage root, endorsement,
/// attestation), or a certificate at 0x01C0xxxx or 0x01C9xxxx. Listings leave these out, because applications that use
/// the first object of a class, or all of them, would fail with them.
bool is_tpms_own(const Attributes& object);

/// Token objects for a key that another program has made with this TPM or wrapped for it (tpm/use/key_transfer.h). An
/// empty `id` is replaced by the default CKA_ID.
KeyPairDraft adopt_key(const tpm::KeyBlob& key, const std::string& label, ByteView id);

/// The key of a private key object with CKA_VTPM_HANDLE. Throws Refusal: CKR_USER_NOT_LOGGED_IN while `engine` is null,
/// CKR_DEVICE_ERROR if the TPM no longer has the key at that handle.
std::shared_ptr<crypto::PrivateKey> open_persistent_key(const Attributes& object, ByteView auth,
                                                        const std::shared_ptr<tpm::Engine>& engine);

}  // namespace vtpm::pkcs11
