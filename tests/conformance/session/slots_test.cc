// SPDX-License-Identifier: Apache-2.0
// Slots and tokens (PKCS#11 3.2, 5.5): stable ids, one free slot, correct information.
#include <algorithm>
#include <cstring>
#include <filesystem>
#include <set>

#include "tests/conformance/harness/harness.h"
#include "tests/conformance/harness/process.h"

namespace vtpm::conformance {
namespace {

using Slots = Fresh;

template <size_t N>
std::string text(const unsigned char (&field)[N]) {
  return {reinterpret_cast<const char*>(field), N};
}

/// Fixed-length fields hold text, then blanks: no NUL anywhere, no text after a run of blanks to the end.
void expect_blank_padded(const std::string& field) {
  EXPECT_EQ(field.find('\0'), std::string::npos) << "NUL in \"" << field << "\"";
}

std::vector<CK_SLOT_ID> slots_with_token() {
  CK_ULONG count = 0;
  MUST(p11->C_GetSlotList(CK_TRUE, nullptr, &count));
  std::vector<CK_SLOT_ID> list(count);
  MUST(p11->C_GetSlotList(CK_TRUE, list.data(), &count));
  return list;
}

std::string describe(CK_SLOT_ID slot) {
  CK_TOKEN_INFO info{};
  if (p11->C_GetTokenInfo(slot, &info) == CKR_TOKEN_NOT_PRESENT) return std::to_string(slot) + "/no token\n";
  return std::to_string(slot) + "/" + text(info.label) + "/" + text(info.serialNumber) + "\n";
}

const RegisterAct kListSlots("list-slots", [](const std::vector<std::string>&) {
  Library library;
  for (const CK_SLOT_ID slot : slots()) printf("%s", describe(slot).c_str());
});

// --- C_GetSlotList ---

TEST_F(Slots, AnEmptyStoreShowsOneUninitializedToken) {
  ASSERT_EQ(slots().size(), 1u);
  const CK_SLOT_ID slot = slots()[0];
  CK_SLOT_INFO info;
  EXPECT_RV(CKR_OK, p11->C_GetSlotInfo(slot, &info));
  EXPECT_TRUE(info.flags & CKF_TOKEN_PRESENT);
  EXPECT_FALSE(token_flags(slot) & (CKF_TOKEN_INITIALIZED | CKF_USER_PIN_INITIALIZED));
}

// What goes through all slots with a token must not meet one that is none.
TEST_F(Slots, TheFreeSlotHasATokenInItUntilThereIsAStore) {
  const CK_SLOT_ID first = free_slot();
  EXPECT_EQ(slots_with_token(), std::vector<CK_SLOT_ID>{first});
  MUST(try_init_token(first, kSoPin, "one"));
  EXPECT_EQ(slots_with_token(), std::vector<CK_SLOT_ID>{first});
  const CK_SLOT_ID next = free_slot();
  EXPECT_EQ(slots(), (std::vector<CK_SLOT_ID>{first, next}));
  CK_SLOT_INFO slot_info{};
  CK_TOKEN_INFO token;
  CK_MECHANISM_INFO mechanism;
  CK_SESSION_HANDLE session;
  CK_ULONG count = 0;
  EXPECT_RV(CKR_OK, p11->C_GetSlotInfo(next, &slot_info));
  EXPECT_FALSE(slot_info.flags & CKF_TOKEN_PRESENT);
  EXPECT_RV(CKR_TOKEN_NOT_PRESENT, p11->C_GetTokenInfo(next, &token));
  EXPECT_RV(CKR_TOKEN_NOT_PRESENT, p11->C_GetMechanismList(next, nullptr, &count));
  EXPECT_RV(CKR_TOKEN_NOT_PRESENT, p11->C_GetMechanismInfo(next, CKM_SHA256, &mechanism));
  EXPECT_RV(CKR_TOKEN_NOT_PRESENT, p11->C_OpenSession(next, CKF_SERIAL_SESSION, nullptr, nullptr, &session));
  EXPECT_RV(CKR_OK, p11->C_CloseAllSessions(next));
  EXPECT_RV(CKR_OK, try_init_token(next, kSoPin, "two"));
  EXPECT_EQ(slots_with_token(), (std::vector<CK_SLOT_ID>{first, next}));
}

TEST_F(Slots, AFileThatIsNoTokenTakesTheFreeOneOffTheListToo) {
  make_token("one");
  for (const auto& entry : std::filesystem::directory_iterator(scratch.store()))
    std::filesystem::resize_file(entry.path(), 100);
  EXPECT_EQ(slots_with_token().size(), 1u) << "the file, which answers CKR_TOKEN_NOT_RECOGNIZED";
  EXPECT_EQ(slots().size(), 2u);
}

TEST_F(Slots, ListFollowsTheLengthConvention) {
  make_token("one");
  make_token("two");
  CK_ULONG count = 0;
  EXPECT_RV(CKR_OK, p11->C_GetSlotList(CK_TRUE, nullptr, &count));
  ASSERT_EQ(count, 2u);

  CK_SLOT_ID list[4] = {kAbsurd, kAbsurd, kAbsurd, kAbsurd};
  count = 1;
  EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11->C_GetSlotList(CK_TRUE, list, &count));
  EXPECT_EQ(count, 2u);
  EXPECT_EQ(list[1], kAbsurd) << "written past the buffer";
  count = 0;
  EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11->C_GetSlotList(CK_TRUE, list, &count));
  EXPECT_EQ(count, 2u);
  count = 4;
  EXPECT_RV(CKR_OK, p11->C_GetSlotList(CK_TRUE, list, &count));
  EXPECT_EQ(count, 2u);
  EXPECT_NE(list[0], list[1]);
  EXPECT_EQ(list[2], kAbsurd);
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_GetSlotList(CK_TRUE, nullptr, nullptr));
}

TEST_F(Slots, EveryTokenLeavesAFreeSlotAndKeepsItsOwn) {
  std::set<CK_SLOT_ID> ids;
  for (const char* label : {"one", "two", "three"}) {
    const CK_SLOT_ID free = free_slot();
    MUST(try_init_token(free, kSoPin, label));
    EXPECT_EQ(slot_of(label), free) << "C_InitToken moved the token";
    ids.insert(free);
  }
  EXPECT_EQ(ids.size(), 3u);
  EXPECT_EQ(slots().size(), 4u);
  for (const CK_SLOT_ID slot : slots()) EXPECT_LE(slot, 0x7FFFFFFFu) << "Java and p11-kit keep slot ids in an int";
}

TEST_F(Slots, NumbersAndSerialsSurviveFinalizeAndOtherProcesses) {
  make_token("one");
  make_token("two");
  std::string before;
  for (const CK_SLOT_ID slot : slots()) before += describe(slot);
  library.restart();
  std::string after;
  for (const CK_SLOT_ID slot : slots()) after += describe(slot);
  EXPECT_EQ(after, before);
  const Ran stranger = run_act({"list-slots"});
  EXPECT_EQ(stranger.status, 0);
  EXPECT_EQ(stranger.output, before);
}

const RegisterAct kMakeToken("make-token", [](const std::vector<std::string>& arguments) {
  Library library;
  make_token(arguments.at(0));
});

TEST_F(Slots, ATokenOfAnotherProcessAppearsAtTheNextSizeQuery) {
  ASSERT_EQ(slots().size(), 1u);
  const Ran stranger = run_act({"make-token", "foreign"});
  ASSERT_EQ(stranger.status, 0) << stranger.output;
  EXPECT_EQ(slots().size(), 2u);
  Session session(slot_of("foreign"));
  EXPECT_RV(CKR_OK, session.try_login(CKU_USER, kUserPin));
}

TEST_F(Slots, UnknownNumbersAreRefusedEverywhere) {
  for (const CK_SLOT_ID bad : {CK_SLOT_ID{0x7FFFFFFF}, kAbsurd}) {
    CK_SLOT_INFO slot_info;
    CK_TOKEN_INFO token;
    CK_MECHANISM_INFO mechanism;
    CK_SESSION_HANDLE session;
    CK_ULONG count = 0;
    EXPECT_RV(CKR_SLOT_ID_INVALID, p11->C_GetSlotInfo(bad, &slot_info));
    EXPECT_RV(CKR_SLOT_ID_INVALID, p11->C_GetTokenInfo(bad, &token));
    EXPECT_RV(CKR_SLOT_ID_INVALID, p11->C_GetMechanismList(bad, nullptr, &count));
    EXPECT_RV(CKR_SLOT_ID_INVALID, p11->C_GetMechanismInfo(bad, CKM_SHA256, &mechanism));
    EXPECT_RV(CKR_SLOT_ID_INVALID, try_init_token(bad, kSoPin, "nowhere"));
    EXPECT_RV(CKR_SLOT_ID_INVALID, p11->C_OpenSession(bad, CKF_SERIAL_SESSION, nullptr, nullptr, &session));
    EXPECT_RV(CKR_SLOT_ID_INVALID, p11->C_CloseAllSessions(bad));
  }
}

TEST_F(Slots, ADirectoryThatCanNotBeReadIsASlotWithoutAToken) {
  MUST(p11->C_Finalize(nullptr));
  std::filesystem::create_symlink("store", scratch.store());  // leads to itself
  library.initialize();
  ASSERT_EQ(slots().size(), 1u);
  const CK_SLOT_ID slot = slots()[0];
  CK_SLOT_INFO info{};
  EXPECT_RV(CKR_OK, p11->C_GetSlotInfo(slot, &info));
  EXPECT_FALSE(info.flags & CKF_TOKEN_PRESENT);
  expect_blank_padded(text(info.slotDescription));
  CK_TOKEN_INFO token;
  CK_MECHANISM_INFO mechanism;
  CK_SESSION_HANDLE session;
  CK_ULONG count = 0;
  EXPECT_RV(CKR_TOKEN_NOT_PRESENT, p11->C_GetTokenInfo(slot, &token));
  EXPECT_RV(CKR_TOKEN_NOT_PRESENT, p11->C_GetMechanismList(slot, nullptr, &count));
  EXPECT_RV(CKR_TOKEN_NOT_PRESENT, p11->C_GetMechanismInfo(slot, CKM_SHA256, &mechanism));
  EXPECT_RV(CKR_TOKEN_NOT_PRESENT, try_init_token(slot, kSoPin, "nowhere"));
  EXPECT_RV(CKR_TOKEN_NOT_PRESENT, p11->C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &session));
  EXPECT_RV(CKR_OK, p11->C_CloseAllSessions(slot));
  EXPECT_RV(CKR_OK, p11->C_GetSlotList(CK_TRUE, nullptr, &count));
  EXPECT_EQ(count, 0u);
}

// --- information ---

TEST_F(Slots, SlotInformationIsBlankPadded) {
  make_token();
  for (const CK_SLOT_ID slot : slots()) {
    CK_SLOT_INFO info;
    memset(&info, 0, sizeof info);
    EXPECT_RV(CKR_OK, p11->C_GetSlotInfo(slot, &info));
    expect_blank_padded(text(info.slotDescription));
    expect_blank_padded(text(info.manufacturerID));
    EXPECT_EQ((info.flags & CKF_TOKEN_PRESENT) != 0, slot != free_slot());
  }
}

TEST_F(Slots, TokenInformationDescribesTheToken) {
  const CK_SLOT_ID slot = make_token("label of this token");
  const CK_TOKEN_INFO info = token_info(slot);
  EXPECT_EQ(text(info.label), "label of this token             ");
  EXPECT_EQ(text(info.manufacturerID), "vtpm-pkcs11                     ");
  EXPECT_EQ(text(info.model), "libtpms 2.0     ");
  const std::string serial = text(info.serialNumber);
  EXPECT_EQ(serial.find_first_not_of("0123456789abcdefABCDEF"), std::string::npos) << serial;
  const CK_FLAGS must_be =
      CKF_RNG | CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED | CKF_TOKEN_INITIALIZED | CKF_DUAL_CRYPTO_OPERATIONS;
  EXPECT_EQ(info.flags & must_be, must_be);
  const CK_FLAGS must_not_be = CKF_WRITE_PROTECTED | CKF_PROTECTED_AUTHENTICATION_PATH | CKF_USER_PIN_COUNT_LOW |
                               CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED | CKF_USER_PIN_TO_BE_CHANGED |
                               CKF_SO_PIN_COUNT_LOW | CKF_SO_PIN_FINAL_TRY | CKF_SO_PIN_LOCKED |
                               CKF_SO_PIN_TO_BE_CHANGED;
  EXPECT_EQ(info.flags & must_not_be, 0u);
  EXPECT_EQ(info.ulMinPinLen, 4u);
  EXPECT_EQ(info.ulMaxPinLen, 255u);
}

TEST_F(Slots, TokenInformationOfTheFreeSlotIsBlankPaddedToo) {
  const CK_TOKEN_INFO info = token_info(free_slot());
  for (const std::string& field :
       {text(info.label), text(info.manufacturerID), text(info.model), text(info.serialNumber)})
    expect_blank_padded(field);
}

TEST_F(Slots, TokenInformationCountsSessions) {
  const CK_SLOT_ID slot = make_token();
  EXPECT_EQ(token_info(slot).ulSessionCount, 0u);
  Session one(slot, Session::kReadOnly), two(slot), three(slot);
  EXPECT_EQ(token_info(slot).ulSessionCount, 3u);
  EXPECT_EQ(token_info(slot).ulRwSessionCount, 2u);
  two.close();
  EXPECT_EQ(token_info(slot).ulSessionCount, 2u);
  EXPECT_EQ(token_info(slot).ulRwSessionCount, 1u);
}

TEST_F(Slots, TwoTokensAreSeparate) {
  const CK_SLOT_ID one = make_token("one"), two = make_token("two");
  EXPECT_NE(text(token_info(one).serialNumber), text(token_info(two).serialNumber));
  Session first(one), second(two);
  first.login();
  EXPECT_EQ(second.state(), CKS_RW_PUBLIC_SESSION);
  const auto object = first.create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_LABEL, "mine"}});
  EXPECT_TRUE(second.find({{CKA_LABEL, "mine"}}).empty());
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, p11->C_DestroyObject(second, object));
  EXPECT_RV(CKR_OK, p11->C_CloseAllSessions(two));
  EXPECT_EQ(first.state(), CKS_RW_USER_FUNCTIONS);
}

// --- C_WaitForSlotEvent ---

TEST_F(Slots, WaitingWithoutBlockingFindsNoEvent) {
  CK_SLOT_ID slot = 0;
  EXPECT_RV(CKR_NO_EVENT, p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, nullptr));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, &slot));
  EXPECT_RV(CKR_FUNCTION_NOT_SUPPORTED, p11->C_WaitForSlotEvent(0, &slot, nullptr));
  for (const CK_FLAGS unknown : {CK_FLAGS{2}, CKF_DONT_BLOCK | CK_FLAGS{4}, kAbsurd})
    EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_WaitForSlotEvent(unknown, &slot, nullptr));
}

// --- a machine where nothing is configured ---

TEST_F(Slots, AConfigurationThatIsNamedAndDoesNotExistIsASlotWithoutAToken) {
  MUST(p11->C_Finalize(nullptr));
  setenv("VTPM_PKCS11_CONF", (scratch.path() + "/absent.toml").c_str(), 1);
  library.initialize();
  ASSERT_EQ(slots().size(), 1u);
  CK_SLOT_INFO info{};
  CK_TOKEN_INFO token;
  EXPECT_RV(CKR_OK, p11->C_GetSlotInfo(slots()[0], &info));
  EXPECT_FALSE(info.flags & CKF_TOKEN_PRESENT);
  EXPECT_RV(CKR_TOKEN_NOT_PRESENT, p11->C_GetTokenInfo(slots()[0], &token));
  EXPECT_RV(CKR_TOKEN_NOT_PRESENT, try_init_token(slots()[0], kSoPin, "nowhere"));
  EXPECT_FALSE(std::filesystem::exists(scratch.store()));
}

TEST_F(Slots, ListingCreatesNothing) {
  MUST(p11->C_Finalize(nullptr));
  const std::string home = scratch.path() + "/home";
  std::filesystem::create_directory(home);
  for (const char* variable : {"HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "VTPM_PKCS11_STORE"})
    setenv(variable, (home + "/" + variable).c_str(), 1);
  unsetenv("VTPM_PKCS11_CONF");
  const Ran stranger = run_act({"list-slots"});
  EXPECT_EQ(stranger.status, 0) << stranger.output;
  EXPECT_EQ(std::count(stranger.output.begin(), stranger.output.end(), '\n'), 1) << stranger.output;
  EXPECT_TRUE(std::filesystem::is_empty(home));
  for (const char* variable : {"HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "VTPM_PKCS11_STORE"}) unsetenv(variable);
}

}  // namespace
}  // namespace vtpm::conformance
