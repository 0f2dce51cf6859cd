// SPDX-License-Identifier: Apache-2.0
// The engine: freshness, the protocol of changes between engines (as between processes), forgetting, moving, forking.
#include "tpm/engine/engine.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "crypto/library/random.h"
#include "tests/tpm/errors.h"
#include "tests/tpm/memory_state.h"
#include "tpm/command/commands.h"
#include "tpm/host/copies.h"
#include "tpm/host/instance.h"
#include "tpm/use/nv.h"
#include "tpm/use/resident_key.h"

namespace vtpm::tpm {
namespace {

constexpr uint32_t kIndex = 0x01800001;

class EngineTest : public testing::Test {
 protected:
  static void define(Commands& tpm, uint32_t index = kIndex) { nv_define(tpm, index, 8, nv_default_attributes()); }
  static size_t areas(Engine& engine) {
    return engine.use_current([](BootedTpm& tpm) { return nv_list(tpm).size(); });
  }

  std::shared_ptr<MemoryState> state_ = std::make_shared<MemoryState>();
  std::shared_ptr<Engine> engine_ = std::make_shared<Engine>(state_);
};

TEST_F(EngineTest, UseReturnsTheResultOfItsWork) {
  EXPECT_EQ(engine_->use([](BootedTpm& tpm) { return tpm.get_random(24); }).size(), 24u);
  bool ran = false;
  engine_->use([&](Commands&) { ran = true; });
  EXPECT_TRUE(ran);
}

TEST_F(EngineTest, BootsOnceForManyUses) {
  for (int i = 0; i < 20; ++i) (void)engine_->use([](BootedTpm& tpm) { return tpm.get_random(8); });
  EXPECT_EQ(state_->loads(), 1u);
  state_->change(*engine_, [](BootedTpm& tpm) { define(tpm); });
  EXPECT_EQ(areas(*engine_), 1u);
  EXPECT_EQ(state_->loads(), 1u);  // the instance that made the change holds the newest state
}

TEST_F(EngineTest, ACommittedChangeIsSeenByTheOtherEngine) {
  Engine other(state_);
  EXPECT_EQ(areas(other), 0u);
  state_->change(*engine_, [](BootedTpm& tpm) { define(tpm); });
  EXPECT_EQ(areas(other), 1u);
  state_->change(other, [](BootedTpm& tpm) { define(tpm, kIndex + 1); });
  state_->change(*engine_, [](BootedTpm& tpm) { define(tpm, kIndex + 2); });  // on top of the other's
  EXPECT_EQ(areas(other), 3u);
  EXPECT_EQ(areas(*engine_), 3u);
}

TEST_F(EngineTest, UseDoesNotAskForTheNewestState) {
  Engine other(state_);
  (void)other.use([](BootedTpm& tpm) { return tpm.get_random(8); });
  state_->change(*engine_, [](BootedTpm& tpm) { define(tpm); });
  EXPECT_EQ(other.use([](BootedTpm& tpm) { return nv_list(tpm).size(); }), 0u);
  EXPECT_EQ(areas(other), 1u);
}

TEST_F(EngineTest, ADiscardedChangeHasNoEffect) {
  {
    const std::lock_guard lock(state_->store());
    const SecretBytes permanent = engine_->change([](BootedTpm& tpm) { define(tpm); });
    EXPECT_FALSE(equal(permanent, state_->load().permanent));
    engine_->discard();
  }
  EXPECT_EQ(areas(*engine_), 0u);
  EXPECT_EQ(engine_->use([](BootedTpm& tpm) { return nv_list(tpm).size(); }), 0u);
}

TEST_F(EngineTest, AChangeThatThrowsHasNoEffect) {
  EXPECT_EQ(code_of([&] {
              state_->change(*engine_, [](BootedTpm& tpm) {
                define(tpm);
                define(tpm);
              });
            }),
            ErrorCode::kNvExists);
  EXPECT_EQ(areas(*engine_), 0u);
  state_->change(*engine_, [](BootedTpm& tpm) { define(tpm); });
  EXPECT_EQ(areas(*engine_), 1u);
}

TEST_F(EngineTest, AChangeThatStoresNothingGivesTheStateAsItIs) {
  const std::lock_guard lock(state_->store());
  const SecretBytes permanent = engine_->change([](Commands&) {});
  EXPECT_FALSE(permanent.empty());
  engine_->discard();
  Engine elsewhere(std::make_shared<MemoryState>(permanent.clone()));
  EXPECT_EQ(areas(elsewhere), 0u);
}

TEST_F(EngineTest, TheThreadOfAPendingChangeSeesIt) {
  const std::lock_guard lock(state_->store());
  (void)engine_->change([](BootedTpm& tpm) { define(tpm); });
  EXPECT_EQ(areas(*engine_), 1u);
  EXPECT_EQ(engine_->use([](BootedTpm& tpm) { return nv_list(tpm).size(); }), 1u);
  engine_->committed(state_->commit(engine_->change([](BootedTpm& tpm) { define(tpm, kIndex + 1); })));
  EXPECT_EQ(areas(*engine_), 2u);
}

// After a store outside of `change`, the instance would differ from the committed state.
TEST_F(EngineTest, WhatAUseStoresIsDiscarded) {
  engine_->use([](BootedTpm& tpm) { define(tpm); });
  EXPECT_EQ(engine_->use([](BootedTpm& tpm) { return nv_list(tpm).size(); }), 0u);
}

TEST_F(EngineTest, ADeadInstanceIsStartedAgain) {
  EXPECT_EQ(code_of([&] { engine_->use([](BootedTpm& tpm) { tpm.device().fail("the test says so"); }); }),
            ErrorCode::kTpmFailure);
  EXPECT_EQ(engine_->use([](BootedTpm& tpm) { return tpm.get_random(8); }).size(), 8u);
}

TEST_F(EngineTest, ForgettingWipesMemoryAndKeys) {
  const KeyBlob ec = create_ec(*engine_, crypto::Curve::kP256), rsa = create_rsa(*engine_, {.bits = 1024});
  ResidentKey ec_key(engine_, ec.clone()), rsa_key(engine_, rsa.clone());
  Bytes one(128, 0);
  one.back() = 1;
  (void)ec_key.ecdsa_sign(Bytes(32, 1));
  (void)rsa_key.rsa_private(one);
  Instance* instance = nullptr;
  engine_->use([&](BootedTpm& tpm) {
    instance = dynamic_cast<Instance*>(&tpm.device());
    EXPECT_EQ(tpm.keys().loaded(), 2u);
  });
  EXPECT_EQ(instance->acceleration().cached_keys(), 1u);
  const ByteView memory = instance->memory();
  const auto in_memory = [&](ByteView secret) {
    return std::search(memory.begin(), memory.end(), secret.begin(), secret.end()) != memory.end();
  };
  EXPECT_TRUE(in_memory(ec.auth));
  engine_->forget();
  EXPECT_FALSE(in_memory(ec.auth));
  EXPECT_TRUE(std::all_of(memory.begin(), memory.end(), [](uint8_t byte) { return byte == 0; }));
  EXPECT_EQ(instance->acceleration().cached_keys(), 0u);
  EXPECT_TRUE(public_key_of(ec).ecdsa_verify(Bytes(32, 1), ec_key.ecdsa_sign(Bytes(32, 1))));
}

TEST_F(EngineTest, MoreTokensThanInstancesWorkInTurn) {
  struct Token {
    std::shared_ptr<Engine> engine;
    KeyBlob key;
    std::unique_ptr<ResidentKey> resident;
  };
  std::vector<Token> tokens;
  for (size_t i = 0; i < copies().size() + 3; ++i) {
    Token token;
    token.engine = std::make_shared<Engine>(std::make_shared<MemoryState>());
    token.key = create_ec(*token.engine, crypto::Curve::kP256);
    token.resident = std::make_unique<ResidentKey>(token.engine, token.key.clone());
    tokens.push_back(std::move(token));
  }
  for (int round = 0; round < 3; ++round) {
    for (const Token& token : tokens) {
      const Bytes digest = crypto::random_bytes(32);
      EXPECT_TRUE(public_key_of(token.key).ecdsa_verify(digest, token.resident->ecdsa_sign(digest)));
    }
  }
}

TEST_F(EngineTest, ManufactureDoesNotDisturbOtherEngines) {
  const KeyBlob key = create_ec(*engine_, crypto::Curve::kP256);
  ResidentKey resident(engine_, key.clone());
  (void)resident.ecdsa_sign(Bytes(32, 1));
  for (size_t i = 0; i < 2 * copies().size(); ++i) EXPECT_FALSE(Engine::manufacture().empty());
  EXPECT_TRUE(public_key_of(key).ecdsa_verify(Bytes(32, 1), resident.ecdsa_sign(Bytes(32, 1))));
}

// --- fork ---

/// Returns what `work` returns in the child of a fork.
template <typename F>
Bytes in_child(F&& work) {
  int ends[2];
  if (pipe(ends) != 0) return {};
  const pid_t child = fork();
  if (child == 0) {
    int status = 1;
    try {
      const Bytes answer = work();
      status = write(ends[1], answer.data(), answer.size()) == static_cast<ssize_t>(answer.size()) ? 0 : 2;
    } catch (...) {
    }
    _exit(status);
  }
  close(ends[1]);
  Bytes answer(4096);
  size_t size = 0;
  for (ssize_t more; (more = read(ends[0], answer.data() + size, answer.size() - size)) > 0;)
    size += static_cast<size_t>(more);
  close(ends[0]);
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  answer.resize(size);
  return answer;
}

Bytes random_of(Engine& engine) {
  return engine.use([](BootedTpm& tpm) { return to_bytes(tpm.get_random(32)); });
}

TEST_F(EngineTest, AForkedChildRepeatsNoRandomNumber) {
  for (const bool calls_after_fork : {true, false}) {
    (void)random_of(*engine_);
    const auto child = [&] {
      return in_child([&] {
        if (calls_after_fork) engine_->after_fork();
        Bytes answer = random_of(*engine_);
        append(answer, public_key_of(create_ec(*engine_, crypto::Curve::kP256)).point());
        return answer;
      });
    };
    const Bytes one = child(), two = child();
    Bytes parent = random_of(*engine_);
    append(parent, public_key_of(create_ec(*engine_, crypto::Curve::kP256)).point());
    ASSERT_EQ(one.size(), parent.size());
    EXPECT_NE(one, parent);
    EXPECT_NE(two, parent);
    EXPECT_NE(one, two);
    EXPECT_FALSE(equal(ByteView(one).first(32), ByteView(parent).first(32)));
    EXPECT_FALSE(equal(ByteView(one).first(32), ByteView(two).first(32)));
    EXPECT_FALSE(equal(ByteView(one).subspan(32), ByteView(parent).subspan(32)));
  }
}

TEST_F(EngineTest, KeysKeepWorkingInBothProcessesAfterAFork) {
  const KeyBlob key = create_ec(*engine_, crypto::Curve::kP256);
  ResidentKey resident(engine_, key.clone());
  (void)resident.ecdsa_sign(Bytes(32, 1));
  const Bytes digest = crypto::random_bytes(32);
  const Bytes signature = in_child([&] {
    engine_->after_fork();
    return resident.ecdsa_sign(digest);
  });
  EXPECT_TRUE(public_key_of(key).ecdsa_verify(digest, signature));
  EXPECT_TRUE(public_key_of(key).ecdsa_verify(digest, resident.ecdsa_sign(digest)));
}

}  // namespace
}  // namespace vtpm::tpm
