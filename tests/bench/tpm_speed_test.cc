// What a signature in the TPM costs, as a ratio to OpenSSL's own in the same run.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <iostream>

#include "tests/bench/evp_signer.h"
#include "tests/bench/tpm_key.h"

namespace vtpm {
namespace {

/// Microseconds of one `work`, from a batch.
template <typename F>
double measure(int batch, F&& work) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < batch; ++i) work();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count() / batch;
}

/// Prints and returns the ratio of the best batches: whatever else the machine does can only add time.
template <typename Ours, typename Theirs>
double ratio(const char* what, int batch, Ours&& ours, Theirs&& theirs) {
  double our_best = 1e9, their_best = 1e9;
  measure(2, ours), measure(2, theirs);
  for (int round = 0; round < 25; ++round) {
    our_best = std::min(our_best, measure(batch, ours));
    their_best = std::min(their_best, measure(batch, theirs));
  }
  std::cout << what << ": TPM " << our_best << " us, OpenSSL " << their_best << " us, ratio " << our_best / their_best
            << "\n";
  return our_best / their_best;
}

double ecdsa(crypto::Curve curve, const char* what, int batch) {
  EvpSigner openssl = EvpSigner::ec(curve);
  const TpmKey tpm = TpmKey::ec(curve);
  const Bytes digest(32, 0x5A);
  return ratio(
      what, batch, [&] { (void)tpm.key->ecdsa_sign(digest); }, [&] { openssl.sign(digest); });
}

double rsa(unsigned bits, const char* what, int batch) {
  EvpSigner openssl = EvpSigner::rsa(bits);
  const TpmKey tpm = TpmKey::rsa(bits);
  const Bytes block = TpmKey::block(bits);
  return ratio(
      what, batch, [&] { (void)tpm.key->rsa_private(block); }, [&] { openssl.sign(block); });
}

TEST(TpmSpeed, P256CostsLessThanTwiceOpenSsl) { EXPECT_LT(ecdsa(crypto::Curve::kP256, "P-256", 200), 2.0); }
TEST(TpmSpeed, P384CostsLessThanTwiceOpenSsl) { EXPECT_LT(ecdsa(crypto::Curve::kP384, "P-384", 10), 2.0); }
TEST(TpmSpeed, P521CostsLessThanTwiceOpenSsl) { EXPECT_LT(ecdsa(crypto::Curve::kP521, "P-521", 20), 2.0); }
TEST(TpmSpeed, Rsa2048CostsLessThanTwiceOpenSsl) { EXPECT_LT(rsa(2048, "RSA-2048", 30), 2.0); }
TEST(TpmSpeed, Rsa3072CostsLessThanTwiceOpenSsl) { EXPECT_LT(rsa(3072, "RSA-3072", 5), 2.0); }

}  // namespace
}  // namespace vtpm
