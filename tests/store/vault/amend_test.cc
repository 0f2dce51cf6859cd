// SPDX-License-Identifier: Apache-2.0
// R3's table, row by row: as a pure function over every situation of a slot (free, used, last, all in use), and through
// the vault, where each outcome is a file that opens or does not.
#include <gtest/gtest.h>

#include <map>

#include "store/vault/amend.h"
#include "tests/store/disk/scratch.h"

namespace vtpm::store {
namespace {

using State = DesiredState::State;

DesiredState active(std::string_view secret, std::optional<unsigned> keyslot = {}) {
  DesiredState desired;
  desired.state = State::kActive;
  desired.secret = SecretBytes(as_bytes(secret));
  desired.keyslot = keyslot;
  return desired;
}

DesiredState inactive(std::optional<unsigned> keyslot, std::optional<std::string_view> old_secret) {
  DesiredState desired;
  desired.state = State::kInactive;
  desired.keyslot = keyslot;
  if (old_secret) desired.old_secret = SecretBytes(as_bytes(*old_secret));
  return desired;
}

// A letter for each slot: '.' inactive, 'x' active, 'S' active and holding the secret that is asked for, 'o' the
// officer's, 'O' the officer's and holding it, '!' damaged.
std::vector<KeySlotSituation> slots(std::string_view letters) {
  std::vector<KeySlotSituation> out;
  for (char letter : letters) {
    KeySlotSituation slot;
    slot.number = static_cast<unsigned>(out.size()) + 1;
    slot.active = letter != '.';
    slot.usable = slot.active && letter != '!';
    slot.holds = letter == 'S' || letter == 'O';
    if (letter == 'o' || letter == 'O') slot.role = "so";
    out.push_back(slot);
  }
  return out;
}

// "+3", "-1-2", "" or the error's code.
std::string outcome(const DesiredState& desired, std::string_view letters) {
  static const std::map<ErrorCode, std::string> kCodes = {{ErrorCode::kNoSpace, "none free"},
                                                          {ErrorCode::kExists, "holds another"},
                                                          {ErrorCode::kNotFound, "not held"},
                                                          {ErrorCode::kUnsupported, "none left"},
                                                          {ErrorCode::kInvalidArgument, "no sense"}};
  try {
    const AmendPlan plan = plan_amend(desired, slots(letters));
    std::string text;
    if (plan.activate) text += "+" + std::to_string(*plan.activate);
    for (unsigned number : plan.deactivate) text += "-" + std::to_string(number);
    return text;
  } catch (const Error& error) {
    return kCodes.at(error.code());
  }
}

TEST(KeyslotTable, R3_1_ActiveWithoutNumberTakesAFreeSlot) {
  EXPECT_EQ(outcome(active("s"), "x......."), "+2");
  EXPECT_EQ(outcome(active("s"), "........"), "+1");
  EXPECT_EQ(outcome(active("s"), "xx.x...."), "+3");
  EXPECT_EQ(outcome(active("s"), "S......."), "+2") << "the table asks for one more, held already or not";
  EXPECT_EQ(outcome(active("s"), "xxxxxxx."), "+8") << "the last free one";
  EXPECT_EQ(outcome(active("s"), "xxxxxxxx"), "none free");
  EXPECT_EQ(outcome(active("s"), "!xxxxxxx"), "none free") << "a damaged slot may be repaired: it is not free";
}

TEST(KeyslotTable, R3_2_ActiveWithNumber) {
  EXPECT_EQ(outcome(active("s", 3), "x......."), "+3") << "inactive: set";
  EXPECT_EQ(outcome(active("s", 1), "S......."), "") << "already so";
  EXPECT_EQ(outcome(active("s", 1), "x......."), "holds another");
  EXPECT_EQ(outcome(active("s", 1), "xxxxxxxx"), "holds another");
  EXPECT_EQ(outcome(active("s", 8), "SSSSSSSS"), "");
  EXPECT_EQ(outcome(active("s", 1), "!x......"), "holds another") << "what a damaged slot held is not known";
  EXPECT_EQ(outcome(active("s", 0), "x......."), "no sense");
  EXPECT_EQ(outcome(active("s", 9), "x......."), "no sense");
}

TEST(KeyslotTable, R3_3_InactiveWithOldSecret) {
  EXPECT_EQ(outcome(inactive({}, "s"), "xS......"), "-2");
  EXPECT_EQ(outcome(inactive({}, "s"), "SxSS...."), "-1-3-4") << "every slot that holds it";
  EXPECT_EQ(outcome(inactive({}, "s"), "xxxxxxxS"), "-8");
  EXPECT_EQ(outcome(inactive({}, "s"), "x......."), "not held");
  EXPECT_EQ(outcome(inactive({}, "s"), "........"), "not held");
  EXPECT_EQ(outcome(inactive({}, "s"), "S.S....."), "none left");
}

TEST(KeyslotTable, R3_4_InactiveWithNumber) {
  EXPECT_EQ(outcome(inactive(2, {}), "xx......"), "-2");
  EXPECT_EQ(outcome(inactive(8, {}), "xxxxxxxx"), "-8");
  EXPECT_EQ(outcome(inactive(2, {}), "x......."), "") << "already so";
  EXPECT_EQ(outcome(inactive(2, {}), "........"), "");
  EXPECT_EQ(outcome(inactive(1, {}), "x......."), "none left");
  EXPECT_EQ(outcome(inactive(2, {}), "x!......"), "-2") << "a damaged one can go";
  EXPECT_EQ(outcome(inactive(1, {}), "x!......"), "none left") << "a damaged one opens nothing";
  EXPECT_EQ(outcome(inactive(9, {}), "xx......"), "no sense");
}

TEST(KeyslotTable, R3_5_InactiveWithNumberAndOldSecret) {
  EXPECT_EQ(outcome(inactive(2, "s"), "xS......"), "-2");
  EXPECT_EQ(outcome(inactive(2, "s"), "SS......"), "-2") << "that one only";
  EXPECT_EQ(outcome(inactive(2, "s"), "Sx......"), "not held") << "it holds another";
  EXPECT_EQ(outcome(inactive(2, "s"), "S......."), "not held") << "it is inactive";
  EXPECT_EQ(outcome(inactive(8, "s"), "xxxxxxxS"), "-8");
  EXPECT_EQ(outcome(inactive(1, "s"), "S......."), "none left");
}

TEST(KeyslotTable, R3_6_InactiveWithNeither) {
  EXPECT_EQ(outcome(inactive({}, {}), "x......."), "none left");
  EXPECT_EQ(outcome(inactive({}, {}), "xxxxxxxx"), "none left");
  EXPECT_EQ(outcome(inactive({}, {}), "........"), "") << "none is active already";
}

TEST(KeyslotTable, R3_7_NoneLeftIsAnErrorAndSoIsNoOfficer) {
  EXPECT_EQ(outcome(inactive(1, {}), "ox......"), "none left") << "the user PIN could never be set again";
  EXPECT_EQ(outcome(inactive({}, "s"), "Ox......"), "none left");
  EXPECT_EQ(outcome(inactive({}, "s"), "OS......"), "none left") << "all or nothing";
  EXPECT_EQ(outcome(inactive(1, {}), "oo......"), "-1") << "another officer's slot stays";
  EXPECT_EQ(outcome(inactive(2, {}), "ox......"), "-2");
  EXPECT_EQ(outcome(inactive(1, {}), "xx......"), "-1") << "a store that never had one needs none";
}

ErrorCode code_of(DesiredState desired, Role by, std::string_view letters) {
  desired.by = by;
  return code_thrown_by([&] { plan_amend(desired, slots(letters)); });
}

TEST(KeyslotTable, OnlyAnOfficerMakesOrRemovesOne) {
  DesiredState officer = active("s");
  officer.role = Role::kSo;
  for (const Role by : {Role::kUser, Role::kRecovery, Role::kKeyfile}) {
    DesiredState desired = active("s");
    desired.role = Role::kSo;
    EXPECT_EQ(code_of(std::move(desired), by, "ox......"), ErrorCode::kAuthFailed);
    EXPECT_EQ(code_of(inactive(1, {}), by, "oox....."), ErrorCode::kAuthFailed);
  }
  officer.by = Role::kUser;
  EXPECT_EQ(outcome(officer, "xx......"), "+3") << "there is no officer";
  officer.by = Role::kSo;
  EXPECT_EQ(outcome(officer, "ox......"), "+3");
  DesiredState gone = inactive({}, "s");
  gone.by = Role::kUser;
  EXPECT_EQ(outcome(gone, "oOx....."), "-2") << "the secret of the officer was given";
}

TEST(KeyslotTable, ASlotThatHoldsTheSecretForAnotherRoleIsNotTheDesiredOne) {
  DesiredState desired = active("s", 1);
  desired.role = Role::kUser;
  EXPECT_EQ(outcome(desired, "O......."), "holds another");
  desired.role = Role::kSo;
  EXPECT_EQ(outcome(desired, "O......."), "");
  EXPECT_EQ(outcome(active("s", 1), "O......."), "") << "of any role";
}

TEST(KeyslotTable, ContradictoryStatesAreRejected) {
  DesiredState no_secret;
  EXPECT_EQ(outcome(no_secret, "x......."), "no sense");
  DesiredState both = active("s");
  both.old_secret = SecretBytes(as_bytes("o"));
  EXPECT_EQ(outcome(both, "x......."), "no sense");
  DesiredState timed = inactive(1, {});
  timed.iter_time = 10;
  EXPECT_EQ(outcome(timed, "xx......"), "no sense");
  DesiredState new_for_inactive = inactive(1, {});
  new_for_inactive.secret = SecretBytes(as_bytes("s"));
  EXPECT_EQ(outcome(new_for_inactive, "xx......"), "no sense");
}

// --- the same through the vault ---

class Amend : public testing::Test {
 protected:
  bool opens(std::string_view secret, Role role = Role::kUser) {
    return Vault::open(path)->verify(role, as_bytes(secret)) == UnlockResult::kUnlocked;
  }
  std::string numbers() {
    std::string text;
    for (const KeySlotInfo& slot : Vault::open(path)->slots()) text += " " + std::to_string(slot.number);
    return text;
  }
  CreateOptions never_locks() {
    CreateOptions options = cheap_options();
    options.attempt_limits = {{Role::kUser, 0}};
    return options;
  }

  ScratchDirectory scratch;
  std::string path = scratch.file("store.vtpm");
  std::unique_ptr<Vault> vault = make_store(path, never_locks());
};

TEST_F(Amend, R3_1_TheSystemPicksUntilNoneIsFree) {
  put(*vault, "obj/a", "sealed");
  for (unsigned number = 3; number <= kMaxSlots; ++number) {
    EXPECT_EQ(vault->amend(active("pin " + std::to_string(number))).activate, number);
  }
  EXPECT_EQ(code_thrown_by([&] { vault->amend(active("one too many")); }), ErrorCode::kNoSpace);
  EXPECT_TRUE(opens("pin 32"));
  EXPECT_TRUE(opens(kUserPin));
  EXPECT_FALSE(opens("one too many"));
  auto reader = Vault::open(path);
  ASSERT_EQ(reader->unlock(Role::kUser, as_bytes("pin 17")), UnlockResult::kUnlocked);
  EXPECT_EQ(get(*reader, "obj/a"), "sealed");
  EXPECT_TRUE(outside_tools_read(path));
}

TEST_F(Amend, R3_2_AnActiveSlotIsNeverOverwritten) {
  EXPECT_EQ(vault->amend(active("fresh", 7)).activate, 7u);
  const Bytes before = load(path);
  EXPECT_TRUE(vault->amend(active("fresh", 7)).nothing_to_do());
  EXPECT_EQ(code_thrown_by([&] { vault->amend(active("other", 7)); }), ErrorCode::kExists);
  EXPECT_EQ(load(path), before) << "neither wrote anything";
  EXPECT_EQ(numbers(), " 1 2 7");
}

TEST_F(Amend, R3_3_EverySlotOfASecretGoesAndNoCopyOpensWithIt) {
  vault->amend(active("twice"));
  vault->amend(active("twice", 9));
  EXPECT_EQ(vault->amend(inactive({}, "twice")).deactivate, (std::vector<unsigned>{3, 9}));
  EXPECT_FALSE(opens("twice"));
  EXPECT_TRUE(opens(kUserPin));
  EXPECT_EQ(code_thrown_by([&] { vault->amend(inactive({}, "twice")); }), ErrorCode::kNotFound);
  EXPECT_EQ(numbers(), " 1 2");
}

TEST_F(Amend, R3_4_And_R3_5_ByNumber) {
  vault->amend(active("fresh", 4));
  EXPECT_EQ(code_thrown_by([&] { vault->amend(inactive(4, "wrong")); }), ErrorCode::kNotFound);
  EXPECT_EQ(code_thrown_by([&] { vault->amend(inactive(5, "fresh")); }), ErrorCode::kNotFound);
  EXPECT_TRUE(vault->amend(inactive(5, {})).nothing_to_do());
  EXPECT_EQ(vault->amend(inactive(4, "fresh")).deactivate, std::vector<unsigned>{4});
  EXPECT_EQ(vault->amend(inactive(2, {})).deactivate, std::vector<unsigned>{2});
  EXPECT_FALSE(opens(kUserPin));
}

TEST_F(Amend, R3_6_And_R3_7_SomethingStaysThatOpensTheStore) {
  EXPECT_EQ(code_thrown_by([&] { vault->amend(inactive({}, {})); }), ErrorCode::kUnsupported);
  EXPECT_EQ(code_thrown_by([&] { vault->amend(inactive(1, {})); }), ErrorCode::kUnsupported) << "the officer's";
  vault->amend(inactive(2, {}));
  EXPECT_EQ(code_thrown_by([&] { vault->amend(inactive({}, kSoPin)); }), ErrorCode::kUnsupported);
  EXPECT_TRUE(opens(kSoPin, Role::kSo));
}

TEST_F(Amend, ALockedVaultIsRejected) {
  vault->lock();
  EXPECT_EQ(code_thrown_by([&] { vault->amend(active("fresh")); }), ErrorCode::kLocked);
  EXPECT_EQ(code_thrown_by([&] { vault->amend(inactive(2, {})); }), ErrorCode::kLocked);
}

TEST_F(Amend, IterTimeAndCostAreOfTheNewSlotOnly) {
  DesiredState timed = active("timed");
  timed.iter_time = 60;
  timed.cost = crypto::Pbkdf2Parameters{};
  vault->amend(timed);
  const auto slots = vault->slots();
  EXPECT_EQ(slots[1].kdf, "argon2id, 8192 KiB, 1 passes, 1 lanes");
  EXPECT_EQ(slots[2].kdf.substr(0, 7), "pbkdf2,");
  EXPECT_TRUE(opens("timed"));
  vault->amend(active("like the others"));
  EXPECT_EQ(vault->slots()[3].kdf, slots[1].kdf);
}

}  // namespace
}  // namespace vtpm::store
