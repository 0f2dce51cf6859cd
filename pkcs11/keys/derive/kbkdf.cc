// SPDX-License-Identifier: Apache-2.0
// Derivation by the functions of SP 800-108 (PKCS#11 3.2, 6.42): data parameters (segments) in any order, and several
// keys from one call.
#include "crypto/kdf/kbkdf.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/keys/derive/derive.h"
#include "pkcs11/mechanism/family_table.h"

namespace vtpm::pkcs11 {
namespace {

using crypto::KbkdfMode;
using crypto::KbkdfSegment;

constexpr CK_ULONG kMostSegments = 64, kMostDerivedKeys = 64;

struct Kbkdf {
  KbkdfMode mode;
  std::vector<KbkdfSegment> segments;
  std::vector<Bytes> bytes;          // the bytes that segments point to
  std::vector<SecretBytes> secrets;  // the values of keys that segments point to
  std::vector<ObjectPtr> inputs;     // those keys
  Bytes iv;
  CK_MECHANISM_TYPE function;
  CK_ULONG more_keys;
  const CK_DERIVED_KEY* keys;

  /// "Key Derivation Attribute Rules" (PKCS#11 3.2, 6.42): CKA_ALWAYS_SENSITIVE and CKA_NEVER_EXTRACTABLE of the result
  /// are CK_TRUE if they are so for one of the keys.
  Origin origin(const Object& base) const {
    Origin any = origin_of_derived(base);
    for (const ObjectPtr& key : inputs) {
      const Origin its = origin_of_derived(*key);
      any.kept_secret |= its.kept_secret;
      any.kept_inside |= its.kept_inside;
    }
    return any;
  }
};

constexpr VariantTable<KbkdfMode> kModes({
    {Variant::kCounter, KbkdfMode::kCounter},
    {Variant::kFeedback, KbkdfMode::kFeedback},
    {Variant::kDoublePipeline, KbkdfMode::kDoublePipeline},
});
static_assert(kModes.covers(Family::kKbkdf));

template <typename T>
T segment_format(const CK_PRF_DATA_PARAM& given) {
  refuse_parameter_if(given.ulValueLen != sizeof(T), "SP 800-108: a data parameter has a wrong size");
  return parameter_structure<T>(given.pValue);
}

KbkdfSegment counter_segment(KbkdfSegment::Kind kind, const CK_PRF_DATA_PARAM& given) {
  const auto format = segment_format<CK_SP800_108_COUNTER_FORMAT>(given);
  refuse_parameter_if(format.ulWidthInBits > 64, "SP 800-108: counter width out of range (at most 64 bits)");
  return {kind, static_cast<unsigned>(format.ulWidthInBits), format.bLittleEndian != CK_FALSE};
}

KbkdfSegment length_segment(const CK_PRF_DATA_PARAM& given) {
  const auto format = segment_format<CK_SP800_108_DKM_LENGTH_FORMAT>(given);
  const bool of_segments = format.dkmLengthMethod == CK_SP800_108_DKM_LENGTH_SUM_OF_SEGMENTS;
  refuse_parameter_if(
      format.ulWidthInBits > 64 || (!of_segments && format.dkmLengthMethod != CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS),
      "SP 800-108: the width or the method of the length is not supported");
  return {KbkdfSegment::Kind::kLength, static_cast<unsigned>(format.ulWidthInBits), format.bLittleEndian != CK_FALSE,
          of_segments};
}

/// The iteration variable of feedback and double-pipeline mode. The text of the standard gives it no format. The sample
/// for feedback mode passes the format of a counter, which has no meaning there.
KbkdfSegment iteration_segment(const CK_PRF_DATA_PARAM& given) {
  if (given.ulValueLen != 0) segment_format<CK_SP800_108_COUNTER_FORMAT>(given);
  return {KbkdfSegment::Kind::kIteration};
}

KbkdfSegment key_segment(Kbkdf& kbkdf, const DeriveCall& call, const CK_PRF_DATA_PARAM& given) {
  const auto handle = segment_format<CK_OBJECT_HANDLE>(given);
  kbkdf.inputs.push_back(require_input_key(call, handle));
  kbkdf.secrets.emplace_back(call.session.token->catalogue().secret_of(*kbkdf.inputs.back()).get(CKA_VALUE));
  return {.kind = KbkdfSegment::Kind::kBytes, .bytes = kbkdf.secrets.back()};
}

void add_segment(Kbkdf& kbkdf, const DeriveCall& call, const CK_PRF_DATA_PARAM& given) {
  using Kind = KbkdfSegment::Kind;
  switch (given.type) {
    case CK_SP800_108_ITERATION_VARIABLE:
      kbkdf.segments.push_back(kbkdf.mode == KbkdfMode::kCounter ? counter_segment(Kind::kIteration, given)
                                                                 : iteration_segment(given));
      return;
    case CK_SP800_108_COUNTER:
      kbkdf.segments.push_back(counter_segment(Kind::kCounter, given));
      return;
    case CK_SP800_108_DKM_LENGTH:
      kbkdf.segments.push_back(length_segment(given));
      return;
    case CK_SP800_108_BYTE_ARRAY:
      kbkdf.bytes.push_back(parameter_bytes(given.pValue, given.ulValueLen));
      kbkdf.segments.push_back({.kind = Kind::kBytes, .bytes = kbkdf.bytes.back()});
      return;
    case CK_SP800_108_KEY_HANDLE:
      kbkdf.segments.push_back(key_segment(kbkdf, call, given));
      return;
    default:
      refuse(CKR_MECHANISM_PARAM_INVALID, "SP 800-108: the type of a data parameter is not supported");
  }
}

/// The parameter as the structure of feedback mode, which has every member of the other one.
CK_SP800_108_FEEDBACK_KDF_PARAMS kbkdf_parameter(const DeriveCall& call) {
  if (kModes[call.row.variant] == KbkdfMode::kFeedback) {
    return mechanism_parameter<CK_SP800_108_FEEDBACK_KDF_PARAMS>(call.mechanism);
  }
  const auto given = mechanism_parameter<CK_SP800_108_KDF_PARAMS>(call.mechanism);
  return {given.prfType, given.ulNumberOfDataParams,    given.pDataParams,           0,
          nullptr,       given.ulAdditionalDerivedKeys, given.pAdditionalDerivedKeys};
}

Kbkdf read_kbkdf(const DeriveCall& call) {
  const CK_SP800_108_FEEDBACK_KDF_PARAMS given = kbkdf_parameter(call);
  refuse_parameter_if(given.ulNumberOfDataParams > kMostSegments,
                      "SP 800-108: number of data parameters out of range (at most 64)");
  refuse_parameter_if(given.ulAdditionalDerivedKeys > kMostDerivedKeys,
                      "SP 800-108: number of additional keys out of range (at most 64)");
  Kbkdf kbkdf{kModes[call.row.variant],
              {},
              {},
              {},
              {},
              parameter_bytes(given.pIV, given.ulIVLen),
              given.prfType,
              given.ulAdditionalDerivedKeys,
              given.pAdditionalDerivedKeys};
  kbkdf.bytes.reserve(given.ulNumberOfDataParams);  // because segments point into the vector
  refuse_parameter_if(kbkdf.more_keys && !kbkdf.keys, "SP 800-108: pAdditionalDerivedKeys is null");
  for (CK_ULONG i = 0; i < given.ulNumberOfDataParams; ++i) {
    add_segment(kbkdf, call,
                parameter_structure<CK_PRF_DATA_PARAM>(given.pDataParams ? given.pDataParams + i : nullptr));
  }
  return kbkdf;
}

crypto::Mac function_of(const DeriveCall& call, CK_MECHANISM_TYPE type) {
  const Mechanism* row = find_mechanism(type);
  const bool hmac = row && row->mac == crypto::MacAlgorithm::kHmac && row->parameter == Parameter::kNone;
  const bool cmac = row && row->mac == crypto::MacAlgorithm::kCmac && row->parameter == Parameter::kNone;
  refuse_parameter_if(!hmac && !cmac, "SP 800-108: the pseudo-random function must be HMAC or CMAC");
  refuse_if(cmac && call.base.shown.number(CKA_KEY_TYPE) != CKK_AES, CKR_KEY_TYPE_INCONSISTENT,
            "SP 800-108: CMAC needs an AES key");
  crypto::MacParameters parameters{*row->mac};
  if (row->hash) parameters.hash = *row->hash;
  return {parameters, call.base_value()};
}

/// A holder of a CMAC's key can compute an unknown last block of its data from the code. Therefore a key among the data
/// must not be more secret than what is derived.
bool is_invertible(CK_MECHANISM_TYPE function) { return function == CKM_AES_CMAC; }

std::vector<SecretBytes> run(const Kbkdf& kbkdf, const crypto::Mac& function, std::span<const size_t> sizes) {
  return refusing_invalid(CKR_MECHANISM_PARAM_INVALID,
                          [&] { return crypto::kbkdf(kbkdf.mode, function, kbkdf.segments, kbkdf.iv, sizes); });
}

/// "Deriving Additional Keys" (PKCS#11 3.2, 6.42): an invalid handle identifies the template that is at fault.
template <typename F>
void of_template(CK_OBJECT_HANDLE* handle, F&& body) {
  try {
    body();
  } catch (const Refusal&) {
    *handle = CK_INVALID_HANDLE;
    throw;
  }
}

}  // namespace

DerivedKeys derive_kbkdf(const DeriveCall& call, Template wanted, CK_OBJECT_HANDLE* key) {
  refuse_if(!key, CKR_ARGUMENTS_BAD, "the pointer to the key's handle is null");
  const Kbkdf kbkdf = read_kbkdf(call);
  const crypto::Mac function = function_of(call, kbkdf.function);
  std::vector<SecretKeyPlan> plans;
  std::vector<size_t> sizes;
  std::vector<CK_OBJECT_HANDLE*> handles;
  const auto plan = [&](CK_OBJECT_HANDLE* handle, auto&& its) {
    of_template(handle, [&] {
      Template row = its();
      plans.push_back(plan_derived(call, row, Inheritance::kDefault, nullptr));
      if (is_invertible(kbkdf.function)) {
        for (const ObjectPtr& input : kbkdf.inputs) inherit(row, plans.back().shown(), *input, Inheritance::kAtLeast);
      }
      sizes.push_back(plans.back().bytes_or(function.size()));
    });
    handles.push_back(handle);
  };
  plan(key, [&] { return std::move(wanted); });
  for (CK_ULONG i = 0; i < kbkdf.more_keys; ++i) {
    const auto more = parameter_structure<CK_DERIVED_KEY>(kbkdf.keys + i);
    refuse_parameter_if(!more.phKey, "SP 800-108: phKey of an additional key is null");
    plan(more.phKey, [&] { return Template(more.pTemplate, more.ulAttributeCount); });
  }
  const std::vector<SecretBytes> values = run(kbkdf, function, sizes);
  DerivedKeys keys;
  for (size_t i = 0; i < plans.size(); ++i) {
    of_template(handles[i],
                [&] { keys.drafts.push_back(std::move(plans[i]).make(values[i], kbkdf.origin(call.base))); });
  }
  keys.publish = [handles](std::span<const CK_OBJECT_HANDLE> made) {
    for (size_t i = 0; i < handles.size(); ++i) *handles[i] = made[i];
  };
  return keys;
}

}  // namespace vtpm::pkcs11
