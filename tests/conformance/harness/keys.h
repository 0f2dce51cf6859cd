// SPDX-License-Identifier: Apache-2.0
// Short forms of deriving, wrapping and unwrapping keys for tests.
#pragma once

#include "pkcs11/cryptoki/types.h"
#include "tests/conformance/harness/symmetric.h"

namespace vtpm::conformance {

/// CKA_EC_PARAMS of a curve by its name in the data files ("P-256", "secp256k1", "Ed25519").
Bytes curve_parameters(const std::string& name);

CK_RV try_derive(Session& session, Mechanism mechanism, CK_OBJECT_HANDLE base, Template wanted,
                 CK_OBJECT_HANDLE* key = nullptr);
CK_OBJECT_HANDLE derive(Session& session, Mechanism mechanism, CK_OBJECT_HANDLE base, Template wanted);
/// The template of a generic secret of that length whose value can be read; 0 leaves CKA_VALUE_LEN out.
Template shown_secret(size_t bytes);
/// The value of a derived generic secret.
Bytes derived_value(Session& session, Mechanism mechanism, CK_OBJECT_HANDLE base, size_t bytes);

/// The call is preceded by a size query and by a call with a buffer that is one byte too small.
CK_RV try_wrap(Session& session, Mechanism mechanism, CK_OBJECT_HANDLE wrapping, CK_OBJECT_HANDLE key,
               Bytes* wrapped = nullptr);
Bytes wrap(Session& session, Mechanism mechanism, CK_OBJECT_HANDLE wrapping, CK_OBJECT_HANDLE key);
CK_RV try_unwrap(Session& session, Mechanism mechanism, CK_OBJECT_HANDLE unwrapping, const Bytes& wrapped,
                 Template wanted, CK_OBJECT_HANDLE* key = nullptr);
CK_OBJECT_HANDLE unwrap(Session& session, Mechanism mechanism, CK_OBJECT_HANDLE unwrapping, const Bytes& wrapped,
                        Template wanted);

/// CK_KEY_DERIVATION_STRING_DATA over bytes that outlive the mechanism.
Mechanism with_string(CK_MECHANISM_TYPE type, const Bytes& data);

/// A pointer to the bytes for the C functions, which is never null.
CK_BYTE* bytes_pointer(const Bytes& bytes);

}  // namespace vtpm::conformance
