// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/object/key_evidence.h"

#include <algorithm>
#include <iterator>

namespace vtpm::pkcs11 {
namespace {

using tpm::KeyEvidence;

struct Row {
  CK_ATTRIBUTE_TYPE type;
  Bytes (*part)(const KeyEvidence& evidence);
};
constexpr Row kRows[] = {
    {CKA_VTPM_PUBLIC, [](const KeyEvidence& from) { return from.public_area; }},
    {CKA_VTPM_CERTIFY_INFO, [](const KeyEvidence& from) { return from.certify.info; }},
    {CKA_VTPM_CERTIFY_SIGNATURE, [](const KeyEvidence& from) { return from.certify.signature; }},
    {CKA_VTPM_CREATION_INFO, [](const KeyEvidence& from) { return from.creation ? from.creation->info : Bytes(); }},
    {CKA_VTPM_CREATION_SIGNATURE,
     [](const KeyEvidence& from) { return from.creation ? from.creation->signature : Bytes(); }},
    {CKA_VTPM_CREATION_DATA, [](const KeyEvidence& from) { return from.creation_data; }},
    {CKA_VTPM_ATTESTATION_PUBLIC, [](const KeyEvidence& from) { return from.attestor.public_area; }},
    {CKA_VTPM_ATTESTATION_CERTIFICATE, [](const KeyEvidence& from) { return from.attestor.attestation_certificate; }},
    {CKA_VTPM_ENDORSEMENT_CERTIFICATE, [](const KeyEvidence& from) { return from.attestor.endorsement_certificate; }},
};

const Row* row_of(CK_ATTRIBUTE_TYPE type) {
  const auto* row =
      std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& each) { return each.type == type; });
  return row == std::end(kRows) ? nullptr : row;
}

}  // namespace

bool is_evidence(CK_ATTRIBUTE_TYPE type) { return row_of(type) != nullptr; }

Bytes evidence_part(const KeyEvidence& evidence, CK_ATTRIBUTE_TYPE type) {
  const Row* row = row_of(type);
  return row ? row->part(evidence) : Bytes();
}

}  // namespace vtpm::pkcs11
