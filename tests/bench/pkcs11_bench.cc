// Signatures as an application makes them, C_SignInit and C_Sign: this module, SoftHSM, and OpenSSL's own EVP with a
// context that is ready. And what lies between C_Login and the first signature.
#include <benchmark/benchmark.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <mutex>

#include "crypto/kdf.h"
#include "tests/bench/bench_token.h"
#include "tests/bench/benchmarks.h"
#include "tests/bench/evp_signer.h"

namespace vtpm::bench {
namespace {

using benchmark::State;
using crypto::Curve;

// Loaded at the first use, so that a filtered run makes only what it needs; never unloaded, as in most applications.
const BenchToken& vtpm_token() {
  static const auto* token = new BenchToken(VTPM_BENCH_MODULE);
  return *token;
}
const BenchToken& softhsm_token() {
  static const auto* token = new BenchToken("/usr/lib/softhsm/libsofthsm2.so");
  return *token;
}

struct Row {
  std::string operation;
  std::function<void(const BenchToken&)> make_key;
  std::function<EvpSigner()> make_signer;
  CK_MECHANISM_TYPE mechanism;
  std::string input;
};

// The threads share the key and have sessions of their own; with OpenSSL, keys and contexts of their own.
void with_threads(benchmark::internal::Benchmark* made) { made->Threads(1)->Threads(2)->UseRealTime(); }

void register_module(const Row& row, const char* side, const BenchToken& (*token)()) {
  auto once = std::make_shared<std::once_flag>();  // the first thread to need the key makes it
  with_threads(benchmark::RegisterBenchmark((row.operation + "/" + side).c_str(), [=](State& state) {
    std::call_once(*once, [&] { row.make_key(token()); });
    const CK_SESSION_HANDLE session = token().open();
    const CK_OBJECT_HANDLE key = token().private_key(session, row.operation);
    token().sign(session, row.mechanism, key, row.input);  // the first one loads the key
    for (auto _ : state) token().sign(session, row.mechanism, key, row.input);
    token().close(session);
  }));
}

void register_row(const Row& row) {
  register_module(row, "vtpm", vtpm_token);
  register_module(row, "softhsm", softhsm_token);
  // One per thread, kept from repetition to repetition: an RSA key takes seconds to make.
  auto signers = std::make_shared<std::vector<std::unique_ptr<EvpSigner>>>(2);
  with_threads(benchmark::RegisterBenchmark((row.operation + "/openssl").c_str(), [=](State& state) {
    std::unique_ptr<EvpSigner>& signer = (*signers)[static_cast<size_t>(state.thread_index())];
    if (!signer) signer = std::make_unique<EvpSigner>(row.make_signer());
    const Bytes input(row.input.begin(), row.input.end());
    for (auto _ : state) signer->sign(input);
  }));
}

Row rsa(unsigned bits) {
  // The DigestInfo of a SHA-256 digest (RFC 8017, 9.2 note 1), what a TLS server hands to CKM_RSA_PKCS.
  static const std::string prefix("\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20", 19);
  const std::string name = "RSA-" + std::to_string(bits);
  return {name, [=](const BenchToken& token) { token.rsa(bits, name); }, [=] { return EvpSigner::rsa_pkcs1(bits); },
          CKM_RSA_PKCS, prefix + std::string(32, 'Z')};
}

Row ecdsa(const std::string& name, Curve curve, const std::string& parameters) {
  return {name, [=](const BenchToken& token) { token.ec(parameters, name); }, [=] { return EvpSigner::ec(curve); },
          CKM_ECDSA, std::string(32, 'Z')};
}

// Login and first signature; the KDF by itself, so that it can be taken off.
void register_login(const Row& row) {
  auto once = std::make_shared<std::once_flag>();
  benchmark::RegisterBenchmark(("login + first " + row.operation + " signature").c_str(), [=](State& state) {
    const BenchToken& token = vtpm_token();
    std::call_once(*once, [&] { row.make_key(token); });
    for (auto _ : state) {
      state.PauseTiming();
      token.logout();
      state.ResumeTiming();
      token.login();
      token.sign(token.session(), row.mechanism, token.private_key(token.session(), row.operation), row.input);
    }
  })->UseRealTime();
}

// A login counts the attempt and takes it back, each with a sync, so the disk has its share: this is that share.
void two_syncs(State& state) {
  std::string name = (std::filesystem::temp_directory_path() / "vtpm-bench.XXXXXX").string();
  const int file = mkstemp(name.data());
  if (file < 0) return state.SkipWithError("no file can be made in the temporary directory");
  unlink(name.c_str());
  const std::string zeros(65536, '\0'), entry(136, 'x');
  bool ok = pwrite(file, zeros.data(), zeros.size(), 0) > 0 && fsync(file) == 0;
  for (auto _ : state) {
    for (const off_t at : {0, 136}) ok = pwrite(file, entry.data(), entry.size(), at) > 0 && fdatasync(file) == 0 && ok;
  }
  close(file);
  if (!ok) state.SkipWithError("the temporary directory's disk does not write");
}

}  // namespace

void register_pkcs11_benchmarks() {
  register_row(rsa(2048));
  register_row(rsa(3072));
  register_row(ecdsa("P-256", Curve::kP256, kP256));
  register_row(ecdsa("P-384", Curve::kP384, kP384));
  register_row(ecdsa("P-521", Curve::kP521, kP521));

  register_login(rsa(2048));
  register_login(ecdsa("P-256", Curve::kP256, kP256));
  benchmark::RegisterBenchmark("login KDF", [](State& state) {
    const Bytes secret(6, 1), salt(32, 2);
    for (auto _ : state)
      benchmark::DoNotOptimize(crypto::argon2id(secret, salt, {.memory_kib = 8192, .passes = 1, .lanes = 1}, 64));
  })->UseRealTime();
  benchmark::RegisterBenchmark("login syncs", two_syncs)->UseRealTime();
}

}  // namespace vtpm::bench
