#include "pkcs11/encapsulate.h"

#include "crypto/random.h"
#include "crypto/software_key.h"
#include "pkcs11/cipher.h"
#include "pkcs11/derive.h"
#include "pkcs11/key_kind.h"
#include "pkcs11/refusal.h"

namespace vtpm::pkcs11 {
namespace {

bool is_ecdh(const WrapCall& call) { return call.row.family == Family::kEcdh; }

/// The new key, checked before there is a secret. It is extractable unless the template says otherwise.
SecretKeyPlan plan_of(const WrapCall& call, const Template& wanted) {
  const bool so = call.session.token->who() == Who::kSo;
  SecretKeyPlan plan(wanted, Making::kMake, so, CKK_GENERIC_SECRET);
  if (!wanted.has(CKA_EXTRACTABLE)) plan.shown().set_flag(CKA_EXTRACTABLE, true);
  call.session.require_write(plan.is_token(), plan.is_private());
  return plan;
}

// --- ECDH ---

struct Agreement {
  CK_ULONG kdf;
  Bytes shared_data;
  crypto::PublicKey key;

  static Agreement read(const WrapCall& call, CK_RV size_refusal) {
    const auto given = mechanism_parameter<CK_ECDH1_DERIVE_PARAMS>(call.mechanism);
    refuse_if(given.pPublicData || given.ulPublicDataLen, CKR_MECHANISM_PARAM_INVALID,
              "pPublicData must be null: the public key is the cipher text");
    Agreement with{given.kdf, parameter_octets(given.pSharedData, given.ulSharedDataLen), *public_key_of(call.key)};
    refuse_if(with.key.bits() < call.row.min_size || with.key.bits() > call.row.max_size, size_refusal,
              "the key's size is outside the mechanism's range");
    apply_kdf(with.kdf, with.shared_data, {});  // refuses a function that is not known here
    return with;
  }
  Draft make(SecretKeyPlan plan, SecretBytes secret) const {
    const Derivable derivable = apply_kdf(kdf, shared_data, std::move(secret));
    const SecretBytes value = derivable.octets(plan.octets_or(derivable.natural));
    return std::move(plan).make(value, {});
  }
};

Encapsulation encapsulate_ecdh(const WrapCall& call, const Template& wanted) {
  const Agreement with = Agreement::read(call, CKR_KEY_SIZE_RANGE);
  SecretKeyPlan plan = plan_of(call, wanted);
  const auto fresh = crypto::SoftwareKey::generate_ec(with.key.curve());
  return {fresh->public_key().point(), with.make(std::move(plan), fresh->ecdh(with.key.point()))};
}

Draft decapsulate_ecdh(const WrapCall& call, ByteView encrypted, const Template& wanted) {
  const Agreement with = Agreement::read(call, CKR_UNWRAPPING_KEY_SIZE_RANGE);
  SecretKeyPlan plan = plan_of(call, wanted);
  const std::optional<ByteView> point = read_point(encrypted, with.key.curve());
  refuse_if(!point, CKR_WRAPPED_KEY_LEN_RANGE, "the cipher text is not as long as a point of the curve");
  try {
    return with.make(std::move(plan), call.session.token->private_key(call.key)->ecdh(*point));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInvalidArgument) throw;
    refuse(CKR_WRAPPED_KEY_INVALID, error.sentence());
  }
}

// --- RSA ---

Encapsulation encapsulate_rsa(const WrapCall& call, const Template& wanted) {
  const CipherScheme scheme(call.row, call.mechanism, *public_key_of(call.key));
  SecretKeyPlan plan = plan_of(call, wanted);
  const std::optional<size_t> octets = plan.octets();
  refuse_if(!octets, CKR_TEMPLATE_INCOMPLETE, "CKA_VALUE_LEN is missing: how long shall the secret be?");
  refuse_if(*octets > scheme.block_octets(), CKR_KEY_SIZE_RANGE, "the secret is too long for the public key");
  SecretBytes secret(*octets);
  crypto::random_fill(secret.span());
  try {
    Bytes encrypted = scheme.encrypt(secret);
    return {std::move(encrypted), std::move(plan).make(secret, {})};
  } catch (const Refusal& refusal) {
    if (refusal.rv() != CKR_DATA_LEN_RANGE) throw;
    refuse(CKR_KEY_SIZE_RANGE, refusal.what());
  }
}

}  // namespace

ObjectPtr require_encapsulating_key(Session& session, CK_OBJECT_HANDLE handle, const Mechanism& mechanism) {
  return require_key_for(session, handle, CKO_PUBLIC_KEY, CKA_ENCAPSULATE, mechanism);
}

ObjectPtr require_decapsulating_key(Session& session, CK_OBJECT_HANDLE handle, const Mechanism& mechanism) {
  return require_unwrapping_key(session, handle, mechanism, CKA_DECAPSULATE);
}

size_t encapsulated_octets(const WrapCall& call) {
  return is_ecdh(call) ? Agreement::read(call, CKR_KEY_SIZE_RANGE).key.point().size()
                       : CipherScheme(call.row, call.mechanism, *public_key_of(call.key)).block_octets();
}

Encapsulation encapsulate_key(const WrapCall& call, Template wanted) {
  try {
    wanted.impose(decode_template(call.key.shown.get(CKA_ENCAPSULATE_TEMPLATE)));
  } catch (const Refusal& refusal) {
    refuse(CKR_KEY_HANDLE_INVALID, refusal.what());
  }
  return is_ecdh(call) ? encapsulate_ecdh(call, wanted) : encapsulate_rsa(call, wanted);
}

Draft decapsulate_key(const WrapCall& call, ByteView encrypted, Template wanted) {
  wanted.impose(decode_template(call.key.shown.get(CKA_DECAPSULATE_TEMPLATE)));
  return is_ecdh(call) ? decapsulate_ecdh(call, encrypted, wanted) : unwrap_secret(call, encrypted, wanted);
}

}  // namespace vtpm::pkcs11
