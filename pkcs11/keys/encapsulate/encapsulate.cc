// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/keys/encapsulate/encapsulate.h"

#include <algorithm>

#include "crypto/key/software_key.h"
#include "crypto/library/random.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/keys/derive/derive.h"
#include "pkcs11/mechanism/family_table.h"
#include "pkcs11/object/key_kind.h"
#include "pkcs11/operation/cipher.h"

namespace vtpm::pkcs11 {
namespace {

/// The plan for the new key, checked before there is a secret. The key is extractable unless the template says
/// otherwise.
SecretKeyPlan plan_of(const WrapCall& call, const Template& wanted) {
  SecretKeyPlan plan(wanted, Making::kMake, call.session.token->login().who(), CKK_GENERIC_SECRET);
  if (!wanted.has(CKA_EXTRACTABLE)) plan.shown().set_flag(CKA_EXTRACTABLE, true);
  call.session.require_write(plan.is_token(), plan.is_private());
  return plan;
}

// --- ECDH and Diffie-Hellman ---

struct Agreement {
  CK_ULONG kdf;
  Bytes shared_data;
  crypto::PublicKey key;

  static Agreement read(const WrapCall& call, CK_RV size_refusal) {
    Agreement with{CKD_NULL, {}, *public_key_of(call.key)};
    if (!with.is_dh()) {
      const auto given = mechanism_parameter<CK_ECDH1_DERIVE_PARAMS>(call.mechanism);
      refuse_parameter_if(given.pPublicData || given.ulPublicDataLen,
                          "pPublicData must be null: the public key is the cipher text");
      with.kdf = given.kdf;
      with.shared_data = parameter_bytes(given.pSharedData, given.ulSharedDataLen);
    }
    refuse_if(with.key.bits() < call.row.min_size || with.key.bits() > call.row.max_size, size_refusal,
              "the key's size is outside the mechanism's range");
    apply_kdf(with.kdf, with.shared_data, {});  // throws for an unsupported function
    return with;
  }
  bool is_dh() const { return key.type() == crypto::KeyType::kDh; }
  /// The length of the cipher text: that of a point, or of the prime.
  size_t encrypted_bytes() const { return is_dh() ? key.domain().prime.size() : key.point().size(); }
  Draft make(SecretKeyPlan plan, SecretBytes secret) const {
    const Derivable derivable = apply_kdf(kdf, shared_data, std::move(secret));
    const SecretBytes value = derivable.bytes(plan.bytes_or(derivable.natural));
    return std::move(plan).make(value, {});
  }
};

Encapsulation encapsulate_agreed(const WrapCall& call, const Template& wanted) {
  const Agreement with = Agreement::read(call, CKR_KEY_SIZE_RANGE);
  SecretKeyPlan plan = plan_of(call, wanted);
  if (with.is_dh()) {
    const auto fresh = crypto::SoftwareKey::generate_dh(with.key.domain());
    const Bytes value = fresh->public_key().value();
    Bytes encrypted(with.encrypted_bytes() - value.size());
    append(encrypted, value);
    return {std::move(encrypted), with.make(std::move(plan), fresh->dh(with.key.value()))};
  }
  const auto fresh = crypto::SoftwareKey::generate_ec(with.key.curve());
  return {fresh->public_key().point(), with.make(std::move(plan), fresh->ecdh(with.key.point()))};
}

Draft decapsulate_agreed(const WrapCall& call, ByteView encrypted, const Template& wanted) {
  const Agreement with = Agreement::read(call, CKR_UNWRAPPING_KEY_SIZE_RANGE);
  SecretKeyPlan plan = plan_of(call, wanted);
  const std::shared_ptr<crypto::PrivateKey> own = call.session.token->catalogue().private_key(call.key);
  return refusing_invalid(CKR_WRAPPED_KEY_INVALID, [&] {
    const std::optional<Bytes> sent = with.is_dh() ? to_bytes(encrypted) : read_peer_point(encrypted, with.key.curve());
    // A public value may lack its leading zeros.
    refuse_if(!sent || sent->empty() || sent->size() > with.encrypted_bytes(), CKR_WRAPPED_KEY_LEN_RANGE,
              "the cipher text does not have the length of the public half of such a key");
    return with.make(std::move(plan), with.is_dh() ? own->dh(*sent) : own->ecdh(*sent));
  });
}

// --- RSA ---

Encapsulation encapsulate_rsa(const WrapCall& call, const Template& wanted) {
  const CipherScheme scheme(call.row, call.mechanism, *public_key_of(call.key));
  SecretKeyPlan plan = plan_of(call, wanted);
  const std::optional<size_t> bytes = plan.size();
  refuse_if(!bytes, CKR_TEMPLATE_INCOMPLETE, "CKA_VALUE_LEN is missing: it determines the length of the secret");
  refuse_if(*bytes > scheme.block_bytes(), CKR_KEY_SIZE_RANGE, "the secret is too long for the public key");
  SecretBytes secret(*bytes);
  crypto::random_fill(secret.span());
  constexpr Translation kTooLong[] = {{CKR_DATA_LEN_RANGE, CKR_KEY_SIZE_RANGE}};
  return translated(kTooLong, [&]() -> Encapsulation {
    Bytes encrypted = scheme.encrypt(secret);
    return {std::move(encrypted), std::move(plan).make(secret, {})};
  });
}

// --- RSASVE (SP 800-56B, 7.2.1): CKM_RSA_X_509 ---

/// The secret has the length of the modulus. If the template requests a shorter key, the key is the end of it, as in
/// unwrapping (PKCS#11 3.2, 6.1).
Draft make_of_end(SecretKeyPlan plan, SecretBytes secret) {
  const Derivable derivable = end_of(std::move(secret));
  return std::move(plan).make(derivable.bytes(plan.bytes_or(derivable.natural)), {});
}

Encapsulation encapsulate_number(const WrapCall& call, const Template& wanted) {
  const CipherScheme scheme(call.row, call.mechanism, *public_key_of(call.key));
  SecretKeyPlan plan = plan_of(call, wanted);
  SecretBytes secret(scheme.block_bytes());
  const std::shared_ptr<const crypto::PublicKey> key = public_key_of(call.key);
  do {
    crypto::random_fill(secret.span());
  } while (!std::lexicographical_compare(secret.begin(), secret.end(), key->modulus().begin(), key->modulus().end()));
  Bytes encrypted = scheme.encrypt(secret);
  return {std::move(encrypted), make_of_end(std::move(plan), std::move(secret))};
}

Draft decapsulate_number(const WrapCall& call, ByteView encrypted, const Template& wanted) {
  const CipherScheme scheme(call.row, call.mechanism, *public_key_of(call.key));
  SecretKeyPlan plan = plan_of(call, wanted);
  refuse_if(encrypted.size() != scheme.block_bytes(), CKR_WRAPPED_KEY_LEN_RANGE,
            "the cipher text does not have the length of the modulus");
  constexpr Translation kWrong[] = {{CKR_ENCRYPTED_DATA_INVALID, CKR_WRAPPED_KEY_INVALID}};
  return translated(kWrong, [&] {
    return make_of_end(std::move(plan),
                       scheme.decrypt(*call.session.token->catalogue().private_key(call.key), encrypted));
  });
}

// --- which mechanism is made by what ---

size_t agreed_bytes(const WrapCall& call) { return Agreement::read(call, CKR_KEY_SIZE_RANGE).encrypted_bytes(); }
size_t rsa_bytes(const WrapCall& call) {
  return CipherScheme(call.row, call.mechanism, *public_key_of(call.key)).block_bytes();
}

struct Encapsulator {
  size_t (*bytes)(const WrapCall& call) = nullptr;
  Encapsulation (*encapsulate)(const WrapCall& call, const Template& wanted) = nullptr;
  Draft (*decapsulate)(const WrapCall& call, ByteView encrypted, const Template& wanted) = nullptr;
};
constexpr FamilyTable<Encapsulator> kEncapsulators({
    {Family::kRsaPkcs, {rsa_bytes, encapsulate_rsa, unwrap_secret}},
    {Family::kRsaOaep, {rsa_bytes, encapsulate_rsa, unwrap_secret}},
    {Family::kRsaX509, {rsa_bytes, encapsulate_number, decapsulate_number}},
    {Family::kEcdh, {agreed_bytes, encapsulate_agreed, decapsulate_agreed}},
    {Family::kDh, {agreed_bytes, encapsulate_agreed, decapsulate_agreed}},
});
static_assert(kEncapsulators.covers(CKF_ENCAPSULATE | CKF_DECAPSULATE, &Encapsulator::bytes));
static_assert(kEncapsulators.covers(CKF_ENCAPSULATE, &Encapsulator::encapsulate));
static_assert(kEncapsulators.covers(CKF_DECAPSULATE, &Encapsulator::decapsulate));

}  // namespace

ObjectPtr require_encapsulating_key(Session& session, CK_OBJECT_HANDLE handle, const Mechanism& mechanism) {
  return require_key_for(session, handle, CKO_PUBLIC_KEY, CKA_ENCAPSULATE, mechanism);
}

ObjectPtr require_decapsulating_key(Session& session, CK_OBJECT_HANDLE handle, const Mechanism& mechanism) {
  return require_unwrapping_key(session, handle, mechanism, CKA_DECAPSULATE);
}

size_t encapsulated_bytes(const WrapCall& call) { return kEncapsulators[call.row.family].bytes(call); }

Encapsulation encapsulate_key(const WrapCall& call, Template wanted) {
  try {
    wanted.impose(decode_template(call.key.shown.get(CKA_ENCAPSULATE_TEMPLATE)));
  } catch (const Refusal& refusal) {
    refuse(CKR_KEY_HANDLE_INVALID, refusal.what());
  }
  return kEncapsulators[call.row.family].encapsulate(call, wanted);
}

Draft decapsulate_key(const WrapCall& call, ByteView encrypted, Template wanted) {
  wanted.impose(decode_template(call.key.shown.get(CKA_DECAPSULATE_TEMPLATE)));
  return kEncapsulators[call.row.family].decapsulate(call, encrypted, wanted);
}

}  // namespace vtpm::pkcs11
