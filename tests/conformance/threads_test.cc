// Many threads on one token, each with its own session (PKCS#11 2.40, 2.4 "applications and threads").
#include <algorithm>
#include <atomic>
#include <functional>
#include <stdexcept>
#include <thread>

#include "tests/conformance/harness.h"
#include "tests/conformance/peer.h"

namespace vtpm::conformance {
namespace {

using Threads = WithUser;
constexpr int kThreads = 8;

/// Runs `work(i)` in eight threads at once; what they throw fails the test.
void in_threads(const std::function<void(int)>& work) {
  std::vector<std::thread> threads;
  std::vector<std::string> sentences(kThreads);
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&, i] {
      try {
        work(i);
      } catch (const std::exception& error) {
        sentences[static_cast<size_t>(i)] = error.what();
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (const std::string& sentence : sentences) EXPECT_EQ(sentence, "");
}

TEST_F(Threads, SignWithOneKey) {
  const KeyPair pair = session.generate_ec(kP256);
  const peer::Key key =
      peer::Key::ec_public("P-256", peer::octet_string_contents(session.get(pair.public_key, CKA_EC_POINT)));
  std::vector<std::vector<Bytes>> signatures(kThreads);
  in_threads([&](int i) {
    Session own(slot);
    for (int round = 0; round < 25; ++round)
      signatures[static_cast<size_t>(i)].push_back(own.sign(CKM_ECDSA, pair.private_key, Bytes(32, uint8_t(i))));
  });
  for (int i = 0; i < kThreads; ++i)
    for (const Bytes& signature : signatures[static_cast<size_t>(i)])
      EXPECT_TRUE(key.verifies({.kind = peer::Scheme::kEcdsa}, Bytes(32, uint8_t(i)), signature));
}

TEST_F(Threads, SignWithKeysOfTheirOwn) {
  const KeyPair rsa = session.generate_rsa(1024);
  in_threads([&](int) {
    Session own(slot);
    const KeyPair ec = own.generate_ec(kP256);
    for (int round = 0; round < 10; ++round) {
      MUST(own.try_verify(CKM_ECDSA_SHA256, ec.public_key, bytes("m"),
                          own.sign(CKM_ECDSA_SHA256, ec.private_key, bytes("m"))));
      MUST(own.try_verify(CKM_SHA256_RSA_PKCS, rsa.public_key, bytes("m"),
                          own.sign(CKM_SHA256_RSA_PKCS, rsa.private_key, bytes("m"))));
    }
  });
}

TEST_F(Threads, CreateFindChangeAndDestroyObjects) {
  in_threads([&](int i) {
    Session own(slot);
    const std::string mine = "thread " + std::to_string(i);
    for (int round = 0; round < 10; ++round) {
      const bool on_token = round % 2 == 0;
      const auto object = own.create(
          {{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, on_token}, {CKA_PRIVATE, round % 3 == 0}, {CKA_LABEL, mine.c_str()}});
      if (own.find({{CKA_LABEL, mine.c_str()}}) != std::vector<CK_OBJECT_HANDLE>{object})
        throw std::runtime_error(mine + " does not find its object");
      MUST(own.try_set(object, {{CKA_VALUE, bytes(mine)}}));
      if (own.text(object, CKA_VALUE) != mine) throw std::runtime_error(mine + " does not read its value");
      own.find({});  // meets what the others are just making and destroying
      MUST(p11->C_DestroyObject(own, object));
    }
  });
  EXPECT_TRUE(session.find({}).empty());
}

TEST_F(Threads, ChangeNvAreas) {
  in_threads([&](int i) {
    Session own(slot);
    const std::string mine = "area " + std::to_string(i);
    const auto area = own.create({{CKA_CLASS, CKO_DATA},
                                  {CKA_TOKEN, true},
                                  {CKA_PRIVATE, true},
                                  {kVtpmNvIndex, 0x01800000 + i},
                                  {CKA_LABEL, mine.c_str()},
                                  {CKA_VALUE, "0"}});
    for (int round = 0; round < 10; ++round) {
      const std::string value = mine + ", round " + std::to_string(round);
      MUST(own.try_set(area, {{CKA_VALUE, value.c_str()}}));
      if (own.text(area, CKA_VALUE) != value) throw std::runtime_error(mine + " has lost a write");
    }
  });
  library.restart();
  Session later(slot_of("conformance"));
  later.login();
  for (int i = 0; i < kThreads; ++i) {
    const std::string mine = "area " + std::to_string(i);
    const auto areas = later.find({{CKA_LABEL, mine.c_str()}});
    ASSERT_EQ(areas.size(), 1u);
    EXPECT_EQ(later.text(areas[0], CKA_VALUE), mine + ", round 9");
  }
}

TEST_F(Threads, OpenAndCloseSessions) {
  std::atomic<int> logged_in = 0;
  in_threads([&](int) {
    for (int round = 0; round < 50; ++round) {
      Session own(slot, round % 2 ? Session::kReadOnly : Session::kReadWrite);
      const CK_STATE state = own.state();
      if (state == CKS_RO_USER_FUNCTIONS || state == CKS_RW_USER_FUNCTIONS) ++logged_in;
      token_info(slot);
      slots();
    }
  });
  EXPECT_EQ(logged_in, kThreads * 50);
  EXPECT_EQ(token_info(slot).ulSessionCount, 1u);
}

TEST_F(Threads, RandomNumbersAreNotShared) {
  std::vector<std::vector<Bytes>> drawn(kThreads);
  in_threads([&](int i) {
    Session own(slot);
    for (int round = 0; round < 50; ++round) {
      Bytes random(16);
      MUST(p11->C_GenerateRandom(own, random.data(), random.size()));
      drawn[static_cast<size_t>(i)].push_back(random);
    }
  });
  std::vector<Bytes> all;
  for (const auto& of_one : drawn) all.insert(all.end(), of_one.begin(), of_one.end());
  std::sort(all.begin(), all.end());
  EXPECT_EQ(std::adjacent_find(all.begin(), all.end()), all.end());
}

TEST_F(Threads, OneOfManyLoginsWins) {
  session.logout();
  std::atomic<int> ok = 0, already = 0;
  in_threads([&](int) {
    Session own(slot);
    const CK_RV rv = own.try_login(CKU_USER, kUserPin);
    if (rv == CKR_OK) ++ok;
    if (rv == CKR_USER_ALREADY_LOGGED_IN) ++already;
  });
  EXPECT_EQ(ok, 1);
  EXPECT_EQ(already, kThreads - 1);
  EXPECT_EQ(session.state(), CKS_RW_USER_FUNCTIONS);
}

TEST_F(Threads, FinalizeWhileOthersCall) {
  // What a library answers to a call that loses this race is one of two things; it never crashes.
  std::atomic<bool> stop = false;
  std::atomic<int> strange = 0;
  std::vector<std::thread> callers;
  const CK_SESSION_HANDLE handle = session;
  for (int i = 0; i < kThreads; ++i)
    callers.emplace_back([&] {
      while (!stop) {
        CK_SESSION_INFO info;
        Bytes random(8);
        for (const CK_RV rv : {p11->C_GetSessionInfo(handle, &info), p11->C_GenerateRandom(handle, random.data(), 8)})
          if (rv != CKR_OK && rv != CKR_CRYPTOKI_NOT_INITIALIZED && rv != CKR_SESSION_HANDLE_INVALID) ++strange;
      }
    });
  for (int round = 0; round < 10; ++round) library.restart();
  stop = true;
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(strange, 0);
}

}  // namespace
}  // namespace vtpm::conformance
