// SPDX-License-Identifier: Apache-2.0
// C_DeriveKey: keys from keys (PKCS#11 3.2, 5.18.7; the sections of the mechanisms in chapter 6).
//
// A mechanism determines which bytes can be derived: there is one function for each family, in the files of this
// folder, and kDerivers in derive.cc names them. What is done with the bytes is the same for all mechanisms: the
// template determines the type and length of the key, CKA_DERIVE_TEMPLATE of the base key adds its requirements, and
// the key inherits the secrecy of the base key. Everything about templates is checked before anything is computed.
//
// The functions change nothing but their results. Each runs on the thread of the call, with the session's mutex held.
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

  /// The value of the base key, which is a secret key. Throws Refusal CKR_KEY_SIZE_RANGE if its length is outside the
  /// mechanism's range.
  SecretBytes base_value() const;
};

/// The bytes that a mechanism can derive.
struct Derivable {
  size_t natural = 0;  // the length, in bytes, if the template has none; 0: it must have one
  /// Derives this many bytes. Throws Refusal CKR_TEMPLATE_INCONSISTENT if the mechanism cannot derive so many.
  std::function<SecretBytes(size_t bytes)> bytes;
  const Object* second_base = nullptr;  // a second key whose secrecy is inherited
  ObjectPtr holder;                     // keeps second_base alive
  /// The mechanisms that CKA_ALLOWED_MECHANISMS of the key may have; empty: any.
  std::span<const CK_MECHANISM_TYPE> only_for = {};
};
/// The first or the last bytes of a value of fixed length. `refusal`: the code if more bytes are requested than the
/// value has.
Derivable beginning_of(SecretBytes value, CK_RV refusal = CKR_TEMPLATE_INCONSISTENT);
Derivable end_of(SecretBytes value);

// The families that derive one secret key. All throw Refusal: CKR_MECHANISM_PARAM_INVALID, CKR_KEY_HANDLE_INVALID,
// CKR_KEY_SIZE_RANGE …
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

/// How the secrecy of the base key (CKA_SENSITIVE, CKA_EXTRACTABLE) binds that of the derived key.
enum class Inheritance {
  kFree,     // not at all; only CKA_ALWAYS_SENSITIVE and CKA_NEVER_EXTRACTABLE depend on it
  kShared,   // the same, but the default is extractable, because the peer knows the secret anyway
  kDefault,  // the same, but the defaults are the values of the base key
  kAtLeast,  // the key is sensitive if the base key is, and not extractable if the base key is not
  kNoLess,   // kDefault and kAtLeast
  kTheSame,  // the values of the base key
};

/// The base key for C_DeriveKey: as require_key_for, except that CKM_PUB_KEY_FROM_PRIV_KEY accepts keys without
/// CKA_DERIVE and HKDF accepts a data object as a key (PKCS#11 3.2, 6.62). Throws what require_key_for throws.
ObjectPtr require_base_key(Session& session, CK_OBJECT_HANDLE handle, const Mechanism& mechanism);

/// The new keys, and the function that writes their handles to the caller's memory.
struct DerivedKeys {
  std::vector<Draft> drafts;
  std::function<void(std::span<const CK_OBJECT_HANDLE>)> publish;
};
/// Derives the keys. `key`: the memory for the handle of the (first) key; it may be null for
/// CKM_TLS12_KEY_AND_MAC_DERIVE and CKM_TLS12_KEY_SAFE_DERIVE only. Throws Refusal: the template's errors, and those of
/// the mechanism.
DerivedKeys derive(const DeriveCall& call, Template wanted, CK_OBJECT_HANDLE* key);

// The families that derive several keys,
DerivedKeys derive_kbkdf(const DeriveCall& call, Template wanted, CK_OBJECT_HANDLE* key);
DerivedKeys derive_tls_keys(const DeriveCall& call, Template wanted, CK_OBJECT_HANDLE* key);
// and those that derive an object that is not secret.
DerivedKeys derive_hkdf_data(const DeriveCall& call, Template wanted, CK_OBJECT_HANDLE* key);
DerivedKeys derive_public_key(const DeriveCall& call, Template wanted, CK_OBJECT_HANDLE* key);

/// Applies the secrecy of `base` to a derived key: kAtLeast or kTheSame. Throws Refusal CKR_TEMPLATE_INCONSISTENT if
/// the template requests less secrecy.
void inherit(const Template& wanted, Attributes& shown, const Object& base, Inheritance inheritance);
/// A plan for a key from the base key, with CKA_DERIVE_TEMPLATE and `inheritance` applied. Throws Refusal: the
/// template's errors, CKR_TEMPLATE_INCONSISTENT.
SecretKeyPlan plan_derived(const DeriveCall& call, Template& wanted, Inheritance inheritance, const Object* second_base,
                           CK_KEY_TYPE type_if_absent = CKK_GENERIC_SECRET);
/// The origin of a key that is derived from these keys.
Origin origin_of_derived(const Object& base, const Object* second_base = nullptr);
/// A further secret key whose value is input of the derivation, with the checks of a base key. Throws Refusal:
/// CKR_KEY_HANDLE_INVALID, CKR_KEY_TYPE_INCONSISTENT, CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_MECHANISM_INVALID (by its
/// CKA_ALLOWED_MECHANISMS).
ObjectPtr require_input_key(const DeriveCall& call, CK_OBJECT_HANDLE handle);
/// One new key, whose handle is written to `key`.
DerivedKeys one_key(Draft draft, CK_OBJECT_HANDLE* key);

/// Applies a key derivation function (CKD_…) to an agreed secret; `shared_data` is its other input. Throws Refusal
/// CKR_MECHANISM_PARAM_INVALID.
Derivable apply_kdf(CK_ULONG kdf, ByteView shared_data, SecretBytes secret);

}  // namespace vtpm::pkcs11
