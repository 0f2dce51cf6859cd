// SPDX-License-Identifier: Apache-2.0
// C_DeriveKey: keys from keys (PKCS#11 3.2, 5.18.7; the sections of the mechanisms in chapter 6).
//
// A mechanism says which bytes there are: one function for each family, in the files of this folder; kDerivers in
// derive.cc names them. What becomes of the bytes is the same for all: the template decides type and length,
// CKA_DERIVE_TEMPLATE of the base key adds its demands, and the secrecy is inherited. Everything about templates is
// checked before anything is computed.
#pragma once

#include <functional>
#include <span>

#include "pkcs11/object/secret_key.h"
#include "pkcs11/session/lookup.h"

namespace vtpm::pkcs11 {

struct DeriveCall {
  Session& session;
  const Mechanism& row;
  const CK_MECHANISM& mechanism;
  const Object& base;

  /// The value of the base key, a secret key. Throws CKR_KEY_SIZE_RANGE outside the mechanism's range.
  SecretBytes base_value() const;
};

/// What a mechanism can derive.
struct Derivable {
  size_t natural = 0;  // bytes when the template asks for none; 0: it must ask
  /// Throws CKR_TEMPLATE_INCONSISTENT when there are not so many.
  std::function<SecretBytes(size_t bytes)> bytes;
  const Object* second_base = nullptr;               // a key whose secrecy is inherited too
  ObjectPtr holder;                                  // … and who holds it
  std::span<const CK_MECHANISM_TYPE> only_for = {};  // what the key's CKA_ALLOWED_MECHANISMS may name; empty: anything
};
/// Of a value of fixed length, the beginning or the end of it. `refusal`: when more is asked for.
Derivable beginning_of(SecretBytes value, CK_RV refusal = CKR_TEMPLATE_INCONSISTENT);
Derivable end_of(SecretBytes value);

// The families. All throw Refusal: CKR_MECHANISM_PARAM_INVALID, CKR_KEY_HANDLE_INVALID, CKR_KEY_SIZE_RANGE …
Derivable derive_agreement(const DeriveCall& call);  // ECDH (RFC 7748 too) and Diffie-Hellman
Derivable derive_hkdf(const DeriveCall& call);
Derivable derive_concatenation(const DeriveCall& call);  // of two keys
Derivable append_data(const DeriveCall& call);           // base || data
Derivable prepend_data(const DeriveCall& call);          // data || base
Derivable xor_data(const DeriveCall& call);              // as long as the shorter of the two
Derivable derive_extract(const DeriveCall& call);
Derivable derive_encryption(const DeriveCall& call);
Derivable derive_digest(const DeriveCall& call);
Derivable derive_shake(const DeriveCall& call);
Derivable derive_tls_master(const DeriveCall& call);
Derivable derive_tls_extended_master(const DeriveCall& call);
Derivable derive_tls_kdf(const DeriveCall& call);

/// How the secrecy of the base key binds the derived one.
enum class Inheritance {
  kFree,     // the template decides; ALWAYS_SENSITIVE and NEVER_EXTRACTABLE remember
  kShared,   // the same, but extractable where the template leaves it open: the peer knows the secret anyway
  kDefault,  // the same, but what the template leaves open is as the base key has it
  kAtLeast,  // a sensitive base key makes sensitive keys, one that is not extractable keys that are not
  kNoLess,   // kDefault and kAtLeast
  kTheSame,  // exactly as the base key is
};

/// The base key for C_DeriveKey: as require_key_for, but CKM_PUB_KEY_FROM_PRIV_KEY works with keys without CKA_DERIVE
/// too, and HKDF takes a data object for a key (6.62). Throws what require_key_for throws.
ObjectPtr require_base_key(Session& session, CK_OBJECT_HANDLE handle, const Mechanism& mechanism);

/// New keys and, once they have handles, where these go.
struct DerivedKeys {
  std::vector<Draft> drafts;
  std::function<void(std::span<const CK_OBJECT_HANDLE>)> publish;
};
/// `key`: where the handle of the (first) key goes; only CKM_TLS12_KEY_AND_MAC_DERIVE and the like do without it.
DerivedKeys derive(const DeriveCall& call, Template wanted, CK_OBJECT_HANDLE* key);

// Families that make several keys.
DerivedKeys derive_kbkdf(const DeriveCall& call, Template wanted, CK_OBJECT_HANDLE* key);
DerivedKeys derive_tls_keys(const DeriveCall& call, Template wanted, CK_OBJECT_HANDLE* key);
// … and some that make none that are secret.
DerivedKeys derive_hkdf_data(const DeriveCall& call, Template wanted, CK_OBJECT_HANDLE* key);
DerivedKeys derive_public_key(const DeriveCall& call, Template wanted, CK_OBJECT_HANDLE* key);

/// A key that is made from a secret may not tell more than the secret does: kAtLeast or kTheSame as `base`. Throws
/// CKR_TEMPLATE_INCONSISTENT where the template says otherwise.
void inherit(const Template& wanted, Attributes& shown, const Object& base, Inheritance inheritance);
/// A plan for a key from `base`: CKA_DERIVE_TEMPLATE and `inheritance` applied. Throws CKR_TEMPLATE_INCONSISTENT.
SecretKeyPlan plan_derived(const DeriveCall& call, Template& wanted, Inheritance inheritance, const Object* second_base,
                           CK_KEY_TYPE type_if_absent = CKK_GENERIC_SECRET);
Origin origin_of_derived(const Object& base, const Object* second_base = nullptr);
/// A further secret key whose value goes into the derivation, as the base key's does. Throws Refusal:
/// CKR_KEY_HANDLE_INVALID, CKR_KEY_TYPE_INCONSISTENT, CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_MECHANISM_INVALID (its
/// CKA_ALLOWED_MECHANISMS).
ObjectPtr require_input_key(const DeriveCall& call, CK_OBJECT_HANDLE handle);
/// One key that goes to `key`.
DerivedKeys one_key(Draft draft, CK_OBJECT_HANDLE* key);

/// Bytes of a key agreement to as many as are wanted: CKD_… with its shared data. Throws
/// CKR_MECHANISM_PARAM_INVALID.
Derivable apply_kdf(CK_ULONG kdf, ByteView shared_data, SecretBytes secret);

}  // namespace vtpm::pkcs11
