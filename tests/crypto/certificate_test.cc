// SPDX-License-Identifier: Apache-2.0
#include "crypto/certificate/certificate.h"

#include <gtest/gtest.h>

#include "crypto/library/openssl.h"
#include "tests/crypto/vectors.h"

namespace vtpm::crypto {
namespace {

// certificate.der was issued with the openssl command; the offsets are those that `openssl asn1parse` shows, the texts
// those of `openssl x509`.
class CertificateTest : public ::testing::Test {
 protected:
  Bytes part(size_t offset, size_t size) const { return to_bytes(ByteView(der_).subspan(offset, size)); }
  const Bytes der_ = read_data("certificate.der");
};

TEST_F(CertificateTest, ReadsTheFieldsOfOpensslsCertificates) {
  std::optional<CertificateFields> fields = parse_certificate(der_);
  ASSERT_TRUE(fields);
  EXPECT_EQ(fields->serial, part(13, 11));
  EXPECT_EQ(to_hex(fields->serial), "020900c0ffee1234567890");
  EXPECT_EQ(fields->issuer, part(36, 58));
  EXPECT_EQ(fields->subject, part(128, 53));
  EXPECT_EQ(fields->public_key, part(181, 91));
  EXPECT_EQ(to_hex(fields->subject_key_id), "4a45578aadf5214c64e6ac4e1b187dfe053ce000");
  EXPECT_EQ(fields->not_before, "20240229");
  EXPECT_EQ(fields->not_after, "20511231");
  EXPECT_EQ(fields->bytes, der_.size());
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST_F(CertificateTest, PaddingIsAllowed) {
  for (uint8_t filler : {0x00, 0xff}) {
    Bytes padded = der_;
    padded.resize(2048, filler);
    std::optional<CertificateFields> fields = parse_certificate(padded);
    ASSERT_TRUE(fields);
    EXPECT_EQ(fields->bytes, der_.size());
  }
}

TEST_F(CertificateTest, OtherBytesAreNotACertificate) {
  EXPECT_FALSE(parse_certificate({}));
  EXPECT_FALSE(parse_certificate(Bytes(100)));
  EXPECT_FALSE(parse_certificate(as_bytes("-----BEGIN CERTIFICATE-----")));
  EXPECT_FALSE(parse_certificate(part(181, 91))) << "a public key";
  for (size_t size = 1; size < der_.size(); size += 7) EXPECT_FALSE(parse_certificate(part(0, size))) << size;
  EXPECT_EQ(ERR_peek_error(), 0u);
}

// For any change in a certificate, the parser returns fields or nothing, and leaves no error in the queue.
TEST_F(CertificateTest, DamagedOnesDoNoHarm) {
  size_t accepted = 0;
  for (size_t i = 0; i < der_.size(); ++i) {
    for (uint8_t change : {0x01, 0x80, 0xff}) {
      Bytes damaged = der_;
      damaged[i] ^= change;
      if (std::optional<CertificateFields> fields = parse_certificate(damaged)) {
        ++accepted;
        EXPECT_LE(fields->bytes, damaged.size());
      }
      ASSERT_EQ(ERR_peek_error(), 0u) << i;
    }
  }
  EXPECT_GT(accepted, 0u);
  EXPECT_LT(accepted, 3 * der_.size());
}

}  // namespace
}  // namespace vtpm::crypto
