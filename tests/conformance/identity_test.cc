// The TPM's identity: what C_InitToken gives a token, keeps and renews (docs/pkcs11.md, "What the TPM holds").
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/conformance/harness.h"

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

TEST_F(Identity, SurvivesInitialisingAnewAndNothingElseDoes) {
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

TEST_F(Identity, ATokenWithoutOneGetsOneWhenItIsInitialisedAnew) {
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

}  // namespace
}  // namespace vtpm::conformance
