// SPDX-License-Identifier: Apache-2.0
// Signatures as an application makes them, C_SignInit and C_Sign, and C_DeriveKey: this module, SoftHSM, and OpenSSL's
// own EVP with a context that is ready. Also the time from C_Login to the first signature.
//
// Nothing here may call crypto::ensure_openssl: OpenSSL is measured with the heap that it has in an application.
#include <benchmark/benchmark.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <mutex>

#include "crypto/kdf/kdf.h"
#include "tests/bench/bench_token.h"
#include "tests/bench/benchmarks.h"
#include "tests/bench/evp_signer.h"

namespace vtpm::bench {
namespace {

using benchmark::State;
using crypto::Curve;

// The modules are loaded at their first use, so that a filtered run makes only the keys that it needs, and never
// unloaded, as in most applications.
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
  /// The operation that a thread repeats, prepared for its session.
  std::function<std::function<void()>(const BenchToken&, CK_SESSION_HANDLE)> make_ready;
  std::function<EvpSigner()> make_signer;
  void (*with_evp)(EvpSigner&);
};

// The threads share the key and have sessions of their own; with OpenSSL, keys and contexts of their own.
void with_threads(benchmark::internal::Benchmark* made) { made->Threads(1)->Threads(2)->UseRealTime(); }

void register_module(const Row& row, const char* side, const BenchToken& (*token)()) {
  auto once = std::make_shared<std::once_flag>();  // the first thread to need the key makes it
  with_threads(benchmark::RegisterBenchmark((row.operation + "/" + side).c_str(), [=](State& state) {
    std::call_once(*once, [&] { row.make_key(token()); });
    const CK_SESSION_HANDLE session = token().open();
    const std::function<void()> operate = row.make_ready(token(), session);
    operate();  // the first one loads the key
    for (auto _ : state) operate();
    token().close(session);
  }));
}

void register_row(const Row& row) {
  register_module(row, "vtpm", vtpm_token);
  register_module(row, "softhsm", softhsm_token);
  // Each thread has a key, which is kept for all repetitions, because making an RSA key takes seconds.
  auto signers = std::make_shared<std::vector<std::unique_ptr<EvpSigner>>>(2);
  with_threads(benchmark::RegisterBenchmark((row.operation + "/openssl").c_str(), [=](State& state) {
    std::unique_ptr<EvpSigner>& signer = (*signers)[static_cast<size_t>(state.thread_index())];
    if (!signer) signer = std::make_unique<EvpSigner>(row.make_signer());
    for (auto _ : state) row.with_evp(*signer);
  }));
}

// C_SignInit and C_Sign with the key that has the operation's name.
auto signing(CK_MECHANISM_TYPE mechanism, std::string label, std::string input) {
  return [=](const BenchToken& token, CK_SESSION_HANDLE session) {
    const CK_OBJECT_HANDLE key = token.private_key(session, label);
    return [=, &token] { token.sign(session, mechanism, key, input); };
  };
}

// The DigestInfo of a SHA-256 digest (RFC 8017, 9.2 note 1), which a TLS server passes to CKM_RSA_PKCS.
const std::string kDigestInfo =
    std::string("\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20", 19) +
    std::string(32, 'Z');
const std::string kDigest(32, 'Z');

ByteView view(const std::string& text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

Row rsa(unsigned bits) {
  const std::string name = "RSA-" + std::to_string(bits);
  return {name, [=](const BenchToken& token) { token.rsa(bits, name); }, signing(CKM_RSA_PKCS, name, kDigestInfo),
          [=] { return EvpSigner::rsa_pkcs1(bits); }, [](EvpSigner& signer) { signer.sign(view(kDigestInfo)); }};
}

Row ecdsa(const std::string& name, Curve curve, const std::string& parameters) {
  return {name, [=](const BenchToken& token) { token.ec(parameters, name); }, signing(CKM_ECDSA, name, kDigest),
          [=] { return EvpSigner::ec(curve); }, [](EvpSigner& signer) { signer.sign(view(kDigest)); }};
}

// C_DeriveKey and C_DestroyObject: the shared secret becomes an object, which OpenSSL's side has no counterpart to.
Row ecdh(const std::string& curve_name, Curve curve, const std::string& parameters) {
  const std::string name = "ECDH " + curve_name;
  return {name, [=](const BenchToken& token) { token.ec(parameters, name); },
          [=](const BenchToken& token, CK_SESSION_HANDLE session) {
            const CK_OBJECT_HANDLE key = token.private_key(session, name);
            return [=, &token, point = token.point(session, name)] { token.derive(session, key, point); };
          },
          [=] { return EvpSigner::ecdh(curve); }, [](EvpSigner& signer) { signer.derive(); }};
}

// Login and first signature. The KDF is measured alone, so that it can be subtracted.
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
      row.make_ready(token, token.session())();
    }
  })->UseRealTime();
}

// A login charges the attempt and resets the counter, each with a sync. This measures the disk's share of the time.
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

void register_benchmarks() {
  register_row(rsa(2048));
  register_row(rsa(3072));
  register_row(ecdsa("P-256", Curve::kP256, kP256));
  register_row(ecdsa("P-384", Curve::kP384, kP384));
  register_row(ecdsa("P-521", Curve::kP521, kP521));
  register_row(ecdh("P-256", Curve::kP256, kP256));
  register_row(ecdh("P-384", Curve::kP384, kP384));
  register_row(ecdh("P-521", Curve::kP521, kP521));

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
