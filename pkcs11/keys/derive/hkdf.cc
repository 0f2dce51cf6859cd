// SPDX-License-Identifier: Apache-2.0
// Derivation by HKDF (PKCS#11 3.2, 6.62).
#include "crypto/kdf/kdf.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/keys/derive/derive.h"

namespace vtpm::pkcs11 {
namespace {

using crypto::Hash;

constexpr size_t kHkdfMostBlocks = 255;

/// The hash of any digest mechanism without a parameter; hash_of_mechanism has only those for RSA.
std::optional<Hash> hkdf_hash(CK_MECHANISM_TYPE type) {
  const Mechanism* row = find_mechanism(type);
  return row && row->family == Family::kDigest ? row->hash : std::nullopt;
}

/// The input key: a key, or a data object with the length of the hash. A data object is not secret, and therefore is
/// for extraction only (PKCS#11 3.2, 6.62).
SecretBytes input_key(const DeriveCall& call, Hash hash, bool extract) {
  if (call.base.object_class() != CKO_DATA) return call.base_value();
  refuse_parameter_if(!extract, "HKDF: bExtract must be CK_TRUE if the base key is a data object");
  const Reading value = read_attribute(call.session, call.base, CKA_VALUE);
  refuse_if(value.rv != CKR_OK, CKR_KEY_HANDLE_INVALID, "HKDF: the value of the data object cannot be read");
  refuse_if(value.value.size() != crypto::hash_bytes(hash), CKR_KEY_SIZE_RANGE,
            "HKDF: a data object must have the length of the hash");
  return SecretBytes(value.value);
}

SecretBytes hkdf_salt(const DeriveCall& call, const CK_HKDF_PARAMS& given) {
  switch (given.ulSaltType) {
    case CKF_HKDF_SALT_NULL:
      return {};
    case CKF_HKDF_SALT_DATA:
      return SecretBytes(parameter_bytes(given.pSalt, given.ulSaltLen));
    case CKF_HKDF_SALT_KEY: {
      const ObjectPtr key = require_input_key(call, given.hSaltKey);
      return SecretBytes(call.session.token->catalogue().secret_of(*key).get(CKA_VALUE));
    }
    default:
      refuse(CKR_MECHANISM_PARAM_INVALID, "HKDF: ulSaltType is not supported");
  }
}

}  // namespace

Derivable derive_hkdf(const DeriveCall& call) {
  const auto given = mechanism_parameter<CK_HKDF_PARAMS>(call.mechanism);
  const std::optional<Hash> hash = hkdf_hash(given.prfHashMechanism);
  refuse_parameter_if(!hash, "HKDF: unknown hash");
  const bool extract = given.bExtract != CK_FALSE, expand = given.bExpand != CK_FALSE;
  refuse_parameter_if(!extract && !expand, "HKDF: bExtract or bExpand must be CK_TRUE");
  SecretBytes key = input_key(call, *hash, extract);
  if (extract) key = crypto::hkdf_extract(*hash, hkdf_salt(call, given), key);
  if (!expand) return beginning_of(std::move(key));
  auto held =
      std::make_shared<std::pair<SecretBytes, Bytes>>(std::move(key), parameter_bytes(given.pInfo, given.ulInfoLen));
  Derivable result;
  result.natural = crypto::hash_bytes(*hash);
  result.bytes = [held, hash](size_t size) {
    refuse_if(size > kHkdfMostBlocks * crypto::hash_bytes(*hash), CKR_TEMPLATE_INCONSISTENT,
              "HKDF: key length out of range (at most 255 times the hash)");
    return crypto::hkdf_expand(*hash, held->first, held->second, size);
  };
  return result;
}

DerivedKeys derive_hkdf_data(const DeriveCall& call, Template wanted, CK_OBJECT_HANDLE* key) {
  const Derivable derivable = derive_hkdf(call);
  wanted.impose(decode_template(call.base.shown.get(CKA_DERIVE_TEMPLATE)));
  refuse_if(wanted.number(CKA_CLASS).value_or(CKO_DATA) != CKO_DATA, CKR_TEMPLATE_INCONSISTENT,
            "CKA_CLASS must be CKO_DATA");
  refuse_if(wanted.has(CKA_VALUE), CKR_ATTRIBUTE_READ_ONLY, "CKA_VALUE is set by the token, not by a template");
  const size_t bytes = wanted.number(CKA_VALUE_LEN).value_or(derivable.natural);
  refuse_if(bytes == 0, CKR_TEMPLATE_INCONSISTENT, "CKA_VALUE_LEN must not be 0");
  wanted.drop(CKA_VALUE_LEN);  // data objects do not have this attribute
  Draft draft = make_draft(Schema::of(CKO_DATA), Making::kMake, wanted, call.session.token->login().who());
  draft.shown.set_number(CKA_CLASS, CKO_DATA);
  call.session.require_write(draft.is_token(), draft.is_private());
  draft.shown.set(CKA_VALUE, derivable.bytes(bytes));
  return one_key(std::move(draft), key);
}

}  // namespace vtpm::pkcs11
