// SPDX-License-Identifier: Apache-2.0
// The TPM's identity: what C_InitToken gives a token, keeps and renews (docs/pkcs11.md, "What the TPM holds").
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/conformance/harness/harness.h"

namespace vtpm::conformance {
namespace {

// TCG EK Credential Profile, 2.2.1.4 and B.3: where certificates and keys of RSA-2048 and P-256 are.
constexpr CK_ULONG kCertificates[] = {0x01C00002, 0x01C0000A}, kKeys[] = {0x81010001, 0x81010002};
constexpr CK_ULONG kIssuer = 0x01C00100, kAttestation = 0x01C90010, kStorageRoot = 0x81000001;

class Identity : public Fresh {
 protected:
  /// Appends to the configuration, which the module reads again.
  void configure(const std::string& settings) {
    std::ofstream(scratch.path() + "/vtpm-pkcs11.toml", std::ios::app) << settings << '\n';
    library.restart();
  }
  static std::vector<Bytes> certificates(Session& session) {
    std::vector<Bytes> found;
    for (const CK_ULONG index : {kCertificates[0], kCertificates[1], kIssuer, kAttestation}) {
      for (const auto object : session.find({{CKA_CLASS, CKO_CERTIFICATE}, {kVtpmNvIndex, index}}))
        found.push_back(session.get(object, CKA_VALUE));
    }
    return found;
  }
  static Bytes point(Session& session, CK_ULONG handle) {
    return session.get(session.find({{CKA_CLASS, CKO_PUBLIC_KEY}, {kVtpmHandle, handle}}).at(0), CKA_EC_POINT);
  }
  /// An authority as openssl makes one.
  std::string authority() {
    const std::string directory = scratch.path() + "/ca";
    std::filesystem::create_directory(directory);
    const std::string command =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj '/CN=Conformance CA' "
        "-addext basicConstraints=critical,CA:TRUE -keyout " +
        directory + "/ca-key.pem -out " + directory + "/ca.pem 2>/dev/null";
    if (std::system(command.c_str()) != 0) throw std::runtime_error("openssl req");
    return directory;
  }
  size_t stores() {
    const auto count = std::filesystem::directory_iterator(scratch.store());
    return static_cast<size_t>(std::distance(begin(count), end(count)));
  }
};

TEST_F(Identity, ANewTokenHasEndorsementKeysWithCertificates) {
  Session session(make_token());
  EXPECT_EQ(certificates(session).size(), 4u) << "before login";
  session.login();
  for (size_t i = 0; i < 2; ++i) {
    const auto certificate = session.find({{CKA_CLASS, CKO_CERTIFICATE}, {kVtpmNvIndex, kCertificates[i]}});
    const auto key = session.find({{CKA_CLASS, CKO_PUBLIC_KEY}, {kVtpmHandle, kKeys[i]}});
    ASSERT_EQ(certificate.size(), 1u);
    ASSERT_EQ(key.size(), 1u);
    EXPECT_EQ(session.get(certificate[0], CKA_PUBLIC_KEY_INFO), session.get(key[0], CKA_PUBLIC_KEY_INFO));
    EXPECT_RV(CKR_ACTION_PROHIBITED, p11->C_DestroyObject(session, certificate[0]));
    EXPECT_TRUE(session.find({{CKA_CLASS, CKO_PRIVATE_KEY}, {kVtpmHandle, kKeys[i]}}).empty()) << "it signs nothing";
  }
}

TEST_F(Identity, TwoTokensHaveTwo) {
  Session one(make_token("one")), other(make_token("other"));
  const auto ours = certificates(one), theirs = certificates(other);
  ASSERT_EQ(ours.size(), theirs.size());
  for (size_t i = 0; i < ours.size(); ++i) EXPECT_NE(ours[i], theirs[i]);
}

TEST_F(Identity, SurvivesInitializingAnewAndNothingElseDoes) {
  const CK_SLOT_ID slot = make_token();
  std::vector<Bytes> before;
  Bytes root, endorsement;
  {
    Session session(slot);
    session.login();
    session.create({{CKA_CLASS, CKO_DATA},
                    {CKA_TOKEN, true},
                    {CKA_PRIVATE, true},
                    {kVtpmNvIndex, 0x01800001UL},
                    {CKA_VALUE, "the former owner's"}});
    before = certificates(session);
    root = point(session, kStorageRoot);
    endorsement = point(session, kKeys[1]);
  }
  MUST(try_init_token(slot, kSoPin, "conformance"));
  Session session(slot);
  session.login(CKU_SO);
  MUST(p11->C_InitPIN(session, const_cast<CK_BYTE*>(kUserPin.data()), kUserPin.size()));
  session.logout();
  EXPECT_EQ(certificates(session), before);
  session.login();
  EXPECT_EQ(point(session, kKeys[1]), endorsement);
  EXPECT_NE(point(session, kStorageRoot), root) << "keys of before could be loaded";
  EXPECT_TRUE(session.find({{kVtpmNvIndex, 0x01800001UL}}).empty());
  const auto keys = session.generate_ec(kP256);
  session.sign(CKM_ECDSA, keys.private_key, Bytes(32, 1));
}

TEST_F(Identity, IsRenewedWhenTheConfigurationSaysSo) {
  configure("[identity]\nreinitialise = \"renew\"");
  const CK_SLOT_ID slot = make_token();
  const auto before = [&] {
    Session session(slot);
    return certificates(session);
  }();
  MUST(try_init_token(slot, kSoPin, "conformance"));
  Session session(slot);
  const auto after = certificates(session);
  ASSERT_EQ(after.size(), before.size());
  for (size_t i = 0; i < after.size(); ++i) EXPECT_NE(after[i], before[i]);
}

TEST_F(Identity, IsNotMadeWhereNobodyWantsIt) {
  configure("[identity]\nendorse = false");
  Session session(make_token());
  session.login();
  EXPECT_TRUE(session.find({{CKA_CLASS, CKO_CERTIFICATE}}).empty());
  EXPECT_TRUE(session.find({{kVtpmHandle, kKeys[0]}}).empty());
}

TEST_F(Identity, ATokenWithoutOneGetsOneWhenItIsInitializedAnew) {
  configure("[identity]\nendorse = false");
  const CK_SLOT_ID slot = make_token();
  std::ofstream(scratch.path() + "/vtpm-pkcs11.toml") << "store_dir = \"" << scratch.store() << "\"\n"
                                                      << "[kdf]\nmemory_kib = 8192\npasses = 1\n";
  library.restart();
  MUST(try_init_token(slot, kSoPin, "conformance"));
  Session session(slot);
  EXPECT_EQ(certificates(session).size(), 4u);
}

TEST_F(Identity, OfTheUsersOwnAuthority) {
  const std::string directory = authority();
  configure("[identity]\nauthority = \"" + directory + "\"");
  Session session(make_token());
  const auto found = certificates(session);
  ASSERT_EQ(found.size(), 3u) << "the issuer's certificate is where the user has it";
  for (size_t i = 0; i < found.size(); ++i) {
    const std::string file = scratch.path() + "/" + std::to_string(i) + ".der";
    std::ofstream(file, std::ios::binary)
        .write(reinterpret_cast<const char*>(found[i].data()), static_cast<std::streamsize>(found[i].size()));
    const std::string command = "openssl x509 -inform DER -in " + file + " | openssl verify -ignore_critical -CAfile " +
                                directory + "/ca.pem >/dev/null";
    EXPECT_EQ(std::system(command.c_str()), 0) << i;
  }
}

TEST_F(Identity, AnAuthorityThatCanNotBeReadMakesNoToken) {
  const std::string directory = authority();
  configure("[identity]\nauthority = \"" + directory + "\"");
  const auto refused = [&](const char* why) {
    EXPECT_RV(CKR_DEVICE_ERROR, try_init_token(free_slot(), kSoPin, "half-made")) << why;
    EXPECT_EQ(stores(), 0u) << why;
    EXPECT_EQ(slots().size(), 1u) << why;
  };
  std::filesystem::rename(directory + "/ca.pem", directory + "/kept.pem");
  std::filesystem::create_directory(scratch.store());
  refused("no certificate");
  std::ofstream(directory + "/ca.pem") << "-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n";
  refused("not a certificate");
  std::ofstream(directory + "/ca.pem") << std::string(1 << 20, 'x');
  refused("too large");
  std::filesystem::remove(directory + "/ca.pem");
  ASSERT_EQ(mkfifo((directory + "/ca.pem").c_str(), 0600), 0);
  refused("a pipe, on which nobody writes");
  std::filesystem::remove(directory + "/ca.pem");
  std::filesystem::rename(directory + "/kept.pem", directory + "/ca.pem");
  EXPECT_RV(CKR_OK, try_init_token(free_slot(), kSoPin, "made"));
}

// --- evidence as attributes of a key ---

constexpr CK_ATTRIBUTE_TYPE kEvidence = CKA_VENDOR_DEFINED | 0x56540010UL, kLastEvidence = kEvidence + 8;

TEST_F(Identity, AKeyInTheTpmShowsItsEvidence) {
  const CK_SLOT_ID slot = make_token();
  Session session(slot);
  session.login();
  const auto key = session.generate_ec(kP256).private_key;
  for (CK_ATTRIBUTE_TYPE type = kEvidence; type <= kLastEvidence; ++type) {
    const Bytes value = session.get(key, type);
    EXPECT_FALSE(value.empty()) << std::hex << type;
    EXPECT_EQ(session.get(key, type), value) << "the parts must fit together";
    EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_set(key, {{type, "mine"}}));
    EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY,
              session.try_generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}}, {{type, "mine"}}));
  }
  const auto certificate = session.find({{CKA_CLASS, CKO_CERTIFICATE}, {kVtpmNvIndex, kAttestation}});
  EXPECT_EQ(session.get(key, kEvidence + 7), session.get(certificate.at(0), CKA_VALUE));
}

// The signature is checked here by OpenSSL, on what the bytes of the TPM's structures say by Part 2, 10.12 and 11.3.
TEST_F(Identity, TheEvidenceIsSignedByTheCertifiedKey) {
  Session session(make_token());
  session.login();
  const auto key = session.generate_ec(kP256).private_key;
  for (const CK_ATTRIBUTE_TYPE type : {kEvidence + 1, kEvidence + 3}) {
    const Bytes info = session.get(key, type), signature = session.get(key, type + 1);
    EXPECT_EQ(to_hex(info).substr(0, 8), "ff544347") << "TPM_GENERATED_VALUE";
    ASSERT_EQ(to_hex(signature).substr(0, 8), "0018000b") << "TPM_ALG_ECDSA, TPM_ALG_SHA256";
    const auto name = [&](const std::string& file, const Bytes& contents) {
      const std::string path = scratch.path() + "/" + file;
      std::ofstream(path, std::ios::binary)
          .write(reinterpret_cast<const char*>(contents.data()), static_cast<std::streamsize>(contents.size()));
      return path;
    };
    // TPM2B r, TPM2B s as DER integers.
    Bytes numbers;
    for (size_t at = 4; at + 2 <= signature.size();) {
      const size_t size = static_cast<size_t>(signature[at]) << 8 | signature[at + 1];
      Bytes number(signature.begin() + static_cast<std::ptrdiff_t>(at + 2),
                   signature.begin() + static_cast<std::ptrdiff_t>(at + 2 + size));
      while (number.size() > 1 && number[0] == 0) number.erase(number.begin());
      if (number[0] & 0x80) number.insert(number.begin(), 0);
      numbers = numbers + Bytes{0x02, static_cast<uint8_t>(number.size())} + number;
      at += 2 + size;
    }
    const std::string der = name("signature", Bytes{0x30, static_cast<uint8_t>(numbers.size())} + numbers);
    const std::string command = "cd " + scratch.path() + " && openssl x509 -inform DER -in " +
                                name("ak.der", session.get(key, kEvidence + 7)) + " -pubkey -noout >ak.pem && " +
                                "openssl dgst -sha256 -verify ak.pem -signature " + der + " " + name("info", info) +
                                " >/dev/null";
    EXPECT_EQ(std::system(command.c_str()), 0);
  }
}

TEST_F(Identity, OnlyWhatIsTrueIsEvidence) {
  Session session(make_token());
  session.login();
  const auto software = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}}, {{kVtpmResident, false}});
  EXPECT_RV(CKR_ATTRIBUTE_TYPE_INVALID, session.try_get(software.private_key, kEvidence));
  EXPECT_RV(CKR_ATTRIBUTE_TYPE_INVALID, session.try_get(software.public_key, kEvidence));
  const auto shown = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}},
                                      {{CKA_PRIVATE, false}, {CKA_TOKEN, true}, {CKA_LABEL, "shown before login"}});
  session.get(shown.private_key, kEvidence);
  session.logout();
  EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE, session.try_get(shown.private_key, kEvidence)) << "the TPM is locked";
}

}  // namespace
}  // namespace vtpm::conformance
