// SPDX-License-Identifier: Apache-2.0
// Measures the TPM without PKCS#11: the cost of an operation in addition to its arithmetic.
//
// This is a separate program, because it links the product's set-up of libcrypto (crypto/library/openssl.cc), which
// vtpm_bench must not have.
#include <benchmark/benchmark.h>

#include "tests/bench/benchmarks.h"
#include "tests/bench/tpm_key.h"
#include "tpm/command/commands.h"

namespace vtpm::bench {
namespace {

using benchmark::State;
using crypto::Curve;

// One instance uses three keys in turn, so each operation has to load its key again.
template <typename Sign>
void cold_keys(State& state, TpmKey& tpm, Sign&& sign) {
  std::vector<std::unique_ptr<tpm::ResidentKey>> keys;
  for (int i = 0; i < 3; ++i) keys.push_back(std::make_unique<tpm::ResidentKey>(tpm.engine, tpm.blob.clone()));
  for (size_t i = 0; auto _ : state) sign(*keys[i++ % keys.size()]);
}

}  // namespace

void register_benchmarks() {
  benchmark::RegisterBenchmark("P-256 signature", [](State& state) {
    const TpmKey tpm = TpmKey::ec(Curve::kP256);
    const Bytes digest(32, 0x5A);
    for (auto _ : state) benchmark::DoNotOptimize(tpm.key->ecdsa_sign(digest));
  });
  benchmark::RegisterBenchmark("P-256 signature, cold key", [](State& state) {
    TpmKey tpm = TpmKey::ec(Curve::kP256);
    const Bytes digest(32, 0x5A);
    cold_keys(state, tpm, [&](tpm::ResidentKey& key) { benchmark::DoNotOptimize(key.ecdsa_sign(digest)); });
  });
  benchmark::RegisterBenchmark("RSA-2048 signature, cold key", [](State& state) {
    static TpmKey tpm = TpmKey::rsa(2048);  // made once, because that takes seconds
    const Bytes block = TpmKey::block(2048);
    cold_keys(state, tpm, [&](tpm::ResidentKey& key) { benchmark::DoNotOptimize(key.rsa_private(block)); });
  });
  benchmark::RegisterBenchmark("32 random bytes", [](State& state) {
    const TpmKey tpm = TpmKey::ec(Curve::kP256);
    for (auto _ : state)
      benchmark::DoNotOptimize(tpm.engine->use([](tpm::Commands& commands) { return commands.get_random(32); }));
  });
  benchmark::RegisterBenchmark("boot and first P-256 signature", [](State& state) {
    const TpmKey tpm = TpmKey::ec(Curve::kP256);
    for (auto _ : state) {
      tpm.engine->forget();
      benchmark::DoNotOptimize(tpm.key->ecdsa_sign(Bytes(32, 1)));
    }
  });
}

}  // namespace vtpm::bench
