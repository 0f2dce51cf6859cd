// SPDX-License-Identifier: Apache-2.0
// C_InitToken (PKCS#11 3.2, 5.5).
#include <cstring>

#include "tests/conformance/harness/harness.h"
#include "tests/conformance/harness/process.h"

namespace vtpm::conformance {
namespace {

using InitToken = Fresh;
using InitTokenAgain = WithUser;

std::string serial(CK_SLOT_ID slot) {
  const CK_TOKEN_INFO info = token_info(slot);
  return {reinterpret_cast<const char*>(info.serialNumber), sizeof info.serialNumber};
}

TEST_F(InitToken, MakesATokenWithoutAUserPin) {
  const CK_SLOT_ID slot = free_slot();
  EXPECT_RV(CKR_OK, try_init_token(slot, kSoPin, "new"));
  EXPECT_TRUE(token_flags(slot) & CKF_TOKEN_INITIALIZED);
  EXPECT_FALSE(token_flags(slot) & CKF_USER_PIN_INITIALIZED);
  Session session(slot);
  EXPECT_RV(CKR_USER_PIN_NOT_INITIALIZED, session.try_login(CKU_USER, kUserPin));
  EXPECT_RV(CKR_OK, session.try_login(CKU_SO, kSoPin));
}

// 5.5.7 wants blanks; an application that fills the field up with NULs means the same label.
TEST_F(InitToken, ALabelPaddedWithNulsIsTrimmed) {
  CK_BYTE label[32] = {'n', 'u', 'l', 's'};
  Bytes pin = kSoPin;
  const CK_SLOT_ID slot = free_slot();
  MUST(p11->C_InitToken(slot, pin.data(), pin.size(), label));
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(token_info(slot).label), 32), "nuls" + std::string(28, ' '));
}

TEST_F(InitToken, RefusesNullPointers) {
  CK_BYTE label[32];
  memset(label, ' ', sizeof label);
  Bytes pin = kSoPin;
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_InitToken(free_slot(), nullptr, pin.size(), label));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_InitToken(free_slot(), pin.data(), pin.size(), nullptr));
  EXPECT_EQ(slots().size(), 1u);
}

TEST_F(InitToken, RefusesPinsOutsideTheAdvertisedLengths) {
  for (const size_t size : {3, 256}) EXPECT_RV(CKR_PIN_LEN_RANGE, try_init_token(free_slot(), Bytes(size, '7'), "x"));
  Bytes pin(4, '7');
  CK_BYTE label[32];
  memset(label, ' ', sizeof label);
  EXPECT_RV(one_of(CKR_PIN_LEN_RANGE, CKR_PIN_INCORRECT, CKR_ARGUMENTS_BAD),
            p11->C_InitToken(free_slot(), pin.data(), kAbsurd, label));
  ASSERT_EQ(slots().size(), 1u);
  EXPECT_FALSE(token_flags(slots()[0]) & CKF_TOKEN_INITIALIZED);
}

TEST_F(InitToken, TakesTheShortestAndTheLongestPin) {
  for (const size_t size : {4, 255}) {
    const Bytes pin(size, 0xC3);  // a PIN is bytes
    const CK_SLOT_ID slot = free_slot();
    EXPECT_RV(CKR_OK, try_init_token(slot, pin, "pin" + std::to_string(size)));
    Session session(slot);
    EXPECT_RV(CKR_OK, session.try_login(CKU_SO, pin));
  }
}

TEST_F(InitToken, AnUninitializedTokenHasNoSessions) {
  CK_SESSION_HANDLE session = 0;
  EXPECT_RV(CKR_TOKEN_NOT_RECOGNIZED,
            p11->C_OpenSession(free_slot(), CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session));
}

TEST_F(InitTokenAgain, NeedsTheOldSoPin) {
  session.create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_LABEL, "kept"}});
  session.close();
  EXPECT_RV(CKR_PIN_INCORRECT, try_init_token(slot, bytes("wrong-so-pin"), "stolen"));
  EXPECT_RV(CKR_PIN_INCORRECT, try_init_token(slot, kUserPin, "stolen"));
  for (const size_t size : {3, 256})
    EXPECT_RV(CKR_PIN_INCORRECT, try_init_token(slot, Bytes(size, '7'), "stolen")) << "it is compared, not set";
  EXPECT_EQ(slot_of("conformance"), slot);
  Session after(slot);
  after.login();
  EXPECT_EQ(after.find({{CKA_LABEL, "kept"}}).size(), 1u);
}

TEST_F(InitTokenAgain, IsRefusedWhileSessionsAreOpen) {
  EXPECT_RV(CKR_SESSION_EXISTS, try_init_token(slot, kSoPin, "again"));
  session.close();
  Session read_only(slot, Session::kReadOnly);
  EXPECT_RV(CKR_SESSION_EXISTS, try_init_token(slot, kSoPin, "again"));
  read_only.close();
  EXPECT_RV(CKR_OK, try_init_token(slot, kSoPin, "again"));
}

TEST_F(InitTokenAgain, DestroysEverythingButSlotAndSerial) {
  session.create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_LABEL, "public"}, {CKA_PRIVATE, false}});
  session.create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_LABEL, "private"}, {CKA_PRIVATE, true}});
  session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}, {CKA_TOKEN, true}}, {{CKA_TOKEN, true}});
  session.close();
  const std::string before = serial(slot);
  const size_t slots_before = slots().size();

  EXPECT_RV(CKR_OK, try_init_token(slot, kSoPin, "second life"));
  EXPECT_EQ(slot_of("second life"), slot);
  EXPECT_EQ(serial(slot), before);
  EXPECT_EQ(slots().size(), slots_before);
  EXPECT_FALSE(token_flags(slot) & CKF_USER_PIN_INITIALIZED);

  Session after(slot);
  EXPECT_TRUE(after.find({}).empty());
  EXPECT_RV(CKR_USER_PIN_NOT_INITIALIZED, after.try_login(CKU_USER, kUserPin));
  after.login(CKU_SO);
  Bytes pin = bytes("second-pin");
  EXPECT_RV(CKR_OK, p11->C_InitPIN(after, pin.data(), pin.size()));
  after.logout();
  EXPECT_RV(CKR_PIN_INCORRECT, after.try_login(CKU_USER, kUserPin));
  EXPECT_RV(CKR_OK, after.try_login(CKU_USER, pin));
  EXPECT_TRUE(after.find({}).empty());
}

const RegisterAct kInitAgain("init-again", [](const std::vector<std::string>&) {
  Library library;
  MUST(try_init_token(slot_of("conformance"), kSoPin, "conformance"));
});

TEST_F(InitTokenAgain, FailsWhenAnotherProcessWasFaster) {
  session.close();
  const Ran stranger = run_act({"init-again"});
  ASSERT_EQ(stranger.status, 0) << stranger.output;
  EXPECT_RV(CKR_FUNCTION_FAILED, try_init_token(slot, kSoPin, "mine"));
  EXPECT_EQ(slot_of("conformance"), slot);
  EXPECT_RV(CKR_OK, try_init_token(slot, kSoPin, "mine")) << "the slots were listed again";
}

TEST_F(InitTokenAgain, InAnotherProcessRemovesTheTokenUnderOurSessions) {
  const KeyPair pair = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}, {CKA_TOKEN, true}},
                                        {{CKA_TOKEN, true}, {CKA_SIGN, true}});
  const Ran stranger = run_act({"init-again"});
  ASSERT_EQ(stranger.status, 0) << stranger.output;
  EXPECT_RV(one_of(CKR_DEVICE_REMOVED, CKR_SESSION_HANDLE_INVALID),
            session.try_create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}}));
  EXPECT_RV(one_of(CKR_DEVICE_REMOVED, CKR_SESSION_HANDLE_INVALID, CKR_KEY_HANDLE_INVALID),
            session.try_sign(CKM_ECDSA, pair.private_key, Bytes(32, 1)));
  session.close();
  Session after(slot_of("conformance"));
  EXPECT_TRUE(after.find({}).empty());
}

}  // namespace
}  // namespace vtpm::conformance
