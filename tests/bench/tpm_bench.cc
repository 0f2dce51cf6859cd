// Private-key operations in the TPM beside OpenSSL's own.
//
//   vtpm_bench --benchmark_repetitions=5 --benchmark_enable_random_interleaving=true
//              --benchmark_report_aggregates_only=true
#include <benchmark/benchmark.h>

#include "tests/bench/evp_signer.h"
#include "tests/bench/tpm_key.h"
#include "tpm/commands.h"

namespace vtpm {
namespace {

using crypto::Curve;

void openssl_rsa(benchmark::State& state) {
  const auto bits = static_cast<unsigned>(state.range(0));
  EvpSigner signer = EvpSigner::rsa(bits);
  const Bytes block = TpmKey::block(bits);
  for (auto _ : state) signer.sign(block);
}
void tpm_rsa(benchmark::State& state) {
  const auto bits = static_cast<unsigned>(state.range(0));
  const TpmKey tpm = TpmKey::rsa(bits);
  const Bytes block = TpmKey::block(bits);
  for (auto _ : state) benchmark::DoNotOptimize(tpm.key->rsa_private(block));
}
BENCHMARK(openssl_rsa)->Arg(2048)->Arg(3072)->Unit(benchmark::kMicrosecond);
BENCHMARK(tpm_rsa)->Arg(2048)->Arg(3072)->Unit(benchmark::kMicrosecond);

Curve curve_of(const benchmark::State& state) {
  return state.range(0) == 256 ? Curve::kP256 : state.range(0) == 384 ? Curve::kP384 : Curve::kP521;
}

void openssl_ecdsa(benchmark::State& state) {
  EvpSigner signer = EvpSigner::ec(curve_of(state));
  const Bytes digest(32, 0x5A);
  for (auto _ : state) signer.sign(digest);
}
void tpm_ecdsa(benchmark::State& state) {
  const TpmKey tpm = TpmKey::ec(curve_of(state));
  const Bytes digest(32, 0x5A);
  for (auto _ : state) benchmark::DoNotOptimize(tpm.key->ecdsa_sign(digest));
}
BENCHMARK(openssl_ecdsa)->Arg(256)->Arg(384)->Arg(521)->Unit(benchmark::kMicrosecond);
BENCHMARK(tpm_ecdsa)->Arg(256)->Arg(384)->Arg(521)->Unit(benchmark::kMicrosecond);

void openssl_ecdh(benchmark::State& state) {
  EvpSigner signer = EvpSigner::ecdh(curve_of(state));
  for (auto _ : state) signer.derive();
}
void tpm_ecdh(benchmark::State& state) {
  const TpmKey tpm = TpmKey::ec(curve_of(state));
  const Bytes peer = public_key_of(tpm.blob).point();
  for (auto _ : state) benchmark::DoNotOptimize(tpm.key->ecdh(peer));
}
BENCHMARK(openssl_ecdh)->Arg(256)->Arg(384)->Arg(521)->Unit(benchmark::kMicrosecond);
BENCHMARK(tpm_ecdh)->Arg(256)->Arg(384)->Arg(521)->Unit(benchmark::kMicrosecond);

// Three keys in turn on one instance: each operation finds its key pushed out.
void tpm_cold_keys(benchmark::State& state) {
  TpmKey tpm = state.range(0) == 0 ? TpmKey::ec(Curve::kP256) : TpmKey::rsa(2048);
  std::vector<std::unique_ptr<tpm::ResidentKey>> keys;
  for (int i = 0; i < 3; ++i) keys.push_back(std::make_unique<tpm::ResidentKey>(tpm.engine, tpm.blob.clone()));
  const Bytes input = state.range(0) == 0 ? Bytes(32, 1) : TpmKey::block(2048);
  for (size_t i = 0; auto _ : state) {
    tpm::ResidentKey& key = *keys[i++ % keys.size()];
    if (state.range(0) == 0) {
      benchmark::DoNotOptimize(key.ecdsa_sign(input));
    } else {
      benchmark::DoNotOptimize(key.rsa_private(input));
    }
  }
  state.SetLabel(state.range(0) == 0 ? "P-256" : "RSA-2048");
}
BENCHMARK(tpm_cold_keys)->Arg(0)->Arg(1)->Unit(benchmark::kMicrosecond);

void tpm_get_random(benchmark::State& state) {
  const TpmKey tpm = TpmKey::ec(Curve::kP256);
  for (auto _ : state)
    benchmark::DoNotOptimize(tpm.engine->use([](tpm::Commands& commands) { return commands.get_random(32); }));
}
BENCHMARK(tpm_get_random)->Unit(benchmark::kMicrosecond);

// A login's worth: nothing is running, then the first signature is there.
void tpm_boot_to_first_signature(benchmark::State& state) {
  const TpmKey tpm = TpmKey::ec(Curve::kP256);
  for (auto _ : state) {
    tpm.engine->forget();
    benchmark::DoNotOptimize(tpm.key->ecdsa_sign(Bytes(32, 1)));
  }
}
BENCHMARK(tpm_boot_to_first_signature)->Unit(benchmark::kMicrosecond);

// Real time per signature of all threads together.
void tpm_threads(benchmark::State& state) {
  static TpmKey* tpm = new TpmKey(TpmKey::ec(Curve::kP256));
  const Bytes digest(32, 0x5A);
  for (auto _ : state) benchmark::DoNotOptimize(tpm->key->ecdsa_sign(digest));
}
BENCHMARK(tpm_threads)->ThreadRange(1, 8)->UseRealTime()->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace vtpm
