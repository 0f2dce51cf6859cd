// SPDX-License-Identifier: Apache-2.0
// What wrap.cc and unwrap.cc share: what each family of mechanisms does with the bytes of a key. kWrappers in wrap.cc
// has one row for each family; no file outside of this folder includes this header.
#pragma once

#include "pkcs11/keys/wrap/wrap.h"

namespace vtpm::pkcs11 {

struct Wrapper {
  /// How many bytes the wrapped key will have, for a key of `payload` bytes.
  size_t (*bytes)(const WrapCall& call, size_t payload) = nullptr;
  Bytes (*wrap)(const WrapCall& call, ByteView payload) = nullptr;
  SecretBytes (*open)(const WrapCall& call, ByteView wrapped) = nullptr;
  bool only_secret_keys = false;
  bool hides_padding = false;  // the return value must not distinguish a wrong padding from a right one
  bool is_number = false;      // the key is the end of a number as long as the modulus
};
/// The row of the mechanism's family, which wraps or unwraps keys.
const Wrapper& wrapper_of(const Mechanism& row);

/// Whether the mechanism encrypts whole blocks only, without a padding.
bool has_whole_blocks(const Mechanism& row);
/// The number of bytes of which a wrapped key has a multiple, because the mechanism keeps the length. A key is filled
/// up with zeros to a multiple; after unwrapping it is cut to the length in the template. 1: the key is not filled up.
size_t unit_of(const Mechanism& row);
bool takes_private_keys(const Mechanism& row);

/// The key object. Throws Refusal with the code `refusal` if there is none, or if it is not a key.
ObjectPtr require_a_key(Session& session, CK_OBJECT_HANDLE handle, CK_RV refusal);

}  // namespace vtpm::pkcs11
