// SPDX-License-Identifier: Apache-2.0
// The saved operation state (PKCS#11 3.2, 5.6): the active operations of a session as bytes, and back.
// Digests, signatures, verifications, encryption and decryption can be saved, alone or in pairs for which
// C_SetOperationState has one key handle each.
//
//   version (1) | CK_STATE of the session (1) | for each operation:
//   kind (1) | in parts (1) | mechanism (8) | parameter | key | state | signature
//
// The last four are bytes preceded by their number (8, little-endian). `key` identifies the key; the key itself is
// never in a state. The caller must seal the bytes, because they may contain the application's data, and key bytes that
// C_DigestKey has put into a digest.
#pragma once

#include "pkcs11/session/session.h"

namespace vtpm::pkcs11 {

/// C_GetOperationState. Changes nothing. Throws Refusal: CKR_OPERATION_NOT_INITIALIZED, CKR_STATE_UNSAVEABLE.
SecretBytes save_operations(Session& session);

/// C_SetOperationState: ends the active operations of the session and replaces them with the saved ones. A handle is
/// CK_INVALID_HANDLE if no operation needs such a key. Throws Refusal: CKR_SAVED_STATE_INVALID, CKR_KEY_NEEDED,
/// CKR_KEY_NOT_NEEDED, CKR_KEY_CHANGED (the handle is of another key or of none, or the key no longer permits the
/// operation); then the session is unchanged.
void restore_operations(Session& session, ByteView saved, CK_OBJECT_HANDLE encryption_key,
                        CK_OBJECT_HANDLE authentication_key);

}  // namespace vtpm::pkcs11
