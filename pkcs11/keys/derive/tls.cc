// SPDX-License-Identifier: Apache-2.0
// Derivation for TLS 1.2 (PKCS#11 3.2, 6.40; RFC 5246, 5705, 7627).
#include <algorithm>

#include "crypto/kdf/tls_prf.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/keys/derive/derive.h"
#include "pkcs11/mechanism/family_table.h"
#include "pkcs11/mechanism/tls_hash.h"

namespace vtpm::pkcs11 {
namespace {

using crypto::Hash;
using crypto::kTlsMasterSecretBytes;

constexpr CK_ULONG kMostBits = 8 * 1024;  // of one part of the key block

/// Whether the key block has initialization vectors.
constexpr VariantTable<bool> kHasVectors({{Variant::kWithVectors, true}, {Variant::kWithoutVectors, false}});
static_assert(kHasVectors.covers(Family::kTlsKeyMaterial));

constexpr CK_MECHANISM_TYPE kOfMasterSecrets[] = {
    CKM_TLS12_KEY_AND_MAC_DERIVE, CKM_TLS12_KEY_SAFE_DERIVE, CKM_TLS_KDF, CKM_TLS_MAC, CKM_TLS12_KDF, CKM_TLS12_MAC};

struct Randoms {
  Bytes client, server;
};
Randoms randoms(const CK_SSL3_RANDOM_DATA& given) {
  Randoms result{parameter_bytes(given.pClientRandom, given.ulClientRandomLen),
                 parameter_bytes(given.pServerRandom, given.ulServerRandomLen)};
  refuse_parameter_if(result.client.empty() || result.server.empty(), "TLS 1.2: a random value is missing");
  return result;
}

/// Returns the version of the client, with which an RSA pre-master secret begins; an agreed secret has none.
void report_version(const DeriveCall& call, ByteView premaster, CK_VERSION* version) {
  const bool agreed = call.row.min_size != kTlsMasterSecretBytes;
  refuse_parameter_if(agreed && version, "TLS 1.2: pVersion must be null for an agreed secret");
  refuse_parameter_if(!agreed && !version, "TLS 1.2: pVersion is null");
  if (version) *version = {premaster[0], premaster[1]};
}

Derivable master(SecretBytes secret) {
  Derivable result = beginning_of(std::move(secret));
  result.bytes = [whole = std::make_shared<SecretBytes>(result.bytes(kTlsMasterSecretBytes))](size_t bytes) {
    refuse_if(bytes != whole->size(), CKR_TEMPLATE_INCONSISTENT, "TLS 1.2: a master secret must have 48 bytes");
    return whole->clone();
  };
  result.only_for = kOfMasterSecrets;
  return result;
}

CK_ULONG bytes_of_bits(CK_ULONG bits) {
  refuse_parameter_if(bits % 8 != 0 || bits > kMostBits,
                      "TLS 1.2: size out of range (a multiple of 8, at most 8192 bits)");
  return bits / 8;
}

/// The template for a MAC secret, which is a generic secret for signing and verifying only, whatever the template of
/// the call has.
Template for_mac_secret(const Template& wanted) {
  constexpr CK_ATTRIBUTE_TYPE kOfTheKeys[] = {CKA_KEY_TYPE, CKA_VALUE_LEN, CKA_ENCRYPT, CKA_DECRYPT,
                                              CKA_DERIVE,   CKA_WRAP,      CKA_UNWRAP};
  Attributes attributes;
  for (const Template::Row& row : wanted) {
    if (std::find(std::begin(kOfTheKeys), std::end(kOfTheKeys), row.type) == std::end(kOfTheKeys)) {
      attributes.set(row.type, row.value);
    }
  }
  attributes.set_number(CKA_KEY_TYPE, CKK_GENERIC_SECRET);
  attributes.set_flag(CKA_SIGN, true);
  attributes.set_flag(CKA_VERIFY, true);
  attributes.set_flag(CKA_DERIVE, false);
  Template result(nullptr, 0);
  result.impose(attributes);
  return result;
}

bool place_is_of_key(CK_OBJECT_HANDLE CK_SSL3_KEY_MAT_OUT::*place) {
  return place == &CK_SSL3_KEY_MAT_OUT::hClientKey || place == &CK_SSL3_KEY_MAT_OUT::hServerKey;
}

void put_vector(CK_BYTE_PTR to, ByteView vector) {
  if (vector.empty()) return;
  refuse_parameter_if(!to, "TLS 1.2: the pointer to an initialization vector is null");
  std::copy(vector.begin(), vector.end(), to);
}

}  // namespace

Derivable derive_tls_master(const DeriveCall& call) {
  const auto given = mechanism_parameter<CK_TLS12_MASTER_KEY_DERIVE_PARAMS>(call.mechanism);
  const Hash hash = tls_hash(given.prfHashMechanism);
  const Randoms random = randoms(given.RandomInfo);
  const SecretBytes premaster = call.base_value();
  report_version(call, premaster, given.pVersion);
  return master(crypto::tls12_master_secret(hash, premaster, random.client, random.server));
}

Derivable derive_tls_extended_master(const DeriveCall& call) {
  const auto given = mechanism_parameter<CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS>(call.mechanism);
  const Hash hash = tls_hash(given.prfHashMechanism);
  const Bytes session_hash = parameter_bytes(given.pSessionHash, given.ulSessionHashLen);
  refuse_parameter_if(session_hash.empty(), "TLS 1.2: the session hash is missing");
  const SecretBytes premaster = call.base_value();
  report_version(call, premaster, given.pVersion);
  return master(crypto::tls12_extended_master_secret(hash, premaster, session_hash));
}

Derivable derive_tls_kdf(const DeriveCall& call) {
  const auto given = mechanism_parameter<CK_TLS_KDF_PARAMS>(call.mechanism);
  const std::optional<Hash> hash = tls_function(given.prfMechanism);
  const Bytes label = parameter_bytes(given.pLabel, given.ulLabelLength);
  const Randoms random = randoms(given.RandomInfo);
  const Bytes context = parameter_bytes(given.pContextData, given.ulContextDataLength);
  refuse_parameter_if(context.size() > UINT16_MAX, "TLS 1.2: context length out of range (at most 65535)");
  Bytes seed = random.client;
  append(seed, random.server);
  if (given.pContextData) {  // RFC 5705, 4: an empty context differs from no context
    seed.push_back(static_cast<uint8_t>(context.size() >> 8));
    seed.push_back(static_cast<uint8_t>(context.size()));
    append(seed, context);
  }
  auto secret = std::make_shared<SecretBytes>(call.base_value());
  Derivable result;
  result.bytes = [=](size_t bytes) { return crypto::tls_prf(hash, *secret, as_text(label), seed, bytes); };
  return result;
}

DerivedKeys derive_tls_keys(const DeriveCall& call, Template wanted, CK_OBJECT_HANDLE*) {
  const auto given = mechanism_parameter<CK_TLS12_KEY_MAT_PARAMS>(call.mechanism);
  const Hash hash = tls_hash(given.prfHashMechanism);
  const Randoms random = randoms(given.RandomInfo);
  refuse_parameter_if(!given.pReturnedKeyMaterial, "TLS 1.2: pReturnedKeyMaterial is null");
  refuse_parameter_if(given.bIsExport != CK_FALSE, "TLS 1.2: bIsExport must be CK_FALSE");
  const CK_ULONG mac_bytes = bytes_of_bits(given.ulMacSizeInBits), key_bytes = bytes_of_bits(given.ulKeySizeInBits);
  const CK_ULONG iv_bytes = kHasVectors[call.row.variant] ? bytes_of_bits(given.ulIVSizeInBits) : 0;
  const crypto::TlsKeyBlock block =
      crypto::tls12_key_block(hash, call.base_value(), random.client, random.server, mac_bytes, key_bytes, iv_bytes);
  DerivedKeys keys;
  std::vector<CK_OBJECT_HANDLE CK_SSL3_KEY_MAT_OUT::*> places;
  const auto add = [&](Template its, CK_ULONG bytes, ByteView value, CK_OBJECT_HANDLE CK_SSL3_KEY_MAT_OUT::*place) {
    if (bytes == 0) return;
    SecretKeyPlan plan = plan_derived(call, its, Inheritance::kTheSame, nullptr);
    refuse_if(plan.size().value_or(bytes) != bytes || !plan.takes(bytes), CKR_TEMPLATE_INCONSISTENT,
              "TLS 1.2: the template has another key length than the parameter");
    for (const CK_ATTRIBUTE_TYPE use : {CKA_ENCRYPT, CKA_DECRYPT, CKA_DERIVE}) {
      if (place_is_of_key(place) && !plan.shown().has(use)) plan.shown().set_flag(use, true);
    }
    keys.drafts.push_back(std::move(plan).make(value, origin_of_derived(call.base)));
    places.push_back(place);
  };
  const auto for_key = [&] {
    Template copy(nullptr, 0);
    Attributes attributes;
    for (const Template::Row& row : wanted) attributes.set(row.type, row.value);
    copy.impose(attributes);
    return copy;
  };
  add(for_mac_secret(wanted), mac_bytes, block.client_mac, &CK_SSL3_KEY_MAT_OUT::hClientMacSecret);
  add(for_mac_secret(wanted), mac_bytes, block.server_mac, &CK_SSL3_KEY_MAT_OUT::hServerMacSecret);
  add(for_key(), key_bytes, block.client_key, &CK_SSL3_KEY_MAT_OUT::hClientKey);
  add(for_key(), key_bytes, block.server_key, &CK_SSL3_KEY_MAT_OUT::hServerKey);
  put_vector(given.pReturnedKeyMaterial->pIVClient, block.client_iv);
  put_vector(given.pReturnedKeyMaterial->pIVServer, block.server_iv);
  keys.publish = [places, out = given.pReturnedKeyMaterial](std::span<const CK_OBJECT_HANDLE> made) {
    out->hClientMacSecret = out->hServerMacSecret = out->hClientKey = out->hServerKey = CK_INVALID_HANDLE;
    for (size_t i = 0; i < places.size(); ++i) out->*places[i] = made[i];
  };
  return keys;
}

}  // namespace vtpm::pkcs11
