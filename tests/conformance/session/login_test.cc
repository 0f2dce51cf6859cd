// SPDX-License-Identifier: Apache-2.0
// Sessions and the login state machine (PKCS#11 3.2, 5.6; usage guide 2.6).
#include "tests/conformance/harness/harness.h"

namespace vtpm::conformance {
namespace {

using Sessions = WithToken;
using Login = WithToken;

// --- C_OpenSession, C_CloseSession ---

TEST_F(Sessions, OpenChecksItsArguments) {
  CK_SESSION_HANDLE session = 0;
  EXPECT_RV(CKR_SESSION_PARALLEL_NOT_SUPPORTED, p11->C_OpenSession(slot, 0, nullptr, nullptr, &session));
  EXPECT_RV(CKR_SESSION_PARALLEL_NOT_SUPPORTED, p11->C_OpenSession(slot, CKF_RW_SESSION, nullptr, nullptr, &session));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, nullptr));
  EXPECT_EQ(token_info(slot).ulSessionCount, 0u);
}

TEST_F(Sessions, HandlesAreDistinctAndNeverZero) {
  Session one(slot), two(slot, Session::kReadOnly);
  EXPECT_NE(CK_SESSION_HANDLE(one), CK_INVALID_HANDLE);
  EXPECT_NE(CK_SESSION_HANDLE(one), CK_SESSION_HANDLE(two));
}

TEST_F(Sessions, InformationSaysSlotStateAndFlags) {
  Session read_only(slot, Session::kReadOnly), read_write(slot);
  CK_SESSION_INFO info;
  EXPECT_RV(CKR_OK, p11->C_GetSessionInfo(read_only, &info));
  EXPECT_EQ(info.slotID, slot);
  EXPECT_EQ(info.state, CKS_RO_PUBLIC_SESSION);
  EXPECT_EQ(info.flags, CKF_SERIAL_SESSION);
  EXPECT_RV(CKR_OK, p11->C_GetSessionInfo(read_write, &info));
  EXPECT_EQ(info.state, CKS_RW_PUBLIC_SESSION);
  EXPECT_EQ(info.flags, CKF_SERIAL_SESSION | CKF_RW_SESSION);
  EXPECT_EQ(info.ulDeviceError, 0u);
}

TEST_F(Sessions, CloseTwiceIsAnInvalidHandle) {
  Session session(slot);
  const CK_SESSION_HANDLE handle = session;
  EXPECT_RV(CKR_OK, p11->C_CloseSession(handle));
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID, p11->C_CloseSession(handle));
}

TEST_F(Sessions, CloseAllClosesAllAndIsFineWithNone) {
  Session one(slot), two(slot);
  const CK_SESSION_HANDLE first = one, second = two;
  EXPECT_RV(CKR_OK, p11->C_CloseAllSessions(slot));
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID, p11->C_CloseSession(first));
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID, p11->C_CloseSession(second));
  EXPECT_RV(CKR_OK, p11->C_CloseAllSessions(slot));
  EXPECT_EQ(token_info(slot).ulSessionCount, 0u);
}

TEST_F(Sessions, HundredsCanBeOpenAtOnce) {
  std::vector<Session> many;
  for (int i = 0; i < 500; ++i) many.emplace_back(slot);
  many.front().login();
  EXPECT_EQ(many.back().state(), CKS_RW_USER_FUNCTIONS);
  EXPECT_EQ(token_info(slot).ulSessionCount, 500u);
}

TEST_F(Sessions, ThereIsALimitForAProcess) {
  std::vector<Session> many;
  CK_SESSION_HANDLE one_more = 0;
  for (int i = 0; i < 4096; ++i) many.emplace_back(slot);  // max_sessions, unless configured otherwise
  EXPECT_RV(CKR_SESSION_COUNT, p11->C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &one_more));
  many.pop_back();
  EXPECT_RV(CKR_OK, p11->C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &one_more));
}

// --- who is logged in ---

TEST_F(Login, TheUserIsLoggedInEverywhere) {
  Session read_only(slot, Session::kReadOnly), read_write(slot);
  read_only.login();
  EXPECT_EQ(read_only.state(), CKS_RO_USER_FUNCTIONS);
  EXPECT_EQ(read_write.state(), CKS_RW_USER_FUNCTIONS);
  Session later(slot);
  EXPECT_EQ(later.state(), CKS_RW_USER_FUNCTIONS);
  read_write.logout();
  EXPECT_EQ(read_only.state(), CKS_RO_PUBLIC_SESSION);
  EXPECT_EQ(read_write.state(), CKS_RW_PUBLIC_SESSION);
}

TEST_F(Login, TheSoHasReadWriteSessionsOnly) {
  Session read_write(slot);
  {
    Session read_only(slot, Session::kReadOnly);
    EXPECT_RV(CKR_SESSION_READ_ONLY_EXISTS, read_write.try_login(CKU_SO, kSoPin));
    EXPECT_RV(CKR_SESSION_READ_ONLY_EXISTS, read_only.try_login(CKU_SO, kSoPin));
  }
  read_write.login(CKU_SO);
  EXPECT_EQ(read_write.state(), CKS_RW_SO_FUNCTIONS);
  CK_SESSION_HANDLE session = 0;
  EXPECT_RV(CKR_SESSION_READ_WRITE_SO_EXISTS, p11->C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &session));
  Session another(slot);
  EXPECT_EQ(another.state(), CKS_RW_SO_FUNCTIONS);
}

TEST_F(Login, TwiceIsAlreadyLoggedInWhateverThePin) {
  Session one(slot), two(slot, Session::kReadOnly);
  one.login();
  EXPECT_RV(CKR_USER_ALREADY_LOGGED_IN, one.try_login(CKU_USER, kUserPin));
  EXPECT_RV(CKR_USER_ALREADY_LOGGED_IN, two.try_login(CKU_USER, kUserPin));
  EXPECT_RV(CKR_USER_ALREADY_LOGGED_IN, two.try_login(CKU_USER, bytes("not-the-pin")));
  EXPECT_FALSE(token_flags(slot) & CKF_USER_PIN_COUNT_LOW);
}

TEST_F(Login, OneKindOfUserAtATime) {
  Session session(slot);
  session.login(CKU_USER);
  EXPECT_RV(CKR_USER_ANOTHER_ALREADY_LOGGED_IN, session.try_login(CKU_SO, kSoPin));
  session.logout();
  session.login(CKU_SO);
  EXPECT_RV(CKR_USER_ANOTHER_ALREADY_LOGGED_IN, session.try_login(CKU_USER, kUserPin));
  EXPECT_RV(CKR_USER_ALREADY_LOGGED_IN, session.try_login(CKU_SO, kSoPin));
}

TEST_F(Login, UnknownUserTypes) {
  Session session(slot);
  EXPECT_RV(CKR_USER_TYPE_INVALID, session.try_login(3, kUserPin));
  EXPECT_RV(CKR_USER_TYPE_INVALID, session.try_login(kAbsurd, kUserPin));
  EXPECT_EQ(session.state(), CKS_RW_PUBLIC_SESSION);
}

TEST_F(Login, ContextSpecificNeedsAnOperation) {
  Session session(slot);
  session.login();
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, session.try_login(CKU_CONTEXT_SPECIFIC, kUserPin));
}

TEST_F(Login, LogoutNeedsALogin) {
  Session session(slot);
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, p11->C_Logout(session));
  session.login();
  EXPECT_RV(CKR_OK, p11->C_Logout(session));
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, p11->C_Logout(session));
}

TEST_F(Login, EndsWithTheLastSession) {
  {
    Session one(slot), two(slot);
    one.login();
    one.close();
    EXPECT_EQ(two.state(), CKS_RW_USER_FUNCTIONS);
  }
  Session later(slot);
  EXPECT_EQ(later.state(), CKS_RW_PUBLIC_SESSION);
  later.login();
  EXPECT_RV(CKR_OK, p11->C_CloseAllSessions(slot));
  Session last(slot);
  EXPECT_EQ(last.state(), CKS_RW_PUBLIC_SESSION);
}

// --- what logout takes away ---

TEST_F(Login, LogoutDestroysPrivateSessionObjectsAndKeepsPublicOnes) {
  Session session(slot);
  session.login();
  const auto is_private = session.create({{CKA_CLASS, CKO_DATA}, {CKA_PRIVATE, true}, {CKA_LABEL, "private"}});
  const auto is_public = session.create({{CKA_CLASS, CKO_DATA}, {CKA_PRIVATE, false}, {CKA_LABEL, "public"}});
  session.logout();
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, session.try_get(is_private, CKA_LABEL));
  EXPECT_EQ(session.text(is_public, CKA_LABEL), "public");
  session.login();
  EXPECT_TRUE(session.find({{CKA_LABEL, "private"}}).empty());
}

TEST_F(Login, LogoutInvalidatesHandlesOfPrivateTokenObjectsForGood) {
  Session session(slot);
  session.login();
  const auto object =
      session.create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_PRIVATE, true}, {CKA_LABEL, "private"}});
  session.logout();
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, session.try_get(object, CKA_LABEL));
  session.login();
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, session.try_get(object, CKA_LABEL));
  EXPECT_EQ(session.find({{CKA_LABEL, "private"}}).size(), 1u);
}

TEST_F(Login, LogoutEndsTheUseOfAPrivateKey) {
  Session session(slot);
  session.login();
  const KeyPair pair = session.generate_ec(kP256);
  Mechanism mechanism = CKM_ECDSA;
  MUST(p11->C_SignInit(session, mechanism.get(), pair.private_key));
  session.logout();
  Bytes digest(32, 7), signature(64);
  CK_ULONG size = signature.size();
  EXPECT_RV(one_of(CKR_OPERATION_NOT_INITIALIZED, CKR_USER_NOT_LOGGED_IN, CKR_KEY_HANDLE_INVALID),
            p11->C_Sign(session, digest.data(), digest.size(), signature.data(), &size));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, p11->C_SignInit(session, mechanism.get(), pair.private_key));
}

// --- CKA_ALWAYS_AUTHENTICATE: the PIN again for every use (4.9) ---

TEST_F(Login, AlwaysAuthenticateAsksAtEveryUse) {
  Session session(slot);
  session.login();
  const KeyPair pair = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}},
                                        {{CKA_SIGN, true}, {CKA_PRIVATE, true}, {CKA_ALWAYS_AUTHENTICATE, true}});
  EXPECT_TRUE(session.flag(pair.private_key, CKA_ALWAYS_AUTHENTICATE));
  Mechanism mechanism = CKM_ECDSA;
  Bytes digest(32, 7), signature(64);
  const auto sign = [&] {
    CK_ULONG size = signature.size();
    return p11->C_Sign(session, digest.data(), digest.size(), signature.data(), &size);
  };
  MUST(p11->C_SignInit(session, mechanism.get(), pair.private_key));
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, sign());
  for (int round = 0; round < 2; ++round) {
    MUST(p11->C_SignInit(session, mechanism.get(), pair.private_key));
    EXPECT_RV(CKR_PIN_INCORRECT, session.try_login(CKU_CONTEXT_SPECIFIC, bytes("not-the-pin")));
    EXPECT_RV(CKR_OK, session.try_login(CKU_CONTEXT_SPECIFIC, kUserPin));
    EXPECT_RV(CKR_OK, sign());
  }
  MUST(p11->C_SignInit(session, mechanism.get(), pair.private_key));
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, sign());
  EXPECT_EQ(session.state(), CKS_RW_USER_FUNCTIONS);
}

// "C_Login returns in this case CKR_PIN_LOCKED and this also logs the user out from the token" (3.2, 4.10).
TEST_F(Login, ALockedPinAtAContextSpecificLoginLogsOut) {
  Session session(slot), other(slot, Session::kReadOnly);
  session.login();
  const KeyPair pair = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}},
                                        {{CKA_SIGN, true}, {CKA_PRIVATE, true}, {CKA_ALWAYS_AUTHENTICATE, true}});
  Mechanism mechanism = CKM_ECDSA;
  MUST(p11->C_SignInit(session, mechanism.get(), pair.private_key));
  constexpr int kAttempts = 10;
  for (int i = 1; i < kAttempts; ++i) {
    EXPECT_RV(CKR_PIN_INCORRECT, session.try_login(CKU_CONTEXT_SPECIFIC, bytes("not-the-pin")));
    EXPECT_EQ(session.state(), CKS_RW_USER_FUNCTIONS);
  }
  EXPECT_RV(CKR_PIN_LOCKED, session.try_login(CKU_CONTEXT_SPECIFIC, bytes("not-the-pin")));
  EXPECT_TRUE(token_flags(slot) & CKF_USER_PIN_LOCKED);
  EXPECT_EQ(session.state(), CKS_RW_PUBLIC_SESSION);
  EXPECT_EQ(other.state(), CKS_RO_PUBLIC_SESSION);
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, session.try_get(pair.private_key, CKA_CLASS)) << "as C_Logout does";
  Bytes digest(32, 7), signature(64);
  CK_ULONG size = signature.size();
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, p11->C_Sign(session, digest.data(), digest.size(), signature.data(), &size));
  EXPECT_RV(CKR_PIN_LOCKED, session.try_login(CKU_USER, kUserPin));
}

TEST_F(Login, APinThatWasLockedElsewhereLogsOutToo) {
  Session session(slot);
  session.login();
  const KeyPair pair = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}},
                                        {{CKA_SIGN, true}, {CKA_PRIVATE, true}, {CKA_ALWAYS_AUTHENTICATE, true}});
  Bytes wrong = bytes("not-the-pin"), next = bytes("another-pin");
  for (int i = 0; i < 10; ++i)
    EXPECT_RV(CKR_PIN_INCORRECT, p11->C_SetPIN(session, wrong.data(), wrong.size(), next.data(), next.size()));
  EXPECT_EQ(session.state(), CKS_RW_USER_FUNCTIONS) << "5.5 says nothing of a logout";
  Mechanism mechanism = CKM_ECDSA;
  MUST(p11->C_SignInit(session, mechanism.get(), pair.private_key));
  EXPECT_RV(CKR_PIN_LOCKED, session.try_login(CKU_CONTEXT_SPECIFIC, kUserPin));
  EXPECT_EQ(session.state(), CKS_RW_PUBLIC_SESSION);
}

// "an authenticated state that lasts until the cryptographic operation has successfully or unsuccessfully been
// completed" (3.2, 4.10).
TEST_F(Login, AFailedOperationEndsTheAuthentication) {
  Session session(slot);
  session.login();
  const KeyPair pair = session.generate(
      CKM_RSA_PKCS_KEY_PAIR_GEN, {{CKA_MODULUS_BITS, 1024}},
      {{CKA_PRIVATE, true}, {CKA_ALWAYS_AUTHENTICATE, true}, {CKA_SIGN_RECOVER, true}, {CKA_DECRYPT, true}});
  struct {
    CK_RV (*init)(CK_SESSION_HANDLE, CK_MECHANISM*, CK_OBJECT_HANDLE);
    CK_RV (*call)(CK_SESSION_HANDLE, CK_BYTE*, CK_ULONG, CK_BYTE*, CK_ULONG*);
    Bytes good, bad;
  } const cases[] = {
      {p11->C_SignInit, p11->C_Sign, Bytes(20, 1), Bytes(200, 1)},
      {p11->C_SignRecoverInit, p11->C_SignRecover, Bytes(20, 1), Bytes(200, 1)},
      {p11->C_DecryptInit, p11->C_Decrypt, session.encrypt(CKM_RSA_PKCS, pair.public_key, Bytes(20, 1)), Bytes(3, 1)}};
  Mechanism mechanism = CKM_RSA_PKCS;
  for (const auto& one : cases) {
    Bytes good = one.good, bad = one.bad, out(128);
    CK_ULONG size = out.size(), little = 1;
    const auto begin = [&] { return one.init(session, mechanism.get(), pair.private_key); };
    MUST(begin());
    session.login(CKU_CONTEXT_SPECIFIC);
    EXPECT_RV(CKR_BUFFER_TOO_SMALL, one.call(session, good.data(), good.size(), out.data(), &little));
    EXPECT_RV(CKR_OK, one.call(session, good.data(), good.size(), out.data(), &size)) << "that one did not end it";
    MUST(begin());
    session.login(CKU_CONTEXT_SPECIFIC);
    EXPECT_RV(one_of(CKR_DATA_LEN_RANGE, CKR_ENCRYPTED_DATA_LEN_RANGE),
              one.call(session, bad.data(), bad.size(), out.data(), &(size = out.size())));
    EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, session.try_login(CKU_CONTEXT_SPECIFIC, kUserPin));
    MUST(begin());
    EXPECT_RV(CKR_USER_NOT_LOGGED_IN, one.call(session, good.data(), good.size(), out.data(), &(size = out.size())));
  }
}

TEST_F(Login, ContextSpecificLoginIsNotForOrdinaryKeys) {
  Session session(slot);
  session.login();
  const KeyPair pair = session.generate_ec(kP256);
  EXPECT_FALSE(session.flag(pair.private_key, CKA_ALWAYS_AUTHENTICATE));
  Mechanism mechanism = CKM_ECDSA;
  MUST(p11->C_SignInit(session, mechanism.get(), pair.private_key));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, session.try_login(CKU_CONTEXT_SPECIFIC, kUserPin));
  Bytes digest(32, 7), signature(64);
  CK_ULONG size = signature.size();
  EXPECT_RV(CKR_OK, p11->C_Sign(session, digest.data(), digest.size(), signature.data(), &size));
}

}  // namespace
}  // namespace vtpm::conformance
