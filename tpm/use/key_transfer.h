// SPDX-License-Identifier: Apache-2.0
// Exchange of wrapped keys with other programs that use the same TPM.
//
// Keys of a token have random auth values. A key that is exported is wrapped again with the auth value that its user
// chooses, and a key that is imported gets a random one (TPM2_ObjectChangeAuth: Part 3, 12.8). The permanent state does
// not change.
#pragma once

#include "tpm/engine/engine.h"
#include "tpm/use/persistent_key.h"
#include "tpm/use/resident_key.h"

namespace vtpm::tpm {

/// A key as other programs store it: TPM2B_PUBLIC and TPM2B_PRIVATE, marshalled, under the parent with the handle
/// `parent`.
struct WrappedKey {
  uint32_t parent = 0;
  Bytes public_area, private_area;
  Bytes seed;  // TPM2B_ENCRYPTED_SECRET if `private_area` is a duplicate (TPM2_Import: Part 3, 13.3); otherwise empty
};

/// Returns a copy of `key` with the auth value `auth`, at most 32 bytes; may be empty. Throws kInvalidArgument if it is
/// longer, and kNotFound if the storage root key of this TPM is not the key's parent.
WrappedKey wrap_for_others(Engine& engine, const KeyBlob& key, ByteView auth);

/// Takes a key of another program over and returns it with a random auth value. `auth`: its present auth value. Throws
/// kUnsupported if the token cannot use the key (neither RSA nor on a NIST curve, restricted, with a fixed scheme,
/// usable by a policy only, or RSA without decrypt), kNotFound if the storage root key of this TPM is not its parent,
/// kAuthFailed if `auth` is wrong, and kInvalidArgument if the halves do not belong together.
KeyBlob take_from_others(Engine& engine, const WrappedKey& key, ByteView auth);

}  // namespace vtpm::tpm
