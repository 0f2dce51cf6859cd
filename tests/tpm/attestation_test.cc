// SPDX-License-Identifier: Apache-2.0
// Evidence and its verification: true statements are proven, and no others.
#include "tpm/use/attestation.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "crypto/certificate/certificate_authority.h"
#include "crypto/key/software_key.h"
#include "tests/tpm/memory_state.h"
#include "tpm/use/identity.h"
#include "tpm/use/persistent_key.h"
#include "tpm/use/verifier.h"

namespace vtpm::tpm {
namespace {

using crypto::CertificateAuthority;

SecretBytes endorsed(const CertificateAuthority& authority) {
  return Engine::manufacture([&](BootedTpm& tpm) { endorse(tpm, authority, IssuerKept::kInTheTpm); });
}

class AttestationTest : public ::testing::Test {
 protected:
  KeyBlob imported() {
    const auto key = crypto::SoftwareKey::generate_ec(crypto::Curve::kP256);
    return import_ec(engine, key->public_key(), key->ec_scalar());
  }
  std::string why(const KeyEvidence& evidence, bool accept_imported = false) {
    return verify_key(evidence, made.certificate, nonce, accept_imported).reason;
  }

  const CertificateAuthority::Made made = CertificateAuthority::create("the authority");
  const CertificateAuthority authority{made.key, made.certificate};
  const Bytes nonce = {1, 2, 3, 4, 5, 6, 7, 8};
  Engine engine{std::make_shared<MemoryState>(endorsed(authority))};
};

TEST_F(AttestationTest, AKeyThatTheTpmMadeIsProven) {
  for (const KeyBlob& key : {create_ec(engine, crypto::Curve::kP256), create_ec(engine, crypto::Curve::kP521),
                             create_rsa(engine, RsaTemplate{})}) {
    const KeyVerdict verdict = verify_key(attest_key(engine, key, nonce), made.certificate, nonce, false);
    EXPECT_EQ(verdict.reason, "");
    EXPECT_TRUE(verdict.fixed && verdict.made_here && verdict.signs && verdict.decrypts);
    ASSERT_TRUE(verdict.key);
    EXPECT_EQ(verdict.key->spki(), public_key_of(key).spki());
  }
}

TEST_F(AttestationTest, AnImportedKeyIsReportedAsImported) {
  const KeyEvidence evidence = attest_key(engine, imported(), nonce);
  EXPECT_NE(why(evidence), "");
  const KeyVerdict verdict = verify_key(evidence, made.certificate, nonce, true);
  EXPECT_EQ(verdict.reason, "");
  EXPECT_FALSE(verdict.fixed);
  EXPECT_FALSE(verdict.made_here);
}

TEST_F(AttestationTest, EvidenceCountsForOneNonceAndOneAuthority) {
  const KeyEvidence evidence = attest_key(engine, create_ec(engine, crypto::Curve::kP256), nonce);
  EXPECT_FALSE(verify_key(evidence, made.certificate, {}, false).good());
  EXPECT_FALSE(verify_key(evidence, made.certificate, Bytes{1, 2, 3, 4, 5, 6, 7, 9}, false).good());
  const auto other = CertificateAuthority::create("the authority");  // has the same name
  EXPECT_FALSE(verify_key(evidence, other.certificate, nonce, false).good());
  const std::string both = std::string(other.certificate.begin(), other.certificate.end()) +
                           std::string(made.certificate.begin(), made.certificate.end());
  EXPECT_TRUE(verify_key(evidence, as_bytes(both), nonce, false).good());
  EXPECT_THROW(verify_key(evidence, as_bytes("no certificate"), nonce, false), Error);
}

// Each part is replaced by that of other evidence which is valid by itself: of another key, nonce or TPM.
TEST_F(AttestationTest, PartsOfOtherEvidenceDoNotFit) {
  const KeyBlob key = create_ec(engine, crypto::Curve::kP256), second = create_ec(engine, crypto::Curve::kP256);
  const KeyEvidence evidence = attest_key(engine, key, nonce);
  Engine elsewhere{std::make_shared<MemoryState>(endorsed(authority))};
  const KeyEvidence others[] = {attest_key(engine, second, nonce), attest_key(engine, key, {}),
                                attest_key(engine, imported(), nonce),
                                attest_key(elsewhere, create_ec(elsewhere, crypto::Curve::kP256), nonce)};
  for (size_t i = 0; i < std::size(others); ++i) {
    const KeyEvidence& other = others[i];
    const auto mixed = [&](auto&& change) {
      KeyEvidence result = evidence;
      change(result);
      return why(result);
    };
    const bool same_key = i == 1;
    if (!same_key) {
      EXPECT_NE(mixed([&](KeyEvidence& to) { to.public_area = other.public_area; }), "") << i;
    }
    EXPECT_NE(mixed([&](KeyEvidence& to) { to.certify = other.certify; }), "") << i;
    EXPECT_NE(mixed([&](KeyEvidence& to) { to.certify.info = other.certify.info; }), "") << i;
    EXPECT_NE(mixed([&](KeyEvidence& to) { to.certify.signature = other.certify.signature; }), "") << i;
    EXPECT_NE(mixed([&](KeyEvidence& to) { to.creation = other.creation; }), "") << i;
    EXPECT_NE(mixed([&](KeyEvidence& to) {
                to.public_area = other.public_area;
                to.certify = other.certify;
              }),
              "")
        << i;
  }
  const Attestor& foreign = others[3].attestor;
  KeyEvidence moved = evidence;
  moved.attestor = foreign;
  EXPECT_NE(why(moved), "");
  moved = evidence;
  moved.attestor.endorsement_certificate = foreign.endorsement_certificate;
  EXPECT_NE(why(moved).find("another TPM"), std::string::npos) << why(moved);
  moved = evidence;
  moved.attestor.attestation_certificate = moved.attestor.endorsement_certificate;
  EXPECT_NE(why(moved).find("purpose"), std::string::npos) << why(moved);
}

// A key that is not restricted could sign a statement that the TPM has not made.
TEST_F(AttestationTest, AnOrdinaryKeyIsNoAttestationKey) {
  const KeyBlob liar = create_ec(engine, crypto::Curve::kP256);
  KeyEvidence evidence = attest_key(engine, create_ec(engine, crypto::Curve::kP256), nonce);
  const auto endorsement_key = engine.use_current([](BootedTpm& tpm) {
    for (const PersistentObject& each : persistent_objects(tpm)) {
      if (each.handle == kEndorsementRsa) return *each.public_key;
    }
    throw std::runtime_error("no endorsement key");
  });
  evidence.attestor.public_area = liar.public_area;
  evidence.attestor.attestation_certificate = authority.certify_attestation_key(public_key_of(liar), endorsement_key);
  EXPECT_NE(why(evidence).find("restricted"), std::string::npos) << why(evidence);
}

TEST_F(AttestationTest, AFlippedBitInAnyByteIsNoticed) {
  const KeyEvidence evidence = attest_key(engine, create_ec(engine, crypto::Curve::kP256), nonce);
  using Part = Bytes& (*)(KeyEvidence&);
  constexpr Part kParts[] = {[](KeyEvidence& all) -> Bytes& { return all.public_area; },
                             [](KeyEvidence& all) -> Bytes& { return all.creation_data; },
                             [](KeyEvidence& all) -> Bytes& { return all.certify.info; },
                             [](KeyEvidence& all) -> Bytes& { return all.certify.signature; },
                             [](KeyEvidence& all) -> Bytes& { return all.creation->info; },
                             [](KeyEvidence& all) -> Bytes& { return all.creation->signature; },
                             [](KeyEvidence& all) -> Bytes& { return all.attestor.public_area; }};
  for (size_t i = 0; i < std::size(kParts); ++i) {
    KeyEvidence changed = evidence;
    Bytes& part = kParts[i](changed);
    for (size_t byte = 0; byte < part.size(); ++byte) {
      const size_t bit = byte * 8 + byte % 8;
      part[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
      EXPECT_NE(why(changed), "") << "part " << i << ", bit " << bit;
      part[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
    }
    EXPECT_EQ(why(changed), "");
  }
  for (size_t size = 0; size < evidence.certify.info.size(); ++size) {
    KeyEvidence changed = evidence;
    changed.certify.info.resize(size);
    EXPECT_NE(why(changed), "") << size;
  }
}

TEST_F(AttestationTest, WithoutCertificatesNothingIsProven) {
  Engine bare{std::make_shared<MemoryState>()};
  const KeyEvidence evidence = attest_key(bare, create_ec(bare, crypto::Curve::kP256), nonce);
  EXPECT_NE(why(evidence).find("no certificates"), std::string::npos);
}

TEST_F(AttestationTest, TheAttestationKeyIsOfTheSeedNotOfTheOwner) {
  const Bytes before = attest_key(engine, create_ec(engine, crypto::Curve::kP256), nonce).attestor.public_area;
  const SecretBytes state = endorsed(authority);
  Bytes first, second;
  const SecretBytes cleared = Engine::visit(state, [&](BootedTpm& tpm) {
    first = identity_certificates(tpm).attestation;
    EXPECT_TRUE(renew_owner(tpm));
  });
  Engine again{std::make_shared<MemoryState>(cleared.clone())};
  const KeyEvidence evidence = attest_key(again, create_ec(again, crypto::Curve::kP256), nonce);
  EXPECT_EQ(evidence.attestor.attestation_certificate, first);
  EXPECT_EQ(why(evidence), "");
  EXPECT_NE(evidence.attestor.public_area, before) << "of another TPM";
}

TEST_F(AttestationTest, AQuoteProvesTheValuesOfPcrs) {
  const std::vector<PcrBank> banks = {{"sha256", {0, 7, 16, 23}}, {"sha1", {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}}};
  QuoteEvidence evidence = quote_pcrs(engine, banks, nonce);
  ASSERT_EQ(evidence.values.size(), 14u) << "more than one TPM2_PCR_Read gives";
  EXPECT_EQ(evidence.values[0].size(), 32u);
  EXPECT_EQ(evidence.values[13].size(), 20u);
  const QuoteVerdict verdict = verify_quote(evidence, made.certificate, nonce);
  EXPECT_EQ(verdict.reason, "");
  ASSERT_EQ(verdict.banks.size(), 2u);
  EXPECT_EQ(verdict.banks[0].pcrs, banks[0].pcrs);
  EXPECT_EQ(verdict.banks[1].hash, "sha1");
  EXPECT_FALSE(verify_quote(evidence, made.certificate, {}).good());
  evidence.values[3][0] ^= 1;
  EXPECT_FALSE(verify_quote(evidence, made.certificate, nonce).good());
  evidence.values[3][0] ^= 1;
  evidence.values.pop_back();
  EXPECT_FALSE(verify_quote(evidence, made.certificate, nonce).good());
}

TEST_F(AttestationTest, PcrsThatDoNotExistAreRejected) {
  for (const std::vector<PcrBank>& banks :
       {std::vector<PcrBank>{}, {{"md5", {0}}}, {{"sha256", {24}}}, {{"sha256", {1}}, {"sha256", {2}}}})
    EXPECT_THROW(quote_pcrs(engine, banks, nonce), Error);
  EXPECT_THROW(quote_pcrs(engine, {{"sha256", {0}}}, Bytes(65, 0)), Error) << "the nonce is too long";
}

}  // namespace
}  // namespace vtpm::tpm
