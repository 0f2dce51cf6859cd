// Derivation by pseudo-random functions: HKDF (PKCS#11 3.1, 6.63), SP 800-108 (6.42), PBKDF2 (6.43).
#include <algorithm>

#include "crypto/kbkdf.h"
#include "crypto/kdf.h"
#include "pkcs11/derive.h"
#include "pkcs11/refusal.h"

namespace vtpm::pkcs11 {
namespace {

using crypto::Hash;
using crypto::KbkdfMode;
using crypto::KbkdfSegment;

constexpr size_t kHkdfMostBlocks = 255;
constexpr CK_ULONG kMostSegments = 64, kMostDerivedKeys = 64;

// --- HKDF ---

SecretBytes hkdf_salt(const DeriveCall& call, const CK_HKDF_PARAMS& given) {
  switch (given.ulSaltType) {
    case CKF_HKDF_SALT_NULL:
      return {};
    case CKF_HKDF_SALT_DATA:
      return SecretBytes(parameter_octets(given.pSalt, given.ulSaltLen));
    case CKF_HKDF_SALT_KEY: {
      const ObjectPtr key = require_key(call.session, given.hSaltKey);
      refuse_if(key->object_class() != CKO_SECRET_KEY, CKR_KEY_TYPE_INCONSISTENT, "the salt is not a secret key");
      refuse_if(!key->shown.flag(CKA_DERIVE), CKR_KEY_FUNCTION_NOT_PERMITTED, "CKA_DERIVE of the salt is CK_FALSE");
      return SecretBytes(call.session.token->secret_of(*key).get(CKA_VALUE));
    }
    default:
      refuse(CKR_MECHANISM_PARAM_INVALID, "HKDF: unknown kind of salt");
  }
}

// --- SP 800-108 ---

struct Kbkdf {
  KbkdfMode mode;
  std::vector<KbkdfSegment> segments;
  std::vector<Bytes> octets;  // what segments point to
  Bytes iv;
  CK_MECHANISM_TYPE function;
  CK_ULONG more_keys;
  const CK_DERIVED_KEY* keys;
};

KbkdfMode mode_of(const Mechanism& row) {
  if (row.type == CKM_SP800_108_COUNTER_KDF) return KbkdfMode::kCounter;
  return row.type == CKM_SP800_108_FEEDBACK_KDF ? KbkdfMode::kFeedback : KbkdfMode::kDoublePipeline;
}

template <typename T>
T segment_format(const CK_PRF_DATA_PARAM& given) {
  refuse_if(given.ulValueLen != sizeof(T), CKR_MECHANISM_PARAM_INVALID, "SP 800-108: a format has a wrong size");
  return parameter_structure<T>(given.pValue);
}

KbkdfSegment counter_segment(KbkdfSegment::Kind kind, const CK_PRF_DATA_PARAM& given) {
  const auto format = segment_format<CK_SP800_108_COUNTER_FORMAT>(given);
  refuse_if(format.ulWidthInBits > 64, CKR_MECHANISM_PARAM_INVALID, "SP 800-108: a counter is too wide");
  return {kind, static_cast<unsigned>(format.ulWidthInBits), format.bLittleEndian != CK_FALSE};
}

KbkdfSegment length_segment(const CK_PRF_DATA_PARAM& given) {
  const auto format = segment_format<CK_SP800_108_DKM_LENGTH_FORMAT>(given);
  const bool of_segments = format.dkmLengthMethod == CK_SP800_108_DKM_LENGTH_SUM_OF_SEGMENTS;
  refuse_if(
      format.ulWidthInBits > 64 || (!of_segments && format.dkmLengthMethod != CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS),
      CKR_MECHANISM_PARAM_INVALID, "SP 800-108: the length has an unknown form");
  return {KbkdfSegment::Kind::kLength, static_cast<unsigned>(format.ulWidthInBits), format.bLittleEndian != CK_FALSE,
          of_segments};
}

void add_segment(Kbkdf& kbkdf, const CK_PRF_DATA_PARAM& given) {
  using Kind = KbkdfSegment::Kind;
  switch (given.type) {
    case CK_SP800_108_ITERATION_VARIABLE:
      if (kbkdf.mode == KbkdfMode::kCounter) {
        kbkdf.segments.push_back(counter_segment(Kind::kIteration, given));
      } else {
        refuse_if(given.ulValueLen != 0, CKR_MECHANISM_PARAM_INVALID,
                  "SP 800-108: the iteration variable of this mode has no format");
        kbkdf.segments.push_back({Kind::kIteration});
      }
      return;
    case CK_SP800_108_COUNTER:
      kbkdf.segments.push_back(counter_segment(Kind::kCounter, given));
      return;
    case CK_SP800_108_DKM_LENGTH:
      kbkdf.segments.push_back(length_segment(given));
      return;
    case CK_SP800_108_BYTE_ARRAY:
      kbkdf.octets.push_back(parameter_octets(given.pValue, given.ulValueLen));
      kbkdf.segments.push_back({.kind = Kind::kOctets, .octets = kbkdf.octets.back()});
      return;
    default:
      refuse(CKR_MECHANISM_PARAM_INVALID, "SP 800-108: a segment of an unknown kind");
  }
}

/// The feedback structure, of which the others' is a part.
CK_SP800_108_FEEDBACK_KDF_PARAMS kbkdf_parameter(const DeriveCall& call) {
  if (mode_of(call.row) == KbkdfMode::kFeedback) {
    return mechanism_parameter<CK_SP800_108_FEEDBACK_KDF_PARAMS>(call.mechanism);
  }
  const auto given = mechanism_parameter<CK_SP800_108_KDF_PARAMS>(call.mechanism);
  return {given.prfType, given.ulNumberOfDataParams,    given.pDataParams,           0,
          nullptr,       given.ulAdditionalDerivedKeys, given.pAdditionalDerivedKeys};
}

Kbkdf read_kbkdf(const DeriveCall& call) {
  const CK_SP800_108_FEEDBACK_KDF_PARAMS given = kbkdf_parameter(call);
  refuse_if(given.ulNumberOfDataParams > kMostSegments || given.ulAdditionalDerivedKeys > kMostDerivedKeys,
            CKR_MECHANISM_PARAM_INVALID, "SP 800-108: an absurd number of segments or keys");
  Kbkdf kbkdf{mode_of(call.row),
              {},
              {},
              parameter_octets(given.pIV, given.ulIVLen),
              given.prfType,
              given.ulAdditionalDerivedKeys,
              given.pAdditionalDerivedKeys};
  kbkdf.octets.reserve(given.ulNumberOfDataParams);  // segments point into it
  refuse_if(kbkdf.more_keys && !kbkdf.keys, CKR_MECHANISM_PARAM_INVALID, "SP 800-108: the further keys are missing");
  for (CK_ULONG i = 0; i < given.ulNumberOfDataParams; ++i) {
    add_segment(kbkdf, parameter_structure<CK_PRF_DATA_PARAM>(given.pDataParams ? given.pDataParams + i : nullptr));
  }
  return kbkdf;
}

crypto::Mac function_of(const DeriveCall& call, CK_MECHANISM_TYPE type) {
  const Mechanism* row = find_mechanism(type);
  const bool hmac = row && row->mac == crypto::MacAlgorithm::kHmac && row->parameter == Parameter::kNone;
  const bool cmac = row && row->mac == crypto::MacAlgorithm::kCmac && row->parameter == Parameter::kNone;
  refuse_if(!hmac && !cmac, CKR_MECHANISM_PARAM_INVALID, "SP 800-108: the function is neither HMAC nor CMAC");
  refuse_if(cmac && call.base.shown.number(CKA_KEY_TYPE) != CKK_AES, CKR_KEY_TYPE_INCONSISTENT,
            "SP 800-108: CMAC needs an AES key");
  crypto::MacParameters parameters{*row->mac};
  if (row->hash) parameters.hash = *row->hash;
  return {parameters, call.base_value()};
}

std::vector<SecretBytes> run(const Kbkdf& kbkdf, const crypto::Mac& function, std::span<const size_t> sizes) {
  try {
    return crypto::kbkdf(kbkdf.mode, function, kbkdf.segments, kbkdf.iv, sizes);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInvalidArgument) throw;
    refuse(CKR_MECHANISM_PARAM_INVALID, error.sentence());
  }
}

// --- PBKDF2 ---

struct PrfRow {
  CK_ULONG number;
  Hash hash;
};
constexpr PrfRow kPrfs[] = {{CKP_PKCS5_PBKD2_HMAC_SHA1, Hash::kSha1},
                            {CKP_PKCS5_PBKD2_HMAC_SHA224, Hash::kSha224},
                            {CKP_PKCS5_PBKD2_HMAC_SHA256, Hash::kSha256},
                            {CKP_PKCS5_PBKD2_HMAC_SHA384, Hash::kSha384},
                            {CKP_PKCS5_PBKD2_HMAC_SHA512, Hash::kSha512},
                            {CKP_PKCS5_PBKD2_HMAC_SHA512_224, Hash::kSha512_224},
                            {CKP_PKCS5_PBKD2_HMAC_SHA512_256, Hash::kSha512_256}};

}  // namespace

Derivable derive_hkdf(const DeriveCall& call) {
  const auto given = mechanism_parameter<CK_HKDF_PARAMS>(call.mechanism);
  const std::optional<Hash> hash = hash_of_mechanism(given.prfHashMechanism);
  refuse_if(!hash, CKR_MECHANISM_PARAM_INVALID, "HKDF: unknown hash");
  const bool extract = given.bExtract != CK_FALSE, expand = given.bExpand != CK_FALSE;
  refuse_if(!extract && !expand, CKR_MECHANISM_PARAM_INVALID, "HKDF: neither extract nor expand");
  SecretBytes key = call.base_value();
  if (extract) key = crypto::hkdf_extract(*hash, hkdf_salt(call, given), key);
  if (!expand) return beginning_of(std::move(key));
  auto held =
      std::make_shared<std::pair<SecretBytes, Bytes>>(std::move(key), parameter_octets(given.pInfo, given.ulInfoLen));
  Derivable result;
  result.natural = crypto::hash_octets(*hash);
  result.octets = [held, hash](size_t size) {
    refuse_if(size > kHkdfMostBlocks * crypto::hash_octets(*hash), CKR_TEMPLATE_INCONSISTENT,
              "HKDF does not derive so many octets with this hash");
    return crypto::hkdf_expand(*hash, held->first, held->second, size);
  };
  return result;
}

DerivedKeys derive_hkdf_data(const DeriveCall& call, Template wanted, CK_OBJECT_HANDLE* key) {
  const Derivable derivable = derive_hkdf(call);
  wanted.impose(decode_template(call.base.shown.get(CKA_DERIVE_TEMPLATE)));
  refuse_if(wanted.number(CKA_CLASS).value_or(CKO_DATA) != CKO_DATA, CKR_TEMPLATE_INCONSISTENT,
            "what comes of this is a data object");
  refuse_if(wanted.has(CKA_VALUE), CKR_ATTRIBUTE_READ_ONLY, "CKA_VALUE is set by the token, not by a template");
  const size_t octets = wanted.number(CKA_VALUE_LEN).value_or(derivable.natural);
  refuse_if(octets == 0, CKR_TEMPLATE_INCONSISTENT, "CKA_VALUE_LEN is zero");
  wanted.drop(CKA_VALUE_LEN);  // no attribute of data objects
  Draft draft = make_draft(Schema::of(CKO_DATA), Making::kMake, wanted, call.session.token->who() == Who::kSo);
  draft.shown.set_number(CKA_CLASS, CKO_DATA);
  call.session.require_write(draft.is_token(), draft.is_private());
  draft.shown.set(CKA_VALUE, derivable.octets(octets));
  return one_key(std::move(draft), key);
}

DerivedKeys derive_kbkdf(const DeriveCall& call, Template wanted, CK_OBJECT_HANDLE* key) {
  refuse_if(!key, CKR_ARGUMENTS_BAD, "there is no room for the key's handle");
  const Kbkdf kbkdf = read_kbkdf(call);
  const crypto::Mac function = function_of(call, kbkdf.function);
  std::vector<SecretKeyPlan> plans;
  std::vector<CK_OBJECT_HANDLE*> handles = {key};
  plans.push_back(plan_derived(call, wanted, Inheritance::kFree, nullptr));
  for (CK_ULONG i = 0; i < kbkdf.more_keys; ++i) {
    const auto more = parameter_structure<CK_DERIVED_KEY>(kbkdf.keys + i);
    refuse_if(!more.phKey, CKR_MECHANISM_PARAM_INVALID, "SP 800-108: there is no room for a further key's handle");
    Template its(more.pTemplate, more.ulAttributeCount);
    plans.push_back(plan_derived(call, its, Inheritance::kFree, nullptr));
    handles.push_back(more.phKey);
  }
  std::vector<size_t> sizes;
  for (const SecretKeyPlan& plan : plans) sizes.push_back(plan.octets_or(function.octets()));
  const std::vector<SecretBytes> values = run(kbkdf, function, sizes);
  DerivedKeys keys;
  for (size_t i = 0; i < plans.size(); ++i) {
    keys.drafts.push_back(std::move(plans[i]).make(values[i], origin_of_derived(call.base)));
  }
  keys.publish = [handles](std::span<const CK_OBJECT_HANDLE> made) {
    for (size_t i = 0; i < handles.size(); ++i) *handles[i] = made[i];
  };
  return keys;
}

Draft generate_from_password(const Mechanism& row, const CK_MECHANISM& mechanism, const Template& wanted, bool so) {
  const auto given = mechanism_parameter<CK_PKCS5_PBKD2_PARAMS2>(mechanism);
  const PrfRow* prf =
      std::find_if(std::begin(kPrfs), std::end(kPrfs), [&](const PrfRow& one) { return one.number == given.prf; });
  refuse_if(prf == std::end(kPrfs), CKR_MECHANISM_PARAM_INVALID, "PBKDF2: unknown pseudo-random function");
  refuse_if(given.saltSource != CKZ_SALT_SPECIFIED || given.ulPrfDataLen != 0, CKR_MECHANISM_PARAM_INVALID,
            "PBKDF2: the salt must be given, and the function has no data");
  refuse_if(given.iterations == 0 || given.iterations > INT32_MAX, CKR_MECHANISM_PARAM_INVALID,
            "PBKDF2: 1 to 2^31 - 1 iterations");
  const Bytes salt = parameter_octets(given.pSaltSourceData, given.ulSaltSourceDataLen);
  const SecretBytes password(parameter_view(given.pPassword, given.ulPasswordLen));
  SecretKeyPlan plan(wanted, Making::kMake, so, CKK_GENERIC_SECRET);
  const size_t octets = plan.octets_or(0);
  const SecretBytes value = crypto::pbkdf2(prf->hash, password, salt, static_cast<uint32_t>(given.iterations), octets);
  return std::move(plan).make(value, {true, row.type, true, true});
}

}  // namespace vtpm::pkcs11
