// SPDX-License-Identifier: Apache-2.0
#include "tpm/use/verifier.h"

#include <tss2/tss2_tpm2_types.h>

#include <algorithm>

#include "base/error.h"
#include "base/numbers.h"
#include "crypto/certificate/certificate.h"
#include "crypto/certificate/certificate_authority.h"
#include "crypto/certificate/certificate_chain.h"
#include "crypto/hash/digest.h"
#include "tpm/command/marshal.h"
#include "tpm/use/pcr_selection.h"

namespace vtpm::tpm {

namespace {

/// Thrown inside this file: the reason why the evidence proves nothing, which becomes Verdict::reason.
struct Unproven {
  std::string reason;
};
void demand(bool holds, const char* otherwise) {
  if (!holds) throw Unproven{otherwise};
}

/// Evidence comes from elsewhere, so bytes that do not parse make it unproven and are not a fault.
template <typename T, typename F>
T parse(F function, ByteView bytes, const char* what) {
  T value = {};
  size_t used = 0;
  if (function(bytes.data(), bytes.size(), &used, &value) != TSS2_RC_SUCCESS || used != bytes.size())
    throw Unproven{std::string("the ") + what + " does not parse"};
  return value;
}

/// The same for a TPM2B, whose size tpm2-tss does not compare with its contents.
template <typename T, typename F>
T parse_sized(F function, ByteView bytes, const char* what) {
  const T value = parse<T>(function, bytes, what);
  if ((static_cast<size_t>(bytes[0]) << 8 | bytes[1]) != bytes.size() - sizeof(uint16_t))
    throw Unproven{std::string("the ") + what + " has a wrong size"};
  return value;
}

crypto::PublicKey key_of(const Bytes& public_area) {
  KeyBlob blob;
  blob.public_area = public_area;
  try {
    return public_key_of(blob);
  } catch (const Error& error) {
    throw Unproven{"a public area holds no key: " + error.sentence()};
  }
}

/// Part 1, 16: the name algorithm and the hash of the public area.
Bytes name_of(const Bytes& public_area) {
  const auto area = parse_sized<TPM2B_PUBLIC>(Tss2_MU_TPM2B_PUBLIC_Unmarshal, public_area, "public area");
  demand(area.publicArea.nameAlg == TPM2_ALG_SHA256, "a name is not made with SHA-256");
  Bytes name = {TPM2_ALG_SHA256 >> 8, TPM2_ALG_SHA256 & 0xFF};
  append(name, crypto::digest(crypto::Hash::kSha256, ByteView(public_area).subspan(sizeof(uint16_t))));
  return name;
}

/// Part 1, 16, of a primary key of the endorsement hierarchy: the hash goes over the hierarchy's handle and the name.
Bytes qualified_name(const Bytes& name) {
  Bytes both;
  for (int shift = 24; shift >= 0; shift -= 8) both.push_back(static_cast<uint8_t>(TPM2_RH_ENDORSEMENT >> shift));
  append(both, name);
  Bytes qualified = {TPM2_ALG_SHA256 >> 8, TPM2_ALG_SHA256 & 0xFF};
  append(qualified, crypto::digest(crypto::Hash::kSha256, both));
  return qualified;
}

/// The chain from the authority to the attestation key.
crypto::PublicKey check_attestor(const Attestor& attestor, ByteView authority) {
  demand(!attestor.attestation_certificate.empty() && !attestor.endorsement_certificate.empty(),
         "the TPM has no certificates (vtpm-token ca certify)");
  const crypto::CertificateChain chain(authority);
  if (const auto why = chain.refuses(attestor.endorsement_certificate, crypto::kEndorsementPurpose))
    throw Unproven{"the endorsement certificate: " + *why};
  if (const auto why = chain.refuses(attestor.attestation_certificate, crypto::kAttestationPurpose))
    throw Unproven{"the attestation key's certificate: " + *why};
  const auto endorsement = crypto::parse_certificate(attestor.endorsement_certificate);
  const auto attestation = crypto::parse_certificate(attestor.attestation_certificate);
  const auto endorsement_key = crypto::PublicKey::from_spki(endorsement->public_key);
  demand(endorsement_key &&
             crypto::subject_serial(attestor.attestation_certificate) == crypto::key_fingerprint(*endorsement_key),
         "the attestation key's certificate is of another TPM than the endorsement certificate");
  const auto area = parse_sized<TPM2B_PUBLIC>(Tss2_MU_TPM2B_PUBLIC_Unmarshal, attestor.public_area, "attestation key");
  constexpr TPMA_OBJECT kMust = TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_SIGN_ENCRYPT | TPMA_OBJECT_FIXEDTPM |
                                TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN;
  demand((area.publicArea.objectAttributes & (kMust | TPMA_OBJECT_DECRYPT)) == kMust,
         "the attestation key is not a restricted signing key of its TPM");
  crypto::PublicKey key = key_of(attestor.public_area);
  demand(equal(key.spki(), attestation->public_key), "the attestation key is not the certified one");
  demand(key.type() == crypto::KeyType::kEc && key.curve() == crypto::Curve::kP256,
         "the attestation key is not on P-256");
  return key;
}

Bytes padded(ByteView number, size_t bytes) {
  demand(number.size() <= bytes, "the signature has a number that is too long");
  return left_padded(number, bytes);
}

/// The statement, if the attestation key made it for us.
TPMS_ATTEST check_statement(const Attested& attested, const Attestor& attestor, const crypto::PublicKey& key,
                            TPMI_ST_ATTEST type, ByteView nonce) {
  const auto signature =
      parse<TPMT_SIGNATURE>(Tss2_MU_TPMT_SIGNATURE_Unmarshal, attested.signature, "signature of the attestation key");
  demand(signature.sigAlg == TPM2_ALG_ECDSA && signature.signature.ecdsa.hash == TPM2_ALG_SHA256,
         "the signature is not ECDSA with SHA-256");
  const size_t bytes = crypto::curve_bytes(key.curve());
  Bytes numbers = padded(bytes_of(signature.signature.ecdsa.signatureR), bytes);
  append(numbers, padded(bytes_of(signature.signature.ecdsa.signatureS), bytes));
  demand(key.ecdsa_verify(crypto::digest(crypto::Hash::kSha256, attested.info), numbers),
         "the signature of the attestation key is wrong");
  const auto info = parse<TPMS_ATTEST>(Tss2_MU_TPMS_ATTEST_Unmarshal, attested.info, "statement of the TPM");
  demand(info.magic == TPM2_GENERATED_VALUE && info.type == type, "the statement is not of the kind it is said to be");
  demand(equal(bytes_of(info.extraData), nonce),
         "the nonce is another one: the evidence was not made for this request");
  demand(equal(bytes_of(info.qualifiedSigner), qualified_name(name_of(attestor.public_area))),
         "the attestation key is not a primary key of the endorsement hierarchy");
  return info;
}

void check_creation(const KeyEvidence& evidence, const crypto::PublicKey& signer, ByteView nonce, const Bytes& name,
                    KeyVerdict& verdict) {
  const TPMS_ATTEST info =
      check_statement(*evidence.creation, evidence.attestor, signer, TPM2_ST_ATTEST_CREATION, nonce);
  const TPMS_CREATION_INFO& creation = info.attested.creation;
  demand(equal(bytes_of(creation.objectName), name), "the certified creation is of another key");
  const auto data =
      parse_sized<TPM2B_CREATION_DATA>(Tss2_MU_TPM2B_CREATION_DATA_Unmarshal, evidence.creation_data, "creation data");
  const ByteView contents = ByteView(evidence.creation_data).subspan(sizeof(uint16_t));
  demand(equal(bytes_of(creation.creationHash), crypto::digest(crypto::Hash::kSha256, contents)),
         "the creation data are not the certified ones");
  verdict.parent = to_hex(bytes_of(data.creationData.parentName));
}

KeyVerdict examine(const KeyEvidence& evidence, ByteView authority, ByteView nonce, bool imported) {
  KeyVerdict verdict;
  const crypto::PublicKey signer = check_attestor(evidence.attestor, authority);
  const TPMS_ATTEST info = check_statement(evidence.certify, evidence.attestor, signer, TPM2_ST_ATTEST_CERTIFY, nonce);
  const Bytes name = name_of(evidence.public_area);
  demand(equal(bytes_of(info.attested.certify.name), name), "the certified key is another one");
  const auto area = parse_sized<TPM2B_PUBLIC>(Tss2_MU_TPM2B_PUBLIC_Unmarshal, evidence.public_area, "public area");
  const TPMA_OBJECT attributes = area.publicArea.objectAttributes;
  constexpr TPMA_OBJECT kFixed = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT;
  verdict.key = key_of(evidence.public_area);
  verdict.signs = (attributes & TPMA_OBJECT_SIGN_ENCRYPT) != 0;
  verdict.decrypts = (attributes & TPMA_OBJECT_DECRYPT) != 0;
  verdict.fixed = (attributes & kFixed) == kFixed;
  if (evidence.creation) check_creation(evidence, signer, nonce, name, verdict);
  verdict.made_here =
      verdict.fixed && evidence.creation.has_value() && (attributes & TPMA_OBJECT_SENSITIVEDATAORIGIN) != 0;
  if (imported) return verdict;
  demand(verdict.fixed, "the key is not fixedTPM: it was imported, and copies of it may be elsewhere");
  demand(verdict.made_here, "the creation of the key is not certified: the TPM may not have made it");
  return verdict;
}

/// Whether each value has the length of its bank's. The quoted digest is over all of them in a row: without this, bytes
/// could move from one register to the next.
bool have_their_lengths(const std::vector<PcrBank>& banks, const std::vector<Bytes>& values) {
  size_t at = 0;
  for (const PcrBank& bank : banks) {
    const size_t bytes = pcr_bytes(bank.hash);
    for (size_t i = 0; i < bank.pcrs.size(); ++i, ++at) {
      if (bytes == 0 || at >= values.size() || values[at].size() != bytes) return false;
    }
  }
  return at == values.size();
}

/// Part 3, 18.4: the hash over the selected PCRs, with the signing scheme's hash.
Bytes pcr_digest(const std::vector<Bytes>& values) {
  crypto::Digest digest(crypto::Hash::kSha256);
  for (const Bytes& value : values) digest.update(value);
  return digest.finish();
}

QuoteVerdict examine(const QuoteEvidence& evidence, ByteView authority, ByteView nonce) {
  QuoteVerdict verdict;
  const crypto::PublicKey signer = check_attestor(evidence.attestor, authority);
  const TPMS_ATTEST info = check_statement(evidence.quote, evidence.attestor, signer, TPM2_ST_ATTEST_QUOTE, nonce);
  verdict.banks = pcr_banks(info.attested.quote.pcrSelect);
  demand(have_their_lengths(verdict.banks, evidence.values) &&
             equal(bytes_of(info.attested.quote.pcrDigest), pcr_digest(evidence.values)),
         "the values of the PCRs are not the quoted ones");
  verdict.resets = info.clockInfo.resetCount;
  verdict.restarts = info.clockInfo.restartCount;
  return verdict;
}

template <typename Answer, typename F>
Answer judged(F&& work) {
  try {
    return work();
  } catch (const Unproven& unproven) {
    Answer verdict;
    verdict.reason = unproven.reason;
    return verdict;
  }
}

}  // namespace

KeyVerdict verify_key(const KeyEvidence& evidence, ByteView authority, ByteView nonce, bool imported) {
  return judged<KeyVerdict>([&] { return examine(evidence, authority, nonce, imported); });
}

QuoteVerdict verify_quote(const QuoteEvidence& evidence, ByteView authority, ByteView nonce) {
  return judged<QuoteVerdict>([&] { return examine(evidence, authority, nonce); });
}

}  // namespace vtpm::tpm
