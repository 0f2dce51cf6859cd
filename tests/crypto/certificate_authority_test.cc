// SPDX-License-Identifier: Apache-2.0
// The certificates that the authority issues, as the openssl program shows them.
#include "crypto/certificate/certificate_authority.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <utility>

#include "crypto/key/software_key.h"
#include "tests/crypto/vectors.h"

namespace vtpm::crypto {
namespace {

class CertificateAuthorityTest : public ::testing::Test {
 protected:
  CertificateAuthorityTest() {
    if (!mkdtemp(directory_.data())) throw std::runtime_error("mkdtemp");
    write("ca.pem", made_.certificate);
    write("ca-key.pem", made_.key);
  }
  ~CertificateAuthorityTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  void write(const std::string& name, ByteView bytes) const {
    std::ofstream(directory_ + "/" + name, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  Bytes read(const std::string& name) const {
    std::ifstream file(directory_ + "/" + name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  /// Runs a command of openssl in the directory. Returns what it has printed, or nothing if it has failed.
  std::optional<std::string> openssl(const std::string& arguments) const {
    FILE* pipe = popen(("cd " + directory_ + " && openssl " + arguments + " 2>&1").c_str(), "r");
    std::string text;
    char part[512];
    while (pipe && std::fgets(part, sizeof part, pipe)) text += part;
    const int status = pipe ? pclose(pipe) : -1;
    if (status == 0) return text;
    std::fprintf(stderr, "%s", text.c_str());
    return std::nullopt;
  }
  std::string directory_ = std::filesystem::temp_directory_path().string() + "/vtpm-ca-XXXXXX";
  const CertificateAuthority::Made made_ = CertificateAuthority::create("Test \u00C4uthority");
  const CertificateAuthority authority_{made_.key, made_.certificate};
};

/// Returns how OpenSSL prints a certificate, in the form of releases without the TCG's names, without blanks around
/// '='.
std::optional<std::string> by_numbers(std::optional<std::string> text) {
  const std::pair<const char*, const char*> kNames[] = {
      {"Endorsement Key Certificate", "2.23.133.8.1"}, {"Attestation Identity Key Certificate", "2.23.133.8.3"},
      {"tcg-at-tpmManufacturer", "2.23.133.2.1"},      {"tcg-at-tpmModel", "2.23.133.2.2"},
      {"tcg-at-tpmVersion", "2.23.133.2.3"},           {" = ", "="}};
  for (const auto& [name, number] : kNames) {
    for (size_t at; text && (at = text->find(name)) != std::string::npos;)
      text->replace(at, std::string_view(name).size(), number);
  }
  return text;
}

bool contains(const std::optional<std::string>& text, const char* part) {
  return text && text->find(part) != std::string::npos;
}

TEST_F(CertificateAuthorityTest, ItsCertificateIsAnAuthoritysForOpenssl) {
  EXPECT_TRUE(openssl("verify -x509_strict -CAfile ca.pem ca.pem"));
  const auto text = openssl("x509 -in ca.pem -noout -text -nameopt utf8");
  EXPECT_TRUE(contains(text, "CN=Test \u00C4uthority"));
  EXPECT_TRUE(contains(text, "CA:TRUE, pathlen:0"));
  EXPECT_TRUE(contains(text, "Certificate Sign, CRL Sign"));
  EXPECT_TRUE(contains(openssl("pkey -in ca-key.pem -noout -check"), "valid"));
  EXPECT_TRUE(openssl("x509 -in ca.pem -outform DER -out ca.der"));
  EXPECT_EQ(read("ca.der"), authority_.certificate());
}

TEST_F(CertificateAuthorityTest, CertifiesEndorsementKeys) {
  const auto rsa = SoftwareKey::generate_rsa(2048, from_hex("010001"));
  const auto ec = SoftwareKey::generate_ec(Curve::kP256);
  for (const auto& [key, usage] : {std::pair(rsa.get(), "Key Encipherment"), std::pair(ec.get(), "Key Agreement")}) {
    write("ek.der", authority_.certify_endorsement_key(key->public_key()));
    ASSERT_TRUE(openssl("x509 -inform DER -in ek.der -out ek.pem"));
    EXPECT_TRUE(openssl("verify -CAfile ca.pem ek.pem"));
    const auto text = by_numbers(openssl("x509 -in ek.pem -noout -text"));
    // EK Credential Profile 3.2: no subject, the TPM's name as alternative name, its purpose.
    for (const char* part : {usage, "X509v3 Subject Alternative Name: critical", "2.23.133.8.1",
                             "2.23.133.2.1=id:49424D00", "2.23.133.2.2", "2.23.133.2.3", "CA:FALSE"})
      EXPECT_TRUE(contains(text, part)) << part << "\n" << text.value_or("");
    ASSERT_TRUE(openssl("x509 -in ek.pem -noout -pubkey | openssl pkey -pubin -outform DER -out key.der"));
    EXPECT_EQ(read("key.der"), key->public_key().spki());
  }
}

TEST_F(CertificateAuthorityTest, AttestationCertificateNamesTheEndorsementKey) {
  const auto endorsement = SoftwareKey::generate_rsa(2048, from_hex("010001"));
  const auto attestation = SoftwareKey::generate_ec(Curve::kP256);
  write("ak.der", authority_.certify_attestation_key(attestation->public_key(), endorsement->public_key()));
  write("ek-key.der", endorsement->public_key().spki());
  ASSERT_TRUE(openssl("x509 -inform DER -in ak.der -out ak.pem"));
  EXPECT_TRUE(openssl("verify -x509_strict -CAfile ca.pem ak.pem"));
  const auto text = by_numbers(openssl("x509 -in ak.pem -noout -text"));
  EXPECT_TRUE(contains(text, "2.23.133.8.3"));
  EXPECT_TRUE(contains(text, "Digital Signature"));
  const auto fingerprint = openssl("dgst -sha256 -r ek-key.der");
  ASSERT_TRUE(fingerprint);
  EXPECT_TRUE(contains(text, ("serialNumber=" + fingerprint->substr(0, 64)).c_str()));
}

TEST_F(CertificateAuthorityTest, UsesTheKeysThatOpensslMakes) {
  for (const char* algorithm : {"rsa:2048", "ec -pkeyopt ec_paramgen_curve:P-384", "ed25519"}) {
    ASSERT_TRUE(
        openssl(std::string("req -x509 -nodes -days 9 -subj /CN=other -keyout k.pem -out c.pem -newkey ") + algorithm));
    const CertificateAuthority other(read("k.pem"), read("c.pem"));
    const auto key = SoftwareKey::generate_ec(Curve::kP256);
    write("ek.der", other.certify_endorsement_key(key->public_key()));
    ASSERT_TRUE(openssl("x509 -inform DER -in ek.der -out ek.pem"));
    EXPECT_TRUE(openssl("verify -ignore_critical -CAfile c.pem ek.pem")) << algorithm;
  }
}

TEST_F(CertificateAuthorityTest, RejectsAKeyAndCertificateThatAreNotAnAuthoritys) {
  const auto other = CertificateAuthority::create("another");
  const auto refused = [](ByteView key, ByteView certificate) {
    try {
      const CertificateAuthority authority(key, certificate);
      return false;
    } catch (const Error& error) {
      return error.code() == ErrorCode::kInvalidArgument;
    }
  };
  EXPECT_TRUE(refused(made_.key, other.certificate)) << "not a pair";
  EXPECT_TRUE(refused({}, {}));
  EXPECT_TRUE(refused(made_.certificate, made_.certificate));
  EXPECT_TRUE(refused(ByteView(made_.key).first(50), made_.certificate));
  ASSERT_TRUE(
      openssl("req -x509 -nodes -days 9 -subj /CN=leaf -addext basicConstraints=critical,CA:FALSE "
              "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -keyout k.pem -out c.pem"));
  EXPECT_TRUE(refused(read("k.pem"), read("c.pem"))) << "a leaf";
  ASSERT_TRUE(openssl("pkey -in ca-key.pem -aes128 -passout pass:x -out locked.pem"));
  EXPECT_TRUE(refused(read("locked.pem"), made_.certificate)) << "it is encrypted, and no passphrase is asked for";
}

}  // namespace
}  // namespace vtpm::crypto
