// SPDX-License-Identifier: Apache-2.0
// The results and the order of a search that names no object (docs/pkcs11.md, "What the TPM holds").
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/conformance/harness/harness.h"

namespace vtpm::conformance {
namespace {

using Handles = std::vector<CK_OBJECT_HANDLE>;
using Strings = std::vector<std::string>;

constexpr CK_ULONG kEkCertificate = 0x01C00002, kRsaEk = 0x81010001;

class Listing : public WithUser {
 protected:
  static Strings labels(Session& session, const Template& wanted) {
    Strings all;
    for (const CK_OBJECT_HANDLE object : session.find(wanted)) all.push_back(session.text(object, CKA_LABEL));
    return all;
  }
  CK_OBJECT_HANDLE make(const char* label, bool is_private, bool on_token = true) {
    return session.create(
        {{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, on_token}, {CKA_PRIVATE, is_private}, {CKA_LABEL, label}});
  }
  static Bytes certificate() {
    std::ifstream file(VTPM_TEST_DATA "/crypto/certificate.der", std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  /// Adds a line before the first table of the configuration, which is read at the next start.
  void configure(const std::string& line) {
    const std::string path = scratch.path() + "/vtpm-pkcs11.toml";
    std::ifstream old(path);
    const std::string text(std::istreambuf_iterator<char>(old), {});
    std::ofstream(path) << line << '\n' << text;
  }
};

TEST_F(Listing, ATokenThatIsNewShowsNothingOfItsTpm) {
  for (const bool logged_in : {true, false}) {
    if (!logged_in) session.logout();
    for (const Template& kind :
         {Template{}, Template{{CKA_TOKEN, true}}, Template{{CKA_CLASS, CKO_CERTIFICATE}},
          Template{{CKA_CLASS, CKO_PUBLIC_KEY}},
          Template{{CKA_CLASS, CKO_CERTIFICATE}, {CKA_CERTIFICATE_TYPE, CKC_X_509}},
          Template{{CKA_CLASS, CKO_PUBLIC_KEY}, {CKA_KEY_TYPE, CKK_RSA}}, Template{{CKA_PRIVATE, !logged_in}},
          Template{{CKA_ID, Bytes()}}, Template{{CKA_SUBJECT, Bytes()}},
          Template{{CKA_CLASS, CKO_CERTIFICATE}, {CKA_LABEL, Bytes()}}}) {
      EXPECT_TRUE(session.find(kind).empty()) << kind.size() << " attributes, logged in: " << logged_in;
    }
  }
}

TEST_F(Listing, SearchesThatNameAnObjectOfTheTpmFindIt) {
  const auto certificate = session.find({{kVtpmNvIndex, kEkCertificate}, {CKA_CLASS, CKO_CERTIFICATE}}).at(0);
  const auto key = session.find({{kVtpmHandle, kRsaEk}}).at(0);
  for (const CK_ATTRIBUTE_TYPE name : {CK_ATTRIBUTE_TYPE{CKA_LABEL}, CK_ATTRIBUTE_TYPE{CKA_VALUE},
                                       CK_ATTRIBUTE_TYPE{CKA_SERIAL_NUMBER}, kUniqueId, kVtpmNvIndex}) {
    EXPECT_EQ(session.find({{name, session.get(certificate, name)}}), Handles{certificate}) << std::hex << name;
  }
  EXPECT_EQ(session.find({{CKA_LABEL, session.get(key, CKA_LABEL)}, {CKA_CLASS, CKO_PUBLIC_KEY}}), Handles{key});
  EXPECT_EQ(session.find({{kUniqueId, session.get(key, kUniqueId)}}), Handles{key});
  EXPECT_EQ(session.find({{kVtpmBound, true}, {CKA_CLASS, CKO_PUBLIC_KEY}}).size(), 3u) << "any vendor attribute";
  EXPECT_EQ(session.find({{kVtpmBound, true}, {CKA_CLASS, CKO_CERTIFICATE}}).size(), 4u);
  session.logout();
  EXPECT_EQ(session.find({{kVtpmNvIndex, kEkCertificate}}), Handles{certificate}) << "before login, too";
}

TEST_F(Listing, CertificatesThatAGuestMadeAreListed) {
  const auto area = [&](CK_ULONG index) {
    session.create({{CKA_CLASS, CKO_DATA},
                    {CKA_TOKEN, true},
                    {CKA_PRIVATE, true},
                    {kVtpmNvIndex, index},
                    {CKA_VALUE, certificate()}});
  };
  area(0x01D00001);
  EXPECT_EQ(labels(session, {{CKA_CLASS, CKO_CERTIFICATE}}), Strings{"TPM certificate 0x01d00001"});
  area(0x01C0FFFF);
  area(0x01C90011);
  EXPECT_EQ(labels(session, {{CKA_CLASS, CKO_CERTIFICATE}}), Strings{"TPM certificate 0x01d00001"});
  EXPECT_EQ(session.find({{CKA_CLASS, CKO_DATA}}).size(), 3u) << "the areas are the user's";
}

TEST_F(Listing, ShowsTheTpmsOwnObjectsBehindTheUsersWhereTheConfigurationSaysSo) {
  configure("tpm_objects = \"listed\"");
  make("first", true);
  library.restart();
  Session later(slot_of("conformance"));
  EXPECT_EQ(later.find({{CKA_CLASS, CKO_CERTIFICATE}}).size(), 4u);
  EXPECT_TRUE(later.find({{CKA_CLASS, CKO_PUBLIC_KEY}}).empty()) << "after login only";
  later.login();
  EXPECT_EQ(later.find({{CKA_CLASS, CKO_PUBLIC_KEY}}).size(), 3u);
  later.create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_LABEL, "second"}});
  const Strings all = labels(later, {});
  ASSERT_EQ(all.size(), 9u);
  EXPECT_EQ(Strings(all.begin(), all.begin() + 2), (Strings{"first", "second"}));
}

TEST_F(Listing, IsInOrderOfCreationPrivateObjectsAmongPublicOnes) {
  const Strings both = {"a", "b", "c", "d", "e"}, open = {"a", "c", "e"};
  const auto a = make("a", false);
  make("b", true);
  make("c", false);
  make("d", true);
  EXPECT_EQ(labels(session, {{CKA_CLASS, CKO_DATA}}), (Strings{"a", "b", "c", "d"}));
  // A change gives an object another sequence number, but does not change its place in the order of creation.
  for (const char* label : {"x", "a"}) EXPECT_RV(CKR_OK, session.try_set(a, {{CKA_LABEL, label}}));
  EXPECT_RV(CKR_OK, session.try_set(session.find({{CKA_LABEL, "b"}}).at(0), {{CKA_APPLICATION, "changed"}}));
  make("e", false);
  EXPECT_EQ(labels(session, {}), both);
  library.restart();
  Session later(slot_of("conformance"));
  EXPECT_EQ(labels(later, {}), open);
  later.login();
  EXPECT_EQ(labels(later, {}), both) << "what a login shows is not behind what was there";
  EXPECT_EQ(labels(later, {{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}}), both);
  later.logout();
  later.login();
  EXPECT_EQ(labels(later, {}), both);
}

TEST_F(Listing, OfAKeyPairThePublicHalfComesFirst) {
  make("before", true);
  const KeyPair pair =
      session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}, {CKA_TOKEN, true}}, {{CKA_TOKEN, true}});
  make("after", false);
  const Handles all = session.find({});
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(Handles(all.begin() + 1, all.begin() + 3), (Handles{pair.public_key, pair.private_key}));
}

TEST_F(Listing, SessionObjectsStandWhereTheyWereMade) {
  make("a", false);
  make("b", false, /*on_token=*/false);
  make("c", true);
  make("d", true, /*on_token=*/false);
  EXPECT_EQ(labels(session, {}), (Strings{"a", "b", "c", "d"}));
}

}  // namespace
}  // namespace vtpm::conformance
