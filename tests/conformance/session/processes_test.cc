// SPDX-License-Identifier: Apache-2.0
// Two applications on one token at the same time, and what fork makes of one.
#include <algorithm>
#include <stdexcept>

#include "tests/conformance/harness/harness.h"
#include "tests/conformance/harness/process.h"

namespace vtpm::conformance {
namespace {

using Processes = WithUser;
using Fork = WithUser;

// --- a stranger, by exec ---

const RegisterAct kCreate("create", [](const std::vector<std::string>& arguments) {
  Library library;
  Session session(slot_of("conformance"));
  session.login();
  session.create({{CKA_CLASS, CKO_DATA},
                  {CKA_TOKEN, true},
                  {CKA_PRIVATE, true},
                  {CKA_LABEL, arguments.at(0).c_str()},
                  {CKA_VALUE, arguments.at(1).c_str()}});
});

const RegisterAct kRead("read", [](const std::vector<std::string>& arguments) {
  Library library;
  Session session(slot_of("conformance"), Session::kReadOnly);
  session.login();
  for (const CK_OBJECT_HANDLE object : session.find({{CKA_LABEL, arguments.at(0).c_str()}}))
    printf("%s\n", session.text(object, CKA_VALUE).c_str());
});

const RegisterAct kDestroy("destroy", [](const std::vector<std::string>& arguments) {
  Library library;
  Session session(slot_of("conformance"));
  session.login();
  for (const CK_OBJECT_HANDLE object : session.find({{CKA_LABEL, arguments.at(0).c_str()}}))
    MUST(p11->C_DestroyObject(session, object));
});

const RegisterAct kRename("rename", [](const std::vector<std::string>& arguments) {
  Library library;
  Session session(slot_of("conformance"));
  session.login();
  for (const CK_OBJECT_HANDLE object : session.find({{CKA_LABEL, arguments.at(0).c_str()}}))
    MUST(session.try_set(object, {{CKA_LABEL, arguments.at(1).c_str()}}));
});

const RegisterAct kSignWith("sign-with", [](const std::vector<std::string>& arguments) {
  Library library;
  Session session(slot_of("conformance"), Session::kReadOnly);
  session.login();
  const auto keys = session.find({{CKA_CLASS, CKO_PRIVATE_KEY}, {CKA_LABEL, arguments.at(0).c_str()}});
  printf("%s", to_hex(session.sign(CKM_ECDSA, keys.at(0), Bytes(32, 7))).c_str());
});

const RegisterAct kMakeKeys("make-keys", [](const std::vector<std::string>& arguments) {
  Library library;
  Session session(slot_of("conformance"));
  session.login();
  for (int i = 0; i < std::stoi(arguments.at(1)); ++i)
    session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}, {CKA_TOKEN, true}},
                     {{CKA_TOKEN, true}, {CKA_LABEL, arguments.at(0).c_str()}});
});

void expect_ran(const std::vector<std::string>& words, const std::string& output = "") {
  const Ran ran = run_act(words);
  EXPECT_EQ(ran.status, 0) << words.front();
  EXPECT_EQ(ran.output, output) << words.front();
}

TEST_F(Processes, SeeEachOthersChangesAtOnce) {
  const auto ours = session.create(
      {{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_PRIVATE, true}, {CKA_LABEL, "ours"}, {CKA_VALUE, "from here"}});
  expect_ran({"read", "ours"}, "from here\n");
  expect_ran({"create", "theirs", "from there"});
  const auto theirs = session.find({{CKA_LABEL, "theirs"}});
  ASSERT_EQ(theirs.size(), 1u);
  EXPECT_EQ(session.text(theirs[0], CKA_VALUE), "from there");
  MUST(session.try_set(ours, {{CKA_VALUE, "changed here"}}));
  expect_ran({"read", "ours"}, "changed here\n");
  expect_ran({"rename", "ours", "renamed"});
  EXPECT_EQ(session.text(ours, CKA_LABEL), "renamed");
  expect_ran({"destroy", "renamed"});
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, session.try_get(ours, CKA_LABEL));
  EXPECT_TRUE(session.find({{CKA_LABEL, "renamed"}}).empty());
  MUST(p11->C_DestroyObject(session, theirs[0]));
  expect_ran({"read", "theirs"}, "");
}

TEST_F(Processes, SignWithEachOthersKeys) {
  const KeyPair pair = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}, {CKA_TOKEN, true}},
                                        {{CKA_TOKEN, true}, {CKA_LABEL, "shared"}});
  const Ran stranger = run_act({"sign-with", "shared"});
  ASSERT_EQ(stranger.status, 0) << stranger.output;
  EXPECT_RV(CKR_OK, session.try_verify(CKM_ECDSA, pair.public_key, Bytes(32, 7), from_hex(stranger.output)));
  expect_ran({"make-keys", "theirs", "1"});
  const auto theirs = session.find({{CKA_CLASS, CKO_PRIVATE_KEY}, {CKA_LABEL, "theirs"}});
  ASSERT_EQ(theirs.size(), 1u);
  EXPECT_EQ(session.sign(CKM_ECDSA, theirs[0], Bytes(32, 7)).size(), 64u);
}

TEST_F(Processes, LoginIsAProcessesOwn) {
  session.logout();
  expect_ran({"create", "theirs", "x"});
  EXPECT_EQ(session.state(), CKS_RW_PUBLIC_SESSION);
  EXPECT_TRUE(session.find({{CKA_LABEL, "theirs"}}).empty());
}

TEST_F(Processes, SessionObjectsAreAProcessesOwn) {
  session.create({{CKA_CLASS, CKO_DATA}, {CKA_LABEL, "mine"}, {CKA_VALUE, "x"}});
  expect_ran({"read", "mine"}, "");
}

TEST_F(Processes, GenerateAtTheSameTimeAndLoseNothing) {
  Stranger one({"make-keys", "one", "10"}), two({"make-keys", "two", "10"}), three({"make-keys", "three", "10"});
  for (int i = 0; i < 10; ++i)
    session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}, {CKA_TOKEN, true}},
                     {{CKA_TOKEN, true}, {CKA_LABEL, "ours"}});
  for (Stranger* stranger : {&one, &two, &three}) {
    EXPECT_EQ(stranger->wait().status, 0);
    EXPECT_EQ(stranger->wait().output, "");
  }
  for (const char* label : {"ours", "one", "two", "three"})
    EXPECT_EQ(session.find({{CKA_CLASS, CKO_PRIVATE_KEY}, {CKA_LABEL, label}}).size(), 10u) << label;
}

// --- fork ---

TEST_F(Fork, AChildMayInitializeAfresh) {
  const KeyPair pair = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}, {CKA_TOKEN, true}},
                                        {{CKA_TOKEN, true}, {CKA_LABEL, "key"}});
  EXPECT_EQ(in_child([&] {
              MUST(p11->C_Initialize(nullptr));
              Session own(slot_of("conformance"));
              if (own.state() != CKS_RW_PUBLIC_SESSION) throw std::runtime_error("the child is logged in");
              own.login();
              const auto keys = own.find({{CKA_CLASS, CKO_PRIVATE_KEY}, {CKA_LABEL, "key"}});
              own.sign(CKM_ECDSA, keys.at(0), Bytes(32, 7));
              own.close();
              MUST(p11->C_Finalize(nullptr));
            }),
            "");
  const Bytes signature = session.sign(CKM_ECDSA, pair.private_key, Bytes(32, 7));
  EXPECT_RV(CKR_OK, session.try_verify(CKM_ECDSA, pair.public_key, Bytes(32, 7), signature));
}

TEST_F(Fork, AChildMayJustGoOn) {
  const KeyPair on_token =
      session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}, {CKA_TOKEN, true}}, {{CKA_TOKEN, true}});
  const KeyPair in_session = session.generate_ec(kP384);
  EXPECT_EQ(in_child([&] {
              if (session.state() != CKS_RW_USER_FUNCTIONS) throw std::runtime_error("the login is gone");
              for (const KeyPair& pair : {on_token, in_session}) {
                const Bytes signature = session.sign(CKM_ECDSA, pair.private_key, Bytes(32, 7));
                MUST(session.try_verify(CKM_ECDSA, pair.public_key, Bytes(32, 7), signature));
              }
              session.create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_LABEL, "of the child"}});
            }),
            "");
  EXPECT_EQ(session.find({{CKA_LABEL, "of the child"}}).size(), 1u);
  EXPECT_EQ(session.sign(CKM_ECDSA, in_session.private_key, Bytes(32, 7)).size(), 96u);
}

TEST_F(Fork, SessionsAndObjectsArePartedAfterwards) {
  const auto object = session.create({{CKA_CLASS, CKO_DATA}, {CKA_LABEL, "before"}});
  EXPECT_EQ(in_child([&] {
              MUST(session.try_set(object, {{CKA_LABEL, "child's"}}));
              MUST(p11->C_Logout(session));
              MUST(p11->C_CloseAllSessions(slot));
            }),
            "");
  EXPECT_EQ(session.state(), CKS_RW_USER_FUNCTIONS);
  EXPECT_EQ(session.text(object, CKA_LABEL), "before");
}

TEST_F(Fork, AnOperationGoesOnInBoth) {
  const KeyPair pair = session.generate_ec(kP256);
  Mechanism mechanism = CKM_ECDSA_SHA256;
  Bytes first = bytes("before "), parents = bytes("parent"), childs = bytes("child");
  MUST(p11->C_SignInit(session, mechanism.get(), pair.private_key));
  MUST(p11->C_SignUpdate(session, first.data(), first.size()));
  const auto finish = [&](Bytes& rest) {
    MUST(p11->C_SignUpdate(session, rest.data(), rest.size()));
    Bytes signature(64);
    CK_ULONG size = signature.size();
    MUST(p11->C_SignFinal(session, signature.data(), &size));
    MUST(session.try_verify(mechanism, pair.public_key, first + rest, signature));
  };
  EXPECT_EQ(in_child([&] { finish(childs); }), "");
  finish(parents);
}

TEST_F(Fork, NoRandomNumberComesTwice) {
  const auto draw = [&] {
    Bytes random(32);
    MUST(p11->C_GenerateRandom(session, random.data(), random.size()));
    return to_hex(random);
  };
  draw();
  std::vector<std::string> drawn;
  for (int i = 0; i < 3; ++i)
    drawn.push_back(in_child([&] { throw std::runtime_error(draw()); }));  // the sentence is the number
  drawn.push_back(draw());
  for (const std::string& number : drawn) EXPECT_EQ(number.size(), 64u) << number;
  std::sort(drawn.begin(), drawn.end());
  EXPECT_EQ(std::adjacent_find(drawn.begin(), drawn.end()), drawn.end());
}

TEST_F(Fork, OfAProcessThatWasNotInitialized) {
  MUST(p11->C_Finalize(nullptr));
  EXPECT_EQ(in_child([&] {
              CK_ULONG count = 0;
              if (p11->C_GetSlotList(CK_FALSE, nullptr, &count) != CKR_CRYPTOKI_NOT_INITIALIZED)
                throw std::runtime_error("initialized by fork");
              MUST(p11->C_Initialize(nullptr));
              MUST(p11->C_GetSlotList(CK_FALSE, nullptr, &count));
            }),
            "");
}

TEST_F(Fork, GrandchildrenToo) {
  const KeyPair pair = session.generate_ec(kP256);
  EXPECT_EQ(in_child([&] {
              session.sign(CKM_ECDSA, pair.private_key, Bytes(32, 1));
              const std::string inner = in_child([&] { session.sign(CKM_ECDSA, pair.private_key, Bytes(32, 2)); });
              if (!inner.empty()) throw std::runtime_error(inner);
            }),
            "");
}

}  // namespace
}  // namespace vtpm::conformance
