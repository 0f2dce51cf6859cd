// SPDX-License-Identifier: Apache-2.0
#include "crypto/library/openssl.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "crypto/hash/digest.h"
#include "tests/crypto/vectors.h"

namespace vtpm::crypto {
namespace {

TEST(OpenSsl, TheLinkedVersionIsNamed) { EXPECT_EQ(openssl_version().substr(0, 10), "OpenSSL 3."); }

TEST(OpenSsl, AFailureBecomesOneSentenceAndLeavesTheQueueEmpty) {
  ensure_openssl();
  EXPECT_EQ(EVP_MD_fetch(nullptr, "NO-SUCH-DIGEST", nullptr), nullptr);
  ASSERT_NE(ERR_peek_error(), 0u);
  try {
    require_openssl(false, "fetching a digest");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInternal);
    EXPECT_EQ(error.sentence(), "fetching a digest failed in libcrypto: unsupported");
  }
  EXPECT_EQ(ERR_peek_error(), 0u);
}

// The statements of these tests run in a fresh process.
class OpenSslProcess : public ::testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

// A configuration that activates only the null provider: a process that reads it has no SHA-256 any more.
TEST_F(OpenSslProcess, NoConfigurationFileIsRead) {
  EXPECT_EXIT(
      {
        std::string path = ::testing::TempDir() + "vtpm-openssl-XXXXXX";
        int file = mkstemp(path.data());
        std::string text = "openssl_conf = all\n[all]\nproviders = list\n[list]\nnull = only\n[only]\nactivate = 1\n";
        bool written = write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
        setenv("OPENSSL_CONF", path.c_str(), 1);
        bool works = false;
        try {
          works = digest(Hash::kSha256, {}).size() == 32 && Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
        } catch (const Error&) {
        }
        unlink(path.c_str());
        exit(written && works ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST_F(OpenSslProcess, NothingRunsAtExit) {
  EXPECT_EXIT(
      {
        digest(Hash::kSha256, {});
        OPENSSL_atexit([] { _exit(9); });
        exit(0);
      },
      ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace vtpm::crypto
