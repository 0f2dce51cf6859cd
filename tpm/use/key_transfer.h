// SPDX-License-Identifier: Apache-2.0
// Wrapped keys that come from, or go to, other programs of the same TPM.
//
// A key of ours has a random auth value that nobody needs to know. So a key that goes out is wrapped anew with the auth
// value that its user there wants, and one that comes in gets a random one (TPM2_ObjectChangeAuth); the TPM's state
// does not change by it.
#pragma once

#include "tpm/engine/engine.h"
#include "tpm/use/persistent_key.h"
#include "tpm/use/resident_key.h"

namespace vtpm::tpm {

/// A key as other programs hold it: TPM2B_PUBLIC and TPM2B_PRIVATE, marshalled, under `parent`.
struct WrappedKey {
  uint32_t parent = 0;
  Bytes public_area, private_area;
  Bytes seed;  // TPM2B_ENCRYPTED_SECRET: then `private_area` is a duplicate for the parent (TPM2_Import)
};

/// `auth`: of the copy, at most 32 bytes; empty for none.
WrappedKey wrap_for_others(Engine& engine, const KeyBlob& key, ByteView auth);

/// Throws kUnsupported when the token has no use for the key: not RSA or on a NIST curve, restricted, with a fixed
/// scheme, usable by a policy only, RSA without decrypt; kNotFound when the storage root key of this TPM is not its
/// parent; kAuthFailed when `auth` is wrong; kInvalidArgument when the halves do not belong together.
KeyBlob take_from_others(Engine& engine, const WrappedKey& key, ByteView auth);

}  // namespace vtpm::tpm
