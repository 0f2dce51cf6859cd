// SPDX-License-Identifier: Apache-2.0
// The operations of a session as bytes, and back (PKCS#11 3.2, 5.6.7 and 5.6.8): digests, signatures and their
// verification, encryption or decryption, alone or in the pairs that one key for ciphers and one for authentication can
// serve.
//
//   version (1) | CK_STATE of the session (1) | for each operation:
//   kind (1) | in parts (1) | mechanism (8) | parameter | key | state | signature
//
// The last four are bytes behind their number (8, little-endian). `key` tells the key from others; the key is in the
// caller's hands and is never in a state. Whoever calls seals the bytes, which may hold data of the caller and what
// C_DigestKey has put into a digest.
#pragma once

#include "pkcs11/session/session.h"

namespace vtpm::pkcs11 {

/// Throws Refusal: CKR_OPERATION_NOT_INITIALIZED, CKR_STATE_UNSAVEABLE. Changes nothing.
SecretBytes save_operations(Session& session);

/// Ends what is active in the session and goes on from what was saved; handles are 0 where no such key is needed.
/// Throws Refusal: CKR_SAVED_STATE_INVALID, CKR_KEY_NEEDED, CKR_KEY_NOT_NEEDED, CKR_KEY_CHANGED (it is another key,
/// there is no such key, or it does not allow any more what the operation does); the session is as it was then.
void restore_operations(Session& session, ByteView saved, CK_OBJECT_HANDLE encryption_key,
                        CK_OBJECT_HANDLE authentication_key);

}  // namespace vtpm::pkcs11
