// The TPM by itself, without PKCS#11: ECDH beside OpenSSL's, and what an operation costs besides its arithmetic.
#include <benchmark/benchmark.h>

#include "tests/bench/benchmarks.h"
#include "tests/bench/evp_signer.h"
#include "tests/bench/tpm_key.h"
#include "tpm/commands.h"

namespace vtpm::bench {
namespace {

using benchmark::State;
using crypto::Curve;

void ecdh(const char* name, Curve curve) {
  const std::string operation = std::string("ECDH ") + name;
  benchmark::RegisterBenchmark((operation + "/openssl").c_str(), [curve](State& state) {
    EvpSigner signer = EvpSigner::ecdh(curve);
    for (auto _ : state) signer.derive();
  });
  benchmark::RegisterBenchmark((operation + "/vtpm").c_str(), [curve](State& state) {
    const TpmKey tpm = TpmKey::ec(curve);
    const Bytes peer = public_key_of(tpm.blob).point();
    for (auto _ : state) benchmark::DoNotOptimize(tpm.key->ecdh(peer));
  });
}

// Three keys in turn on one instance: each operation finds its key pushed out.
template <typename Sign>
void cold_keys(State& state, TpmKey& tpm, Sign&& sign) {
  std::vector<std::unique_ptr<tpm::ResidentKey>> keys;
  for (int i = 0; i < 3; ++i) keys.push_back(std::make_unique<tpm::ResidentKey>(tpm.engine, tpm.blob.clone()));
  for (size_t i = 0; auto _ : state) sign(*keys[i++ % keys.size()]);
}

}  // namespace

void register_tpm_benchmarks() {
  ecdh("P-256", Curve::kP256);
  ecdh("P-384", Curve::kP384);
  ecdh("P-521", Curve::kP521);

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
    static TpmKey tpm = TpmKey::rsa(2048);  // seconds to make, once
    const Bytes block = TpmKey::block(2048);
    cold_keys(state, tpm, [&](tpm::ResidentKey& key) { benchmark::DoNotOptimize(key.rsa_private(block)); });
  });
  benchmark::RegisterBenchmark("32 random octets", [](State& state) {
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
