// SPDX-License-Identifier: Apache-2.0
// C_InitPIN, C_SetPIN and the retry counter (PKCS#11 3.2, 5.5 and the flags of CK_TOKEN_INFO).
#include "tests/conformance/harness/harness.h"
#include "tests/conformance/harness/process.h"

namespace vtpm::conformance {
namespace {

using Pins = WithToken;

CK_RV init_pin(Session& session, Bytes pin) { return p11->C_InitPIN(session, pin.data(), pin.size()); }
CK_RV set_pin(Session& session, Bytes old_pin, Bytes new_pin) {
  return p11->C_SetPIN(session, old_pin.data(), old_pin.size(), new_pin.data(), new_pin.size());
}
const Bytes kNewPin = bytes("another-pin"), kWrongPin = bytes("not-the-pin");

/// What C_Login says to `pin`, on a session of its own.
CK_RV login_answer(CK_SLOT_ID slot, CK_USER_TYPE user, const Bytes& pin) {
  Session session(slot);
  return session.try_login(user, pin);
}

// --- C_InitPIN ---

TEST_F(Pins, InitPinNeedsTheSo) {
  Session session(slot);
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, init_pin(session, kNewPin));
  session.login(CKU_USER);
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, init_pin(session, kNewPin));
  session.logout();
  EXPECT_RV(CKR_PIN_INCORRECT, session.try_login(CKU_USER, kNewPin));
  EXPECT_RV(CKR_OK, session.try_login(CKU_USER, kUserPin));
}

TEST_F(Pins, InitPinSetsTheUserPin) {
  Session session(slot);
  session.login(CKU_SO);
  EXPECT_RV(CKR_OK, init_pin(session, kNewPin));
  session.logout();
  EXPECT_RV(CKR_PIN_INCORRECT, session.try_login(CKU_USER, kUserPin));
  EXPECT_RV(CKR_OK, session.try_login(CKU_USER, kNewPin));
}

TEST_F(Pins, InitPinKeepsThePrivateObjects) {
  Session session(slot);
  session.login();
  session.create(
      {{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_PRIVATE, true}, {CKA_LABEL, "kept"}, {CKA_VALUE, "v"}});
  session.logout();
  session.login(CKU_SO);
  EXPECT_RV(CKR_OK, init_pin(session, kNewPin));
  session.logout();
  MUST(session.try_login(CKU_USER, kNewPin));
  const auto found = session.find({{CKA_LABEL, "kept"}});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(session.text(found[0], CKA_VALUE), "v");
}

TEST_F(Pins, InitPinChecksTheLength) {
  Session session(slot);
  session.login(CKU_SO);
  EXPECT_RV(CKR_PIN_LEN_RANGE, init_pin(session, Bytes(3, '1')));
  EXPECT_RV(CKR_PIN_LEN_RANGE, init_pin(session, Bytes(256, '1')));
  Bytes pin(4, '1');
  EXPECT_RV(one_of(CKR_PIN_LEN_RANGE, CKR_ARGUMENTS_BAD), p11->C_InitPIN(session, pin.data(), kAbsurd));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_InitPIN(session, nullptr, 8));
  for (const size_t size : {4, 255}) {
    EXPECT_RV(CKR_OK, init_pin(session, Bytes(size, 0xE9)));
    session.logout();
    EXPECT_RV(CKR_OK, session.try_login(CKU_USER, Bytes(size, 0xE9)));
    session.logout();
    session.login(CKU_SO);
  }
}

// --- C_SetPIN ---

TEST_F(Pins, SetPinInAUserSession) {
  Session session(slot);
  session.login();
  EXPECT_RV(CKR_OK, set_pin(session, kUserPin, kNewPin));
  EXPECT_EQ(session.state(), CKS_RW_USER_FUNCTIONS) << "a changed PIN does not log out";
  session.logout();
  EXPECT_RV(CKR_PIN_INCORRECT, session.try_login(CKU_USER, kUserPin));
  EXPECT_RV(CKR_OK, session.try_login(CKU_USER, kNewPin));
}

TEST_F(Pins, SetPinInAPublicSessionChangesTheUserPin) {
  Session session(slot);
  EXPECT_RV(CKR_OK, set_pin(session, kUserPin, kNewPin));
  EXPECT_EQ(session.state(), CKS_RW_PUBLIC_SESSION);
  EXPECT_RV(CKR_PIN_INCORRECT, session.try_login(CKU_USER, kUserPin));
  EXPECT_RV(CKR_OK, session.try_login(CKU_USER, kNewPin));
  session.logout();
  EXPECT_RV(CKR_OK, session.try_login(CKU_SO, kSoPin));
}

TEST_F(Pins, SetPinInAnSoSessionChangesTheSoPin) {
  Session session(slot);
  session.login(CKU_SO);
  EXPECT_RV(CKR_OK, set_pin(session, kSoPin, kNewPin));
  session.logout();
  EXPECT_RV(CKR_PIN_INCORRECT, session.try_login(CKU_SO, kSoPin));
  EXPECT_RV(CKR_OK, session.try_login(CKU_SO, kNewPin));
  session.logout();
  EXPECT_RV(CKR_OK, session.try_login(CKU_USER, kUserPin));
}

TEST_F(Pins, SetPinNeedsAReadWriteSession) {
  Session session(slot, Session::kReadOnly);
  EXPECT_RV(CKR_SESSION_READ_ONLY, set_pin(session, kUserPin, kNewPin));
  session.login();
  EXPECT_RV(CKR_SESSION_READ_ONLY, set_pin(session, kUserPin, kNewPin));
}

TEST_F(Pins, SetPinNeedsTheOldPin) {
  Session session(slot);
  EXPECT_RV(CKR_PIN_INCORRECT, set_pin(session, kWrongPin, kNewPin));
  EXPECT_TRUE(token_flags(slot) & CKF_USER_PIN_COUNT_LOW) << "a wrong old PIN is a failed attempt";
  session.login();
  EXPECT_RV(CKR_PIN_INCORRECT, set_pin(session, kWrongPin, kNewPin));
  session.logout();
  session.login(CKU_SO);
  EXPECT_RV(CKR_PIN_INCORRECT, set_pin(session, kUserPin, kNewPin));
  session.logout();
  EXPECT_RV(CKR_OK, session.try_login(CKU_USER, kUserPin));
}

TEST_F(Pins, SetPinChecksTheLengthOfTheNewPin) {
  Session session(slot);
  session.login();
  EXPECT_RV(CKR_PIN_LEN_RANGE, set_pin(session, kUserPin, Bytes(3, '1')));
  EXPECT_RV(CKR_PIN_LEN_RANGE, set_pin(session, kUserPin, Bytes(256, '1')));
  Bytes old_pin = kUserPin, new_pin = kNewPin;
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_SetPIN(session, nullptr, 4, new_pin.data(), new_pin.size()));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_SetPIN(session, old_pin.data(), old_pin.size(), nullptr, 4));
  session.logout();
  EXPECT_RV(CKR_OK, session.try_login(CKU_USER, kUserPin));
}

TEST_F(Pins, SetPinBeforeThereIsAUserPin) {
  const CK_SLOT_ID bare = free_slot();
  MUST(try_init_token(bare, kSoPin, "bare"));
  Session session(bare);
  EXPECT_RV(CKR_PIN_INCORRECT, set_pin(session, kUserPin, kNewPin)) << "5.1.6 keeps the other value for C_Login";
  EXPECT_RV(CKR_USER_PIN_NOT_INITIALIZED, session.try_login(CKU_USER, kNewPin));
}

TEST_F(Pins, AChangedPinHoldsAfterFinalizeAndForOthers) {
  {
    Session session(slot);
    MUST(set_pin(session, kUserPin, kNewPin));
    MUST(set_pin(session, kNewPin, bytes("third-pin")));
  }
  library.restart();
  slot = slot_of("conformance");
  EXPECT_RV(CKR_PIN_INCORRECT, login_answer(slot, CKU_USER, kUserPin));
  EXPECT_RV(CKR_PIN_INCORRECT, login_answer(slot, CKU_USER, kNewPin));
  EXPECT_RV(CKR_OK, login_answer(slot, CKU_USER, bytes("third-pin")));
}

// --- C_Login with a wrong PIN ---

TEST_F(Pins, LoginToldApart) {
  Session session(slot);
  EXPECT_RV(CKR_PIN_INCORRECT, session.try_login(CKU_USER, kWrongPin));
  EXPECT_RV(CKR_PIN_INCORRECT, session.try_login(CKU_USER, kSoPin));
  EXPECT_RV(CKR_PIN_INCORRECT, session.try_login(CKU_SO, kUserPin));
  Bytes prefix = kUserPin;
  prefix.pop_back();
  EXPECT_RV(CKR_PIN_INCORRECT, session.try_login(CKU_USER, prefix));
  // CKR_PIN_LEN_RANGE is only for functions that set a PIN (5.1.6).
  EXPECT_RV(CKR_PIN_INCORRECT, session.try_login(CKU_USER, Bytes(300, 'x')));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_Login(session, CKU_USER, nullptr, 8));
  EXPECT_EQ(session.state(), CKS_RW_PUBLIC_SESSION);
}

// --- the retry counter: ten attempts unless the token says otherwise ---

constexpr int kAttempts = 10;
constexpr CK_FLAGS kCountFlags = CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED;

TEST_F(Pins, FlagsFollowTheCounterUntilThePinIsLocked) {
  for (int failures = 1; failures < kAttempts; ++failures) {
    SCOPED_TRACE(failures);
    EXPECT_RV(CKR_PIN_INCORRECT, login_answer(slot, CKU_USER, kWrongPin));
    const CK_FLAGS flags = token_flags(slot);
    EXPECT_TRUE(flags & CKF_USER_PIN_COUNT_LOW);
    EXPECT_EQ(bool(flags & CKF_USER_PIN_FINAL_TRY), failures == kAttempts - 1);
    EXPECT_FALSE(flags & CKF_USER_PIN_LOCKED);
  }
  EXPECT_RV(one_of(CKR_PIN_INCORRECT, CKR_PIN_LOCKED), login_answer(slot, CKU_USER, kWrongPin));
  EXPECT_TRUE(token_flags(slot) & CKF_USER_PIN_LOCKED);
  EXPECT_RV(CKR_PIN_LOCKED, login_answer(slot, CKU_USER, kUserPin));
  library.restart();
  slot = slot_of("conformance");
  EXPECT_RV(CKR_PIN_LOCKED, login_answer(slot, CKU_USER, kUserPin));
  Session session(slot);
  EXPECT_RV(CKR_PIN_LOCKED, set_pin(session, kUserPin, kNewPin));

  session.login(CKU_SO);
  EXPECT_RV(CKR_OK, init_pin(session, kNewPin));
  session.logout();
  EXPECT_EQ(token_flags(slot) & kCountFlags, 0u);
  EXPECT_RV(CKR_OK, session.try_login(CKU_USER, kNewPin));
}

TEST_F(Pins, ARightPinResetsTheCounter) {
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < kAttempts - 1; ++i) EXPECT_RV(CKR_PIN_INCORRECT, login_answer(slot, CKU_USER, kWrongPin));
    EXPECT_RV(CKR_OK, login_answer(slot, CKU_USER, kUserPin));
    EXPECT_EQ(token_flags(slot) & kCountFlags, 0u);
  }
}

const RegisterAct kGuess("guess", [](const std::vector<std::string>& arguments) {
  Library library;
  printf("%s", rv_name(login_answer(slot_of("conformance"), CKU_USER, bytes(arguments.at(0)))).c_str());
});

TEST_F(Pins, AttemptsOfOtherProcessesCount) {
  for (int i = 0; i < kAttempts / 2; ++i) {
    EXPECT_EQ(run_act({"guess", "not-the-pin"}).output, "CKR_PIN_INCORRECT");
    EXPECT_RV(one_of(CKR_PIN_INCORRECT, CKR_PIN_LOCKED), login_answer(slot, CKU_USER, kWrongPin));
  }
  EXPECT_TRUE(token_flags(slot) & CKF_USER_PIN_LOCKED);
  EXPECT_EQ(run_act({"guess", "user-pin-1234"}).output, "CKR_PIN_LOCKED");
}

TEST_F(Pins, TheSoIsNotLockedForEver) {
  for (int i = 0; i < 3; ++i) EXPECT_RV(CKR_PIN_INCORRECT, login_answer(slot, CKU_SO, kWrongPin));
  EXPECT_TRUE(token_flags(slot) & CKF_SO_PIN_COUNT_LOW);
  EXPECT_EQ(token_flags(slot) & (kCountFlags | CKF_SO_PIN_LOCKED), 0u);
  EXPECT_RV(CKR_OK, login_answer(slot, CKU_SO, kSoPin));
  EXPECT_FALSE(token_flags(slot) & CKF_SO_PIN_COUNT_LOW);
}

}  // namespace
}  // namespace vtpm::conformance
