// SPDX-License-Identifier: Apache-2.0
// Every state of a session and what it lets its caller do (PKCS#11 3.2: access to objects by kind of session, and the
// pages of the session and token functions), and what happens to sessions whose token goes away.
#include <algorithm>
#include <filesystem>
#include <optional>

#include "tests/conformance/harness/harness.h"
#include "tests/conformance/harness/process.h"

namespace vtpm::conformance {
namespace {

struct State {
  const char* name;
  Session::Mode mode;
  CK_USER_TYPE user;  // CKU_CONTEXT_SPECIFIC: nobody
  CK_STATE state;
  bool private_objects, token_writes;
};
/// What the test's name shows, else the bytes of the structure.
void PrintTo(const State& state, std::ostream* out) { *out << state.name; }
constexpr CK_USER_TYPE kNobody = CKU_CONTEXT_SPECIFIC;
const State kStates[] = {
    {"RO public", Session::kReadOnly, kNobody, CKS_RO_PUBLIC_SESSION, false, false},
    {"RO user", Session::kReadOnly, CKU_USER, CKS_RO_USER_FUNCTIONS, true, false},
    {"RW public", Session::kReadWrite, kNobody, CKS_RW_PUBLIC_SESSION, false, true},
    {"RW user", Session::kReadWrite, CKU_USER, CKS_RW_USER_FUNCTIONS, true, true},
    {"RW SO", Session::kReadWrite, CKU_SO, CKS_RW_SO_FUNCTIONS, false, true},
};

class States : public WithToken, public testing::WithParamInterface<State> {
 protected:
  States() {
    {
      Session owner(slot);
      owner.login();
      for (const bool is_private : {false, true}) owner.create(data(true, is_private, label(is_private)));
    }
    session.emplace(slot, GetParam().mode);
    if (GetParam().user != kNobody) session->login(GetParam().user);
  }
  static const char* label(bool is_private) { return is_private ? "private" : "public"; }
  static Template data(bool token, bool is_private, const char* name) {
    return {{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, token}, {CKA_PRIVATE, is_private}, {CKA_LABEL, name}};
  }
  /// What writing such an object answers.
  static ReturnValues write_answer(bool token, bool is_private) {
    const State& state = GetParam();
    ReturnValues answers;
    if (token && !state.token_writes) answers.push_back(CKR_SESSION_READ_ONLY);
    if (is_private && !state.private_objects) answers.push_back(CKR_USER_NOT_LOGGED_IN);
    return answers.empty() ? ReturnValues{CKR_OK} : answers;
  }
  std::optional<Session> session;
};

TEST_P(States, AreReportedBySessionInfo) { EXPECT_EQ(session->state(), GetParam().state); }

TEST_P(States, AllowAccessToObjectsAsTheStandardSays) {
  for (const bool is_private : {false, true}) {
    SCOPED_TRACE(label(is_private));
    const bool visible = !is_private || GetParam().private_objects;
    const auto found = session->find({{CKA_LABEL, label(is_private)}});
    ASSERT_EQ(found.size(), visible ? 1u : 0u);
    for (const bool token : {false, true}) {
      SCOPED_TRACE(token ? "token object" : "session object");
      CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
      const ReturnValues answer = write_answer(token, is_private);
      EXPECT_RV(answer, session->try_create(data(token, is_private, "new"), &made));
      if (answer[0] == CKR_OK) {
        EXPECT_RV(CKR_OK, session->try_set(made, {{CKA_LABEL, "renamed"}}));
        EXPECT_RV(CKR_OK, session->try_copy(made, {}));
        EXPECT_RV(CKR_OK, p11->C_DestroyObject(*session, made));
      }
    }
    if (!visible) continue;
    ReturnValues changed = write_answer(true, is_private);
    EXPECT_EQ(session->text(found[0], CKA_LABEL), label(is_private));
    EXPECT_RV(changed, session->try_copy(found[0], {{CKA_TOKEN, true}}));
    // What was written after a login never gives way to somebody who has none (docs/security.md).
    if (GetParam().state == CKS_RW_PUBLIC_SESSION) changed = {CKR_USER_NOT_LOGGED_IN};
    EXPECT_RV(CKR_OK, session->try_copy(found[0], {{CKA_TOKEN, false}}));
    EXPECT_RV(changed, session->try_set(found[0], {{CKA_LABEL, "renamed"}}));
    EXPECT_RV(changed, p11->C_DestroyObject(*session, found[0]));
  }
}

TEST_P(States, KeysAreMadeLikeOtherObjects) {
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  Mechanism aes = CKM_AES_KEY_GEN;
  for (const bool token : {false, true}) {
    for (const bool is_private : {false, true}) {
      SCOPED_TRACE((token ? "token " : "session ") + std::string(label(is_private)));
      // A key of the token is sealed although every user may see it, and only a user who has logged in can seal.
      const bool nobody = token && GetParam().state == CKS_RW_PUBLIC_SESSION;
      const ReturnValues answer = nobody ? ReturnValues{CKR_USER_NOT_LOGGED_IN} : write_answer(token, is_private);
      Template attributes = {{CKA_VALUE_LEN, 16}, {CKA_TOKEN, token}, {CKA_PRIVATE, is_private}};
      EXPECT_RV(answer, p11->C_GenerateKey(*session, aes.get(), attributes.data(), attributes.size(), &key));
      EXPECT_RV(answer, session->try_generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}, {CKA_TOKEN, false}},
                                              {{CKA_TOKEN, token}, {CKA_PRIVATE, is_private}}));
    }
  }
}

TEST_P(States, AllowLoginLogoutAndPinChangesAsTheStandardSays) {
  const State& state = GetParam();
  Bytes user_pin = kUserPin, so_pin = kSoPin, fresh = bytes("another-pin");
  const bool writes = state.mode == Session::kReadWrite;
  const bool so = state.user == CKU_SO, user = state.user == CKU_USER;
  EXPECT_RV(so ? CKR_OK : CKR_USER_NOT_LOGGED_IN, p11->C_InitPIN(*session, user_pin.data(), user_pin.size()));
  Bytes& own = so ? so_pin : user_pin;
  EXPECT_RV(writes ? CKR_OK : CKR_SESSION_READ_ONLY,
            p11->C_SetPIN(*session, own.data(), own.size(), fresh.data(), fresh.size()));
  if (writes) MUST(p11->C_SetPIN(*session, fresh.data(), fresh.size(), own.data(), own.size()));
  EXPECT_RV(CKR_SESSION_EXISTS, try_init_token(slot, kSoPin, "again"));

  if (user || so) {
    EXPECT_RV(user ? CKR_USER_ALREADY_LOGGED_IN : CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
              session->try_login(CKU_USER, kUserPin));
    EXPECT_RV(!writes ? CKR_SESSION_READ_ONLY_EXISTS
              : so    ? CKR_USER_ALREADY_LOGGED_IN
                      : CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
              session->try_login(CKU_SO, kSoPin));
    CK_SESSION_HANDLE another = 0;
    EXPECT_RV(so ? CKR_SESSION_READ_WRITE_SO_EXISTS : CKR_OK,
              p11->C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &another));
    EXPECT_RV(CKR_OK, p11->C_Logout(*session));
  } else {
    EXPECT_RV(CKR_USER_NOT_LOGGED_IN, p11->C_Logout(*session));
    EXPECT_RV(writes ? CKR_OK : CKR_SESSION_READ_ONLY_EXISTS, session->try_login(CKU_SO, kSoPin));
  }
}

INSTANTIATE_TEST_SUITE_P(All, States, testing::ValuesIn(kStates), [](const auto& state) {
  std::string name = state.param.name;
  name.erase(std::remove(name.begin(), name.end(), ' '), name.end());
  return name;
});

// --- C_CloseAllSessions ---

TEST_F(WithUser, CloseAllSessionsIsALogoutAndDestroysSessionObjects) {
  const CK_SLOT_ID other = make_token("other");
  Session elsewhere(other);
  elsewhere.login();
  const auto object = session.create({{CKA_CLASS, CKO_DATA}, {CKA_LABEL, "of the session"}});
  EXPECT_RV(CKR_OK, p11->C_CloseAllSessions(slot));
  Session later(slot);
  EXPECT_EQ(later.state(), CKS_RW_PUBLIC_SESSION);
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, later.try_get(object, CKA_LABEL));
  EXPECT_EQ(elsewhere.state(), CKS_RW_USER_FUNCTIONS) << "another token's sessions are not concerned";
}

// --- stores that come and go ---

class ComingAndGoing : public WithUser {
 protected:
  std::string store(CK_SLOT_ID of) {
    const CK_TOKEN_INFO info = token_info(of);
    return scratch.store() + "/" + std::string(reinterpret_cast<const char*>(info.serialNumber), 16) + ".vtpm";
  }
};

TEST_F(ComingAndGoing, AStoreThatIsRemovedTakesItsSessionsWithIt) {
  const auto key = session.create({{CKA_CLASS, CKO_SECRET_KEY},
                                   {CKA_KEY_TYPE, CKK_GENERIC_SECRET},
                                   {CKA_TOKEN, true},
                                   {CKA_SIGN, true},
                                   {CKA_VALUE, Bytes(32, 7)}});
  std::filesystem::remove(store(slot));
  EXPECT_EQ(slots().size(), 1u) << "only the free slot is left";
  CK_SESSION_INFO info;
  EXPECT_RV(one_of(CKR_DEVICE_REMOVED, CKR_SESSION_HANDLE_INVALID), p11->C_GetSessionInfo(session, &info));
  EXPECT_RV(one_of(CKR_DEVICE_REMOVED, CKR_SESSION_HANDLE_INVALID), session.try_sign(CKM_SHA256_HMAC, key, bytes("m")));
  EXPECT_RV(one_of(CKR_DEVICE_REMOVED, CKR_SESSION_HANDLE_INVALID), p11->C_Logout(session));
  EXPECT_RV(CKR_OK, p11->C_CloseSession(session));
  CK_SESSION_HANDLE again = 0;
  EXPECT_RV(one_of(CKR_SLOT_ID_INVALID, CKR_TOKEN_NOT_RECOGNIZED),
            p11->C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &again));
}

TEST_F(ComingAndGoing, ATokenIsRemovedUnnoticedUntilItIsUsed) {
  std::filesystem::remove(store(slot));  // nobody lists slots in between
  EXPECT_RV(one_of(CKR_DEVICE_REMOVED, CKR_SESSION_HANDLE_INVALID),
            session.try_create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}}));
  CK_TOKEN_INFO info;
  EXPECT_RV(CKR_OK, p11->C_GetTokenInfo(slot, &info));
  EXPECT_FALSE(info.flags & CKF_TOKEN_INITIALIZED) << "the slot is free now";
}

TEST_F(ComingAndGoing, AStoreThatComesBackIsTheTokenItWas) {
  session.create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_LABEL, "kept"}});
  const std::string file = store(slot), away = scratch.path() + "/away.vtpm";
  std::filesystem::rename(file, away);
  EXPECT_EQ(slots().size(), 1u);
  std::filesystem::rename(away, file);
  EXPECT_EQ(slots().size(), 2u);
  EXPECT_EQ(slot_of("conformance"), slot);
  Session later(slot);
  EXPECT_EQ(later.state(), CKS_RW_PUBLIC_SESSION);
  later.login();
  EXPECT_EQ(later.find({{CKA_LABEL, "kept"}}).size(), 1u);
}

TEST_F(ComingAndGoing, AStoreThatIsAddedIsFoundWhileSessionsGoOn) {
  const std::string other = store(make_token("other"));
  std::filesystem::rename(other, scratch.path() + "/away.vtpm");
  EXPECT_EQ(slots().size(), 2u);
  std::filesystem::rename(scratch.path() + "/away.vtpm", other);
  Session added(slot_of("other"));
  added.login();
  EXPECT_EQ(session.state(), CKS_RW_USER_FUNCTIONS);
}

}  // namespace
}  // namespace vtpm::conformance
