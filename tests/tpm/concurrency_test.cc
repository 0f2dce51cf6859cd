// SPDX-License-Identifier: Apache-2.0
// Threads: many on one token, many tokens, changes beside signatures, and an application with its own libtpms.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <libtpms/tpm_error.h>
#include <libtpms/tpm_library.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <set>
#include <thread>

#include "crypto/hash/digest.h"
#include "crypto/library/random.h"
#include "tests/tpm/memory_state.h"
#include "tpm/command/commands.h"
#include "tpm/host/copies.h"
#include "tpm/use/nv.h"
#include "tpm/use/resident_key.h"

namespace vtpm::tpm {
namespace {

constexpr uint32_t kIndex = 0x01800001;

/// Runs `work(i)` in `count` threads; an exception fails the test.
template <typename F>
void in_threads(int count, F&& work) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([&, i] {
      try {
        work(i);
      } catch (const std::exception& error) {
        ADD_FAILURE() << error.what();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

bool sign_and_verify(ResidentKey& key, const crypto::PublicKey& public_key) {
  if (public_key.type() == crypto::KeyType::kEc) {
    const Bytes digest = crypto::random_bytes(32);
    return public_key.ecdsa_verify(digest, key.ecdsa_sign(digest));
  }
  Bytes block = crypto::random_bytes(public_key.modulus().size());
  block[0] = 0;
  return public_key.rsa_public(key.rsa_private(block)) == block;
}

/// The shared libtpms of an application, with a TPM of its own, used by one thread.
class ApplicationTpm {
 public:
  ApplicationTpm() : library_(dlopen("libtpms.so.0", RTLD_NOW | RTLD_LOCAL)) {
    if (library_ == nullptr) return;
    libtpms_callbacks callbacks = {};
    callbacks.sizeOfStruct = sizeof(callbacks);
    callbacks.tpm_nvram_init = [] { return TPM_RESULT{TPM_SUCCESS}; };
    callbacks.tpm_io_init = [] { return TPM_RESULT{TPM_SUCCESS}; };
    callbacks.tpm_nvram_loaddata = [](unsigned char** data, uint32_t* size, uint32_t, const char* name) {
      if (std::string_view(name) != "permall" || stored_.empty()) return TPM_RESULT{TPM_RETRY};
      *data = static_cast<unsigned char*>(malloc(stored_.size()));
      std::copy(stored_.begin(), stored_.end(), *data);
      *size = static_cast<uint32_t>(stored_.size());
      return TPM_RESULT{TPM_SUCCESS};
    };
    callbacks.tpm_nvram_storedata = [](const unsigned char* data, uint32_t size, uint32_t, const char* name) {
      if (std::string_view(name) == "permall") stored_.assign(data, data + size);
      return TPM_RESULT{TPM_SUCCESS};
    };
    callbacks.tpm_nvram_deletename = [](uint32_t, const char*, TPM_BOOL) { return TPM_RESULT{TPM_SUCCESS}; };
    callbacks.tpm_io_getlocality = [](TPM_MODIFIER_INDICATOR* locality, uint32_t) {
      *locality = 0;
      return TPM_RESULT{TPM_SUCCESS};
    };
    callbacks.tpm_io_getphysicalpresence = [](TPM_BOOL* present, uint32_t) {
      *present = 0;
      return TPM_RESULT{TPM_SUCCESS};
    };
    EXPECT_EQ(symbol<decltype(&TPMLIB_ChooseTPMVersion)>("TPMLIB_ChooseTPMVersion")(TPMLIB_TPM_VERSION_2), TPM_SUCCESS);
    EXPECT_EQ(symbol<decltype(&TPMLIB_RegisterCallbacks)>("TPMLIB_RegisterCallbacks")(&callbacks), TPM_SUCCESS);
    EXPECT_EQ(symbol<decltype(&TPMLIB_MainInit)>("TPMLIB_MainInit")(), TPM_SUCCESS);
    EXPECT_EQ(run({0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x44, 0, 0}).at(9), 0);  // TPM2_Startup(CLEAR)
  }
  ~ApplicationTpm() {
    if (library_ == nullptr) return;
    symbol<decltype(&TPMLIB_Terminate)>("TPMLIB_Terminate")();
    free(response_);
    dlclose(library_);
  }

  bool loaded() const { return library_ != nullptr; }

  /// TPM2_Hash of `data` (SHA-256), which the caller can check.
  Bytes hash(ByteView data) {
    Bytes command = {0x80, 0x01, 0,    0,    0, static_cast<uint8_t>(18 + data.size()),
                     0,    0,    0x01, 0x7D, 0, static_cast<uint8_t>(data.size())};
    append(command, data);
    append(command, Bytes{0x00, 0x0B, 0x40, 0x00, 0x00, 0x07});
    const Bytes answer = run(command);
    return answer.size() < 44 ? Bytes() : Bytes(answer.begin() + 12, answer.begin() + 44);
  }

 private:
  template <typename F>
  F symbol(const char* name) {
    return reinterpret_cast<F>(dlsym(library_, name));
  }
  Bytes run(Bytes command) {
    uint32_t size = 0;
    EXPECT_EQ(symbol<decltype(&TPMLIB_Process)>("TPMLIB_Process")(&response_, &size, &capacity_, command.data(),
                                                                  static_cast<uint32_t>(command.size())),
              TPM_SUCCESS);
    return {response_, response_ + size};
  }

  static Bytes stored_;
  void* library_;
  unsigned char* response_ = nullptr;
  uint32_t capacity_ = 0;
};
Bytes ApplicationTpm::stored_;

TEST(TpmConcurrency, AllInstancesSignInParallelBesideAnApplicationsLibtpms) {
  auto engine = std::make_shared<Engine>(std::make_shared<MemoryState>(), static_cast<unsigned>(copies().size()));
  const int threads = static_cast<int>(copies().size());
  std::vector<KeyBlob> blobs;
  std::vector<std::unique_ptr<ResidentKey>> keys;
  for (int i = 0; i < 3; ++i) {
    blobs.push_back(i < 2 ? create_ec(*engine, crypto::Curve::kP256) : create_rsa(*engine, {.bits = 1024}));
    keys.push_back(std::make_unique<ResidentKey>(engine, blobs.back().clone()));
  }
  ApplicationTpm application;
  ASSERT_TRUE(application.loaded());
  std::atomic<bool> done = false;
  std::atomic<int> bad = 0, hashes = 0;
  std::thread app([&] {
    for (unsigned i = 0; !done || i < 10; ++i) {
      const Bytes data = {static_cast<uint8_t>(i), static_cast<uint8_t>(i >> 8), 'x'};
      if (application.hash(data) != crypto::digest(crypto::Hash::kSha256, data)) ++bad;
      ++hashes;
    }
  });

  // First all threads wait for each other inside `use`, so that each has an instance of its own. Then they sign.
  std::mutex mutex;
  std::condition_variable all_inside;
  std::set<const Commands*> seen;
  in_threads(threads, [&](int i) {
    engine->use([&](Commands& tpm) {
      std::unique_lock lock(mutex);
      seen.insert(&tpm);
      all_inside.notify_all();
      all_inside.wait(lock, [&] { return seen.size() == copies().size(); });
    });
    for (int n = 0; n < 60; ++n) {
      const size_t which = static_cast<size_t>(i + n) % keys.size();
      if (!sign_and_verify(*keys[which], public_key_of(blobs[which]))) ++bad;
    }
  });
  done = true;
  app.join();
  EXPECT_EQ(bad, 0);
  EXPECT_GT(hashes, 0);
  EXPECT_EQ(seen.size(), copies().size());
}

TEST(TpmConcurrency, MoreThreadsThanInstancesSign) {
  auto engine = std::make_shared<Engine>(std::make_shared<MemoryState>(), 2);
  const KeyBlob blob = create_ec(*engine, crypto::Curve::kP256);
  ResidentKey key(engine, blob.clone());
  in_threads(12, [&](int) {
    for (int n = 0; n < 20; ++n) EXPECT_TRUE(sign_and_verify(key, public_key_of(blob)));
  });
}

TEST(TpmConcurrency, MoreTokensThanInstancesSign) {
  const int tokens = static_cast<int>(copies().size()) + 4;
  in_threads(tokens, [&](int) {
    auto engine = std::make_shared<Engine>(std::make_shared<MemoryState>());
    const KeyBlob blob = create_ec(*engine, crypto::Curve::kP256);
    ResidentKey key(engine, blob.clone());
    for (int n = 0; n < 10; ++n) {
      EXPECT_TRUE(sign_and_verify(key, public_key_of(blob)));
      if (n == 5) engine->forget();
    }
  });
}

// Several engines share one committed state, as processes do: no area is lost, and every engine sees all areas.
TEST(TpmConcurrency, ChangesOfSeveralEnginesAddUp) {
  auto state = std::make_shared<MemoryState>();
  constexpr int kEngines = 4, kAreas = 12;
  const KeyBlob blob = create_ec(*std::make_shared<Engine>(state), crypto::Curve::kP256);
  in_threads(kEngines, [&](int i) {
    auto engine = std::make_shared<Engine>(state);
    ResidentKey key(engine, blob.clone());
    for (int n = 0; n < kAreas; ++n) {
      const uint32_t index = kIndex + static_cast<uint32_t>(i * kAreas + n);
      state->change(*engine, [&](Commands& tpm) {
        nv_define(tpm, index, 4, nv_default_attributes());
        nv_write(tpm, nv_public(tpm, index).value(), 0, as_bytes("data"));
      });
      EXPECT_TRUE(sign_and_verify(key, public_key_of(blob)));
      EXPECT_EQ(
          as_text(engine->use_current([&](Commands& tpm) { return nv_read(tpm, nv_public(tpm, index).value()); })),
          "data");
    }
  });
  Engine last(state);
  EXPECT_EQ(last.use_current([](Commands& tpm) { return nv_list(tpm).size(); }), size_t{kEngines} * kAreas);
}

// The threads of one application share one engine.
TEST(TpmConcurrency, ChangesReadsAndSignaturesRunOnOneEngineAtOnce) {
  auto state = std::make_shared<MemoryState>();
  auto engine = std::make_shared<Engine>(state, 3);
  const KeyBlob blob = create_ec(*engine, crypto::Curve::kP256);
  ResidentKey key(engine, blob.clone());
  state->change(*engine, [](Commands& tpm) { nv_define(tpm, kIndex, 4, nv_default_attributes()); });
  in_threads(6, [&](int i) {
    for (int n = 0; n < 15; ++n) {
      if (i == 0) {
        state->change(*engine, [&](Commands& tpm) {
          nv_write(tpm, nv_public(tpm, kIndex).value(), 0, Bytes(4, static_cast<uint8_t>(n)));
        });
      } else if (i == 1) {
        (void)engine->use_current([](Commands& tpm) { return nv_read(tpm, nv_public(tpm, kIndex).value()); });
      } else if (i == 2 && n % 5 == 0) {
        engine->forget();
      } else {
        EXPECT_TRUE(sign_and_verify(key, public_key_of(blob)));
      }
    }
  });
}

}  // namespace
}  // namespace vtpm::tpm
