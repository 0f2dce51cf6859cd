// SPDX-License-Identifier: Apache-2.0
// Many threads on one token, each with its own session (PKCS#11 usage guide, "Applications and threads").
#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "tests/conformance/harness/harness.h"
#include "tests/conformance/harness/peer.h"

namespace vtpm::conformance {
namespace {

using Threads = WithUser;
constexpr int kThreads = 16;

/// Runs `work(i)` in sixteen threads at once; what they throw fails the test.
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
  const auto before = session.find({});  // what the TPM itself has
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
  EXPECT_EQ(session.find({}), before);
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

/// A bit of everything, on whatever session; returns what it met. Objects that it makes are gone afterwards.
std::vector<CK_RV> mixed_calls(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE hmac, CK_OBJECT_HANDLE aes, int round) {
  std::vector<CK_RV> met;
  const auto note = [&](CK_RV rv) { met.push_back(rv); };
  Mechanism mac = CKM_SHA256_HMAC, ecb = CKM_AES_ECB, sha = CKM_SHA256, generate = CKM_AES_KEY_GEN;
  Bytes data(32, uint8_t(round)), out(64);
  CK_ULONG size = out.size();
  switch (round % 6) {
    case 0:
      note(p11->C_SignInit(session, mac.get(), hmac));
      note(p11->C_Sign(session, data.data(), data.size(), out.data(), &size));
      break;
    case 1:
      note(p11->C_EncryptInit(session, ecb.get(), aes));
      note(p11->C_EncryptUpdate(session, data.data(), 16, out.data(), &size));
      size = out.size();
      note(p11->C_EncryptFinal(session, out.data(), &size));
      break;
    case 2:
      note(p11->C_DigestInit(session, sha.get()));
      note(p11->C_DigestUpdate(session, data.data(), data.size()));
      note(p11->C_DigestFinal(session, out.data(), &size));
      break;
    case 3: {
      CK_OBJECT_HANDLE found[4];
      CK_ULONG count = 0;
      note(p11->C_FindObjectsInit(session, nullptr, 0));
      note(p11->C_FindObjects(session, found, std::size(found), &count));
      note(p11->C_FindObjectsFinal(session));
      break;
    }
    case 4: {
      Template attributes = {{CKA_VALUE_LEN, 16}};
      CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
      note(p11->C_GenerateKey(session, generate.get(), attributes.data(), attributes.size(), &key));
      if (met.back() == CKR_OK) note(p11->C_DestroyObject(session, key));
      break;
    }
    default: {
      CK_SESSION_INFO info;
      CK_TOKEN_INFO token;
      note(p11->C_GetSessionInfo(session, &info));
      note(p11->C_GetTokenInfo(0, &token));
      note(p11->C_GenerateRandom(session, out.data(), out.size()));
      note(p11->C_SeedRandom(session, data.data(), data.size()));
    }
  }
  return met;
}

/// Reports each of `met` that is not among `allowed`, by its name.
void expect_only(const ReturnValues& allowed, const std::vector<CK_RV>& met) {
  for (const CK_RV rv : met) EXPECT_RV(allowed, rv);
}

struct Keys {
  explicit Keys(Session& session)
      : hmac(session.create({{CKA_CLASS, CKO_SECRET_KEY},
                             {CKA_KEY_TYPE, CKK_GENERIC_SECRET},
                             {CKA_SIGN, true},
                             {CKA_VALUE, Bytes(32, 1)}})),
        aes(session.create(
            {{CKA_CLASS, CKO_SECRET_KEY}, {CKA_KEY_TYPE, CKK_AES}, {CKA_ENCRYPT, true}, {CKA_VALUE, Bytes(16, 2)}})) {}
  CK_OBJECT_HANDLE hmac, aes;
};

TEST_F(Threads, MixedCallsInDifferentSessions) {
  const Keys keys(session);
  in_threads([&](int i) {
    Session own(slot);
    for (int round = 0; round < 24; ++round) expect_only({CKR_OK}, mixed_calls(own, keys.hmac, keys.aes, i + round));
  });
}

TEST_F(Threads, MixedCallsInOneSession) {
  const Keys keys(session);
  in_threads([&](int i) {
    for (int round = 0; round < 24; ++round)
      expect_only(one_of(CKR_OK, CKR_OPERATION_ACTIVE, CKR_OPERATION_NOT_INITIALIZED),
                  mixed_calls(session, keys.hmac, keys.aes, i + round));
  });
}

TEST_F(Threads, ASessionIsClosedUnderACall) {
  const Keys keys(session);
  for (int round = 0; round < 20; ++round) {
    Session shared(slot);
    const CK_SESSION_HANDLE handle = shared;
    in_threads([&](int i) {
      if (i == 0) p11->C_CloseSession(handle);
      expect_only(one_of(CKR_OK, CKR_OPERATION_ACTIVE, CKR_OPERATION_NOT_INITIALIZED, CKR_SESSION_HANDLE_INVALID,
                         CKR_SESSION_CLOSED),
                  mixed_calls(handle, keys.hmac, keys.aes, i));
    });
  }
}

// An operation with a private key ends with the login, also when the logout comes while the operation is being started.
TEST_F(Threads, AnOperationThatIsStartedDuringALogoutDoesNotOutliveIt) {
  for (int round = 0; round < 400; ++round) {
    const auto key = session.create({{CKA_CLASS, CKO_SECRET_KEY},
                                     {CKA_KEY_TYPE, CKK_GENERIC_SECRET},
                                     {CKA_PRIVATE, true},
                                     {CKA_SIGN, true},
                                     {CKA_VALUE, Bytes(32, 1)}});
    Session own(slot);
    std::atomic<bool> go = false;
    std::thread starter([&] {
      Mechanism mac = CKM_SHA256_HMAC;
      while (!go) {
      }
      EXPECT_RV(one_of(CKR_OK, CKR_KEY_HANDLE_INVALID, CKR_USER_NOT_LOGGED_IN), p11->C_SignInit(own, mac.get(), key));
    });
    go = true;
    if (round % 4 > 0) std::this_thread::sleep_for(std::chrono::microseconds(5 * (round % 12)));
    MUST(p11->C_Logout(session));
    starter.join();
    Bytes data(8), out(32);
    CK_ULONG size = out.size();
    EXPECT_RV(one_of(CKR_USER_NOT_LOGGED_IN, CKR_OPERATION_NOT_INITIALIZED),
              p11->C_Sign(own, data.data(), data.size(), out.data(), &size));
    session.login();
  }
}

// --- the application's own mutexes ---

struct CountedMutex {
  std::mutex mutex;
  static std::atomic<int> alive, locks, inside;
};
std::atomic<int> CountedMutex::alive = 0, CountedMutex::locks = 0, CountedMutex::inside = 0;

CK_C_INITIALIZE_ARGS counted_mutexes() {
  CK_C_INITIALIZE_ARGS arguments{};
  arguments.CreateMutex = [](void** mutex) -> CK_RV {
    *mutex = new CountedMutex;
    ++CountedMutex::alive;
    return CKR_OK;
  };
  arguments.DestroyMutex = [](void* mutex) -> CK_RV {
    delete static_cast<CountedMutex*>(mutex);
    --CountedMutex::alive;
    return CKR_OK;
  };
  arguments.LockMutex = [](void* mutex) -> CK_RV {
    static_cast<CountedMutex*>(mutex)->mutex.lock();
    ++CountedMutex::locks;
    ++CountedMutex::inside;
    return CKR_OK;
  };
  arguments.UnlockMutex = [](void* mutex) -> CK_RV {
    --CountedMutex::inside;
    static_cast<CountedMutex*>(mutex)->mutex.unlock();
    return CKR_OK;
  };
  return arguments;
}

TEST_F(Threads, TakeTurnsAtTheApplicationsMutex) {
  MUST(p11->C_Finalize(nullptr));
  CK_C_INITIALIZE_ARGS arguments = counted_mutexes();
  MUST(p11->C_Initialize(&arguments));
  Session owner(slot_of("conformance"));
  owner.login();
  const Keys keys(owner);
  CountedMutex::locks = 0;
  std::atomic<int> calls = 0;
  in_threads([&](int i) {
    Session own(slot);
    calls += 2;  // with its end
    for (int round = 0; round < 12; ++round) {
      const std::vector<CK_RV> met = mixed_calls(own, keys.hmac, keys.aes, i + round);
      expect_only({CKR_OK}, met);
      calls += static_cast<int>(met.size());
    }
  });
  EXPECT_EQ(CountedMutex::locks, calls) << "one turn for each call";
  MUST(p11->C_Finalize(nullptr));
  EXPECT_EQ(CountedMutex::inside, 0);
  EXPECT_EQ(CountedMutex::alive, 0);
}

// A private object whose call comes before the logout is there when the user comes back, and was told so; the others
// are not. The same for objects of the session, which go with the login.
TEST_F(Threads, ObjectsAreMadeWhileOthersLogOut) {
  Session other(slot);
  std::atomic<bool> stop = false;
  std::map<CK_RV, CK_ULONG> stored, passing;
  std::thread maker([&] {
    const Template object = {{CKA_CLASS, CKO_DATA}, {CKA_PRIVATE, true}};
    for (int i = 0; i < 20000 && stored[CKR_OK] < 60; ++i) {
      ++stored[session.try_create(object.with({{CKA_TOKEN, true}, {CKA_LABEL, "stored"}}))];
      ++passing[session.try_create(object.with({{CKA_LABEL, "passing"}}))];
    }
    stop = true;
  });
  while (!stop) {
    p11->C_Logout(other);
    EXPECT_EQ(other.find({{CKA_CLASS, CKO_DATA}}).size(), 0u);
    other.login();
    std::this_thread::sleep_for(std::chrono::microseconds(500));
  }
  maker.join();
  EXPECT_GT(stored[CKR_OK], 0u);
  EXPECT_EQ(session.find({{CKA_LABEL, "stored"}}).size(), stored[CKR_OK]);
  for (const auto& met : {stored, passing}) {
    for (const auto& [rv, times] : met) EXPECT_RV(one_of(CKR_OK, CKR_USER_NOT_LOGGED_IN), rv) << times << " times";
  }
  session.logout();
  session.login();
  EXPECT_EQ(session.find({{CKA_LABEL, "passing"}}).size(), 0u);
}

// --- C_Finalize while calls run: it waits for them, and those that come later are told; nothing crashes ---

// The module counts its handles from 1 again after C_Initialize. So a thread may come to share a session with one that
// opened it afterwards, and the key that it destroys may be one of the module before.
void finalize_while_others_call(CK_C_INITIALIZE_ARGS arguments) {
  const auto initialize = [&] {
    MUST(p11->C_Initialize(&arguments));
    slots();
  };
  std::atomic<bool> stop = false;
  std::vector<std::thread> callers;
  for (int i = 0; i < kThreads; ++i)
    callers.emplace_back([&, i] {
      for (int round = i; !stop; ++round) {
        CK_SESSION_HANDLE own = CK_INVALID_HANDLE;
        std::vector<CK_RV> met = {p11->C_OpenSession(0, CKF_SERIAL_SESSION, nullptr, nullptr, &own)};
        for (int call = 0; call < 6 && met[0] == CKR_OK; ++call)
          for (const CK_RV rv : mixed_calls(own, 1, 2, round + call)) met.push_back(rv);
        expect_only(one_of(CKR_OK, CKR_CRYPTOKI_NOT_INITIALIZED, CKR_SESSION_HANDLE_INVALID, CKR_KEY_HANDLE_INVALID,
                           CKR_OBJECT_HANDLE_INVALID, CKR_OPERATION_ACTIVE, CKR_OPERATION_NOT_INITIALIZED,
                           CKR_USER_NOT_LOGGED_IN),
                    met);
        p11->C_CloseSession(own);
      }
    });
  for (int round = 0; round < 10; ++round) {
    MUST(p11->C_Finalize(nullptr));
    initialize();
  }
  stop = true;
  for (std::thread& caller : callers) caller.join();
}

TEST_F(Threads, FinalizeWhileOthersCall) {
  session.close();
  CK_C_INITIALIZE_ARGS arguments{};
  arguments.flags = CKF_OS_LOCKING_OK;
  finalize_while_others_call(arguments);
}

TEST_F(Threads, FinalizeWhileOthersWaitForTheApplicationsMutex) {
  session.close();
  MUST(p11->C_Finalize(nullptr));
  CK_C_INITIALIZE_ARGS arguments = counted_mutexes();
  MUST(p11->C_Initialize(&arguments));
  finalize_while_others_call(arguments);
  MUST(p11->C_Finalize(nullptr));
  EXPECT_EQ(CountedMutex::alive, 0);
}

}  // namespace
}  // namespace vtpm::conformance
