// SPDX-License-Identifier: Apache-2.0
// Memory runs out inside a copy of libtpms, at every allocation in turn: the call throws kNoMemory, no null pointer is
// followed, nothing leaks, and the next boot finds the TPM unchanged.
#include <gtest/gtest.h>
#include <malloc.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <functional>

#include "crypto/library/random.h"
#include "crypto/library/want_of_memory.h"
#include "tests/conformance/harness/fault_injection.h"
#include "tests/tpm/errors.h"
#include "tests/tpm/memory_state.h"
#include "tpm/command/commands.h"
#include "tpm/engine/pool.h"
#include "tpm/host/acceleration.h"
#include "tpm/host/guard.h"
#include "tpm/host/heap.h"
#include "tpm/host/libcrypto_objects.h"
#include "tpm/use/attestation.h"
#include "tpm/use/foreign_state.h"
#include "tpm/use/nv.h"

// The redirected functions, as the copies call them.
extern "C" {
void* vtpm_tpm_malloc(size_t size);
void* vtpm_tpm_realloc(void* memory, size_t size);
char* vtpm_tpm_strdup(const char* text);
int vtpm_tpm_asprintf(char** out, int flag, const char* format, ...);
BIGNUM* vtpm_tpm_BN_new();
BIGNUM* vtpm_tpm_BN_dup(const BIGNUM* number);
void vtpm_tpm_BN_free(BIGNUM* number);
BIGNUM* vtpm_tpm_number(const unsigned char* bytes, int count, BIGNUM* into);
BIGNUM* vtpm_tpm_inverse(BIGNUM* into, const BIGNUM* number, const BIGNUM* modulus, BN_CTX* context);
BN_CTX* vtpm_tpm_BN_CTX_new();
void vtpm_tpm_BN_CTX_start(BN_CTX* context);
BIGNUM* vtpm_tpm_BN_CTX_get(BN_CTX* context);
EC_KEY* vtpm_tpm_EC_KEY_new();
EVP_PKEY* vtpm_tpm_EVP_PKEY_new();
int vtpm_tpm_EVP_PKEY_assign(EVP_PKEY* key, int type, void* low_level);
RSA* vtpm_tpm_EVP_PKEY_get1_RSA(EVP_PKEY* key);
EVP_PKEY_CTX* vtpm_tpm_pkey_context_new(EVP_PKEY* key, ENGINE* engine);
int vtpm_tpm_EVP_PKEY_encrypt_init(EVP_PKEY_CTX* context);
int vtpm_tpm_oaep_label(EVP_PKEY_CTX* context, void* label, int size);
int vtpm_tpm_EVP_PKEY_CTX_set_rsa_padding(EVP_PKEY_CTX* context, int padding);
RSA* vtpm_tpm_RSA_new();
int vtpm_tpm_RSA_set0_key(RSA* key, BIGNUM* n, BIGNUM* e, BIGNUM* d);
}

namespace vtpm::tpm {
namespace {

using conformance::Failing;
using conformance::Fault;

/// While it exists, allocations count as the module's.
struct Counted {
  Counted() { conformance::in_module = true; }
  ~Counted() { conformance::in_module = false; }
};

/// A call as an instance makes it, but without a copy.
class Bare {
 public:
  Bare() {
    call.heap = &heap;
    call.acceleration = &acceleration;
    call.objects = &objects;
  }
  template <typename F>
  bool run(F&& body) {
    crypto::forget_want_of_memory();
    return run_guarded(call, body);
  }
  Heap heap;
  Acceleration acceleration;
  LibcryptoObjects objects;
  Call call;
};

TEST(WantOfMemory, AFailedAllocationOfTheCopyCutsTheCallOff) {
  char* printed = nullptr;
  void* block = nullptr;
  const std::function<void()> calls[] = {
      [&] { vtpm_tpm_malloc(10); },
      [&] { vtpm_tpm_realloc(block, 100); },
      [&] { vtpm_tpm_strdup("text"); },
      [&] { vtpm_tpm_asprintf(&printed, 1, "%s", "text"); },
  };
  for (const auto& each : calls) {
    Bare bare;
    block = bare.heap.allocate(10);
    const Counted counted;
    const Failing failing(Fault::kMemory, 1);
    EXPECT_FALSE(bare.run([&] { each(); }));
    EXPECT_TRUE(bare.call.no_memory);
  }
}

// Each of libcrypto's allocations fails in turn, in a sequence of calls that pass objects on in every way that exists.
TEST(WantOfMemory, AFailedAllocationOfLibcryptoCutsTheCallOffAndLeaksNothing) {
  static const Bytes modulus(128, 0xFF);
  const auto sequence = [] {
    BIGNUM* const number = vtpm_tpm_number(modulus.data(), 128, nullptr);
    BIGNUM* const seven = vtpm_tpm_BN_new();
    BN_set_word(seven, 7);
    BN_CTX* const context = vtpm_tpm_BN_CTX_new();
    vtpm_tpm_BN_CTX_start(context);
    vtpm_tpm_BN_free(vtpm_tpm_inverse(nullptr, seven, number, context));
    vtpm_tpm_inverse(vtpm_tpm_BN_CTX_get(context), seven, number, context);
    vtpm_tpm_EC_KEY_new();
    RSA* const rsa = vtpm_tpm_RSA_new();
    vtpm_tpm_RSA_set0_key(rsa, vtpm_tpm_BN_dup(number), vtpm_tpm_BN_dup(seven), nullptr);
    EVP_PKEY* const key = vtpm_tpm_EVP_PKEY_new();
    vtpm_tpm_EVP_PKEY_assign(key, EVP_PKEY_RSA, rsa);
    vtpm_tpm_EVP_PKEY_get1_RSA(key);
    EVP_PKEY_CTX* const encryption = vtpm_tpm_pkey_context_new(key, nullptr);
    vtpm_tpm_EVP_PKEY_encrypt_init(encryption);
    vtpm_tpm_EVP_PKEY_CTX_set_rsa_padding(encryption, RSA_PKCS1_OAEP_PADDING);
    vtpm_tpm_oaep_label(encryption, vtpm_tpm_strdup("label"), 6);
  };
  for (size_t number = 1;; ++number) {
    SCOPED_TRACE(number);
    Bare bare;
    bool passed = false, met = false;
    {
      const Counted counted;
      const Failing failing(Fault::kMemory, number);
      passed = bare.run(sequence);
      met = failing.met();
    }
    EXPECT_EQ(passed, !met);
    EXPECT_EQ(bare.call.no_memory, met);
    if (!met) {
      EXPECT_GT(number, 40u);
      // Number, seven, context, EC key, EVP key, its RSA once more, encryption context: the RSA and its numbers are
      // the key's.
      EXPECT_EQ(bare.objects.size(), 7u);
    }
    bare.objects.release_all();  // the leak check of the sanitizer finds what this leaves
    EXPECT_EQ(bare.objects.size(), 0u);
    if (!met) break;
  }
}

TEST(WantOfMemory, AnEarlierFailureDoesNotCountForTheCopy) {
  const MemoryState state;
  const Hold hold = Pool::get().acquire(&state, 1, 0);
  hold->commands.power_on_new();
  crypto::remember_want_of_memory();
  EXPECT_EQ(hold->commands.get_random(8).size(), 8u);
  EXPECT_TRUE(crypto::wanted_memory());
  crypto::forget_want_of_memory();
  hold->vacate();
}

// --- whole commands ---

constexpr uint32_t kIndex = 0x01800001;

class WantOfMemoryAtWork : public testing::Test {
 protected:
  /// Runs `work` on an engine that boots for it, with each allocation failing in turn.
  void disturb(const std::function<void()>& work) {
    for (size_t i = 0; i < Pool::get().size(); ++i) {  // each instance caches the curves that it has used
      work();
      engine_->forget();
    }
    const size_t before = mallinfo2().uordblks;
    size_t number = 1;
    for (; once(work, number); ++number) engine_->forget();
    engine_->forget();
    EXPECT_GT(number, 50u);
    // A leak of a round would repeat in many rounds. libcrypto itself leaks some hundred bytes in two of them, where an
    // RSA key is passed to its provider. (A sanitizer has its own heap, and its own check.)
    EXPECT_LT(mallinfo2().uordblks, before + 16 * number) << number << " rounds";
    work();
    const SecretBytes kept = engine_->use_current([](Commands& tpm) { return nv_read(tpm, *nv_public(tpm, kIndex)); });
    EXPECT_EQ(as_text(kept), "kept");
  }
  void change(const std::function<void(BootedTpm&)>& work) { state_->change(*engine_, work); }

  const std::shared_ptr<MemoryState> state_ = std::make_shared<MemoryState>(Engine::manufacture([](Commands& tpm) {
    nv_define(tpm, kIndex, 4, nv_default_attributes());
    nv_write(tpm, *nv_public(tpm, kIndex), 0, as_bytes("kept"));
  }));
  const std::shared_ptr<Engine> engine_ = std::make_shared<Engine>(state_);

 private:
  /// Returns false if there are fewer allocations than that.
  bool once(const std::function<void()>& work, size_t number) {
    SCOPED_TRACE(number);
    crypto::forget_want_of_memory();
    const Counted counted;
    const Failing failing(Fault::kMemory, number);
    try {
      work();
    } catch (const Error& error) {
      // Outside of libtpms an error of libcrypto suffices: the module's guard turns it into CKR_HOST_MEMORY.
      EXPECT_TRUE(error.code() == ErrorCode::kNoMemory || crypto::wanted_memory()) << error.sentence();
      EXPECT_NE(error.code(), ErrorCode::kTpmFailure) << error.sentence();
      EXPECT_TRUE(failing.met());
    } catch (const std::bad_alloc&) {
      EXPECT_TRUE(failing.met());
    }
    return failing.met();
  }
};

TEST_F(WantOfMemoryAtWork, ATpmIsMade) {
  disturb([] { (void)Engine::manufacture(); });
}

TEST_F(WantOfMemoryAtWork, AnAreaIsWritten) {
  disturb([this] {
    change([](Commands& tpm) {
      if (nv_public(tpm, kIndex + 1)) nv_undefine(tpm, kIndex + 1);
      nv_define(tpm, kIndex + 1, 100, nv_default_attributes());
      nv_write(tpm, *nv_public(tpm, kIndex + 1), 0, Bytes(100, 7));
    });
  });
}

TEST_F(WantOfMemoryAtWork, AnEcKeyIsMadeAndSigns) {
  disturb([this] { (void)ResidentKey(engine_, create_ec(*engine_, crypto::Curve::kP256)).ecdsa_sign(Bytes(32, 1)); });
}

TEST_F(WantOfMemoryAtWork, AnRsaKeySigns) {
  const KeyBlob key = create_rsa(*engine_, {1024});
  disturb([&] { (void)ResidentKey(engine_, key.clone()).rsa_private(Bytes(128, 1)); });
}

TEST_F(WantOfMemoryAtWork, AKeyAndPcrsAreAttested) {
  const KeyBlob key = create_ec(*engine_, crypto::Curve::kP256);
  disturb([&] {
    (void)attest_key(*engine_, key, Bytes(16, 1));
    (void)quote_pcrs(*engine_, {{"sha256", {0, 7}}}, Bytes(16, 1));
  });
}

TEST_F(WantOfMemoryAtWork, AForeignStateIsAdopted) {
  const SecretBytes foreign = state_->load().permanent;
  disturb([&] { (void)adopt_foreign_state(foreign, [](const char*) { return SecretBytes(); }, {}); });
}

}  // namespace
}  // namespace vtpm::tpm
