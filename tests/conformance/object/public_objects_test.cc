// SPDX-License-Identifier: Apache-2.0
// Public objects on the token: they are found without being read, read without being trusted, and authenticated when
// they are used after a login (docs/security.md, "Before login"). Each test runs with records of today and with records
// of older versions, which have no index.
#include <filesystem>
#include <fstream>

#include "tests/conformance/harness/peer.h"
#include "tests/conformance/harness/process.h"
#include "tests/conformance/harness/surgeon.h"

namespace vtpm::conformance {
namespace {

constexpr CK_ATTRIBUTE_TYPE kBound = 0xD6540003;  // CKA_VTPM_BOUND
constexpr int kObjects = 6;

enum class Records { kIndexed, kOfOlderVersions };

std::string label_of(int number) { return "data " + std::to_string(number); }
Template match(const std::string& label) { return {{CKA_LABEL, bytes(label)}}; }

const RegisterAct kCreatePublic("create-public", [](const std::vector<std::string>& arguments) {
  Library library;
  Session session(slot_of("conformance"));
  session.login();
  session.create({{CKA_CLASS, CKO_DATA},
                  {CKA_TOKEN, true},
                  {CKA_LABEL, arguments.at(0).c_str()},
                  {CKA_VALUE, arguments.at(1).c_str()}});
});

class OnAToken : public WithUser {
 protected:
  explicit OnAToken(Records records) : is_indexed(records == Records::kIndexed) {
    // From now on the module logs which records it leaves out.
    std::ofstream(scratch.path() + "/vtpm-pkcs11.toml")
        << "store_dir = \"" << scratch.store() << "\"\nlog = \"" << log_file() << "\"\nlog_level = \"warning\"\n"
        << "[kdf]\nmemory_kib = 8192\npasses = 1\n";
    for (int i = 0; i < kObjects; ++i) create(label_of(i), "value " + std::to_string(i));
  }
  CK_OBJECT_HANDLE create(const std::string& label, const std::string& value) {
    return session.create(
        {{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_LABEL, bytes(label)}, {CKA_VALUE, bytes(value)}});
  }
  std::string operate(const std::string& work) const { return conformance::operate(scratch, work); }
  /// Starts the library again: no user is logged in, and no record has been read.
  void restart() {
    session.close();
    library.restart();
    session.~Session();
    new (&session) Session(slot_of("conformance"));
  }
  void start_afresh() {
    session.close();
    if (!is_indexed) operate("strip-public");
    restart();
  }
  CK_OBJECT_HANDLE find(const std::string& label) {
    const auto found = session.find(match(label));
    EXPECT_LE(found.size(), 1u) << label;
    return found.empty() ? CK_INVALID_HANDLE : found[0];
  }
  /// "" when there is no such object.
  std::string value_of(const std::string& label) {
    const CK_OBJECT_HANDLE object = find(label);
    return object == CK_INVALID_HANDLE ? "" : session.text(object, CKA_VALUE);
  }
  std::string log_file() const { return scratch.path() + "/log"; }
  bool anything_left_out() const { return text_of(log_file()).find("was left out") != std::string::npos; }

  const bool is_indexed;
};

class PublicObjects : public OnAToken, public testing::WithParamInterface<Records> {
 protected:
  PublicObjects() : OnAToken(GetParam()) {}
};

std::string name_of(Records records) { return records == Records::kIndexed ? "indexed" : "of_older_versions"; }
void PrintTo(Records records, std::ostream* out) { *out << name_of(records); }
INSTANTIATE_TEST_SUITE_P(Records, PublicObjects, testing::Values(Records::kIndexed, Records::kOfOlderVersions),
                         [](const auto& test) { return name_of(test.param); });

// --- finding ---

TEST_P(PublicObjects, AreFoundWithoutALogin) {
  for (const bool logged_in : {false, true}) {
    start_afresh();
    if (logged_in) session.login();
    EXPECT_EQ(value_of(label_of(3)), "value 3");
    EXPECT_EQ(session.find({{CKA_CLASS, CKO_DATA}}).size(), size_t{kObjects});
    EXPECT_EQ(session.find({{CKA_VALUE, "value 4"}}).size(), 1u) << "by what is in no index";
    EXPECT_EQ(session.find({{CKA_CLASS, CKO_DATA}, {CKA_LABEL, "data 5"}}).size(), 1u);
    EXPECT_TRUE(session.find({{CKA_CLASS, CKO_SECRET_KEY}, {CKA_LABEL, "data 5"}}).empty());
    EXPECT_TRUE(session.find({{CKA_ID, "data 5"}}).empty()) << "the value of another attribute";
    const Bytes unique = session.get(find(label_of(2)), kUniqueId);
    EXPECT_EQ(session.find({{kUniqueId, unique}}), session.find(match(label_of(2))));
    EXPECT_EQ(session.find({}).size(), size_t{kObjects});
  }
}

TEST_P(PublicObjects, AreFoundBesidePrivateOnesAndThoseOfTheSession) {
  start_afresh();
  session.login();
  session.create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_PRIVATE, true}, {CKA_LABEL, "data 1"}});
  session.create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, false}, {CKA_LABEL, "data 1"}});
  EXPECT_EQ(session.find({{CKA_LABEL, "data 1"}}).size(), 3u);
  EXPECT_EQ(session.find({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}}).size(), size_t{kObjects} + 1);
  session.logout();
  EXPECT_EQ(session.find({{CKA_LABEL, "data 1"}, {CKA_TOKEN, true}}).size(), 1u);
}

TEST_P(PublicObjects, KeepTheirHandlesOverLoginsAndChanges) {
  start_afresh();
  const auto before = session.find({{CKA_CLASS, CKO_DATA}});
  for (int i = 0; i < 2; ++i) {
    session.login();
    EXPECT_EQ(session.find({{CKA_CLASS, CKO_DATA}}), before);
    MUST(session.try_set(before[2], {{CKA_LABEL, i == 0 ? "renamed" : "data 2"}}));
    EXPECT_EQ(session.find(match(i == 0 ? "renamed" : "data 2")).at(0), before[2]);
    EXPECT_EQ(session.find(match(i == 0 ? "data 2" : "renamed")).size(), 0u);
    session.logout();
    EXPECT_EQ(session.find({{CKA_CLASS, CKO_DATA}}), before);
  }
}

TEST_P(PublicObjects, GetAnIndexWhenTheyAreWritten) {
  start_afresh();
  EXPECT_EQ(operate("count-public"), std::to_string(is_indexed ? kObjects : 0) + "\n");
  session.login();
  MUST(session.try_set(find(label_of(5)), {{CKA_LABEL, "renamed"}}));
  EXPECT_EQ(operate("count-public"), std::to_string(is_indexed ? kObjects : 1) + "\n");
  session.logout();
  EXPECT_NE(create("of nobody", "v"), CK_INVALID_HANDLE);
  EXPECT_EQ(operate("count-public"), std::to_string(is_indexed ? kObjects + 1 : 2) + "\n");
  restart();
  EXPECT_EQ(value_of("renamed"), "value 5");
  EXPECT_EQ(value_of("of nobody"), "v");
}

// --- changes by other processes ---

TEST_P(PublicObjects, FollowOtherProcesses) {
  start_afresh();
  const auto expect = [&](const char* when, const std::string& label, const std::string& value) {
    EXPECT_EQ(value_of(label), value) << when;
  };
  const CK_OBJECT_HANDLE renamed = find(label_of(1));
  ASSERT_EQ(run_act({"rename", "data 1", "data one"}).status, 0);
  ASSERT_EQ(run_act({"destroy", "data 2"}).status, 0);
  ASSERT_EQ(run_act({"create-public", "theirs", "new"}).status, 0);
  session.login();  // no search has read the records in between
  expect("at login", "data one", "value 1");
  EXPECT_EQ(find("data one"), renamed);
  expect("at login", "data 1", "");
  expect("at login", "data 2", "");
  expect("at login", "theirs", "new");
  ASSERT_EQ(run_act({"rename", "data one", "data 1"}).status, 0);
  ASSERT_EQ(run_act({"destroy", "theirs"}).status, 0);
  expect("after login", "data 1", "value 1");
  expect("after login", "theirs", "");
  EXPECT_EQ(find("data 1"), renamed);
  EXPECT_TRUE(session.flag(renamed, kBound));
  session.logout();
  ASSERT_EQ(run_act({"destroy", "data 1"}).status, 0);
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, session.try_get(renamed, CKA_LABEL));
  EXPECT_EQ(session.find({{CKA_CLASS, CKO_DATA}}).size(), size_t{kObjects} - 2);
  EXPECT_FALSE(anything_left_out());
}

// --- changes by an attacker ---

struct Forgery {
  const char* name;
  int victims;  // the number of the newest records
};
constexpr Forgery kForgeries[] = {{"break", 1}, {"revive", 1}, {"exchange", 2}, {"smash", 1}};
void PrintTo(const Forgery& forgery, std::ostream* out) { *out << forgery.name; }

struct Moment {
  const char* name;
  bool opened, seen, logged_in, logged_out;  // the steps before the attack
};
constexpr Moment kMoments[] = {{"before_opening", false, false, false, false},
                               {"before_login", true, false, false, false},
                               {"seen_before_login", true, true, false, false},
                               {"after_login", true, false, true, false},
                               {"between_logins", true, true, true, true}};

void PrintTo(const Moment& moment, std::ostream* out) { *out << moment.name; }

class ForgedObjects : public OnAToken, public testing::WithParamInterface<std::tuple<Records, Forgery, Moment>> {
 protected:
  ForgedObjects() : OnAToken(std::get<Records>(GetParam())) {
    // The newest records have earlier versions of the same size.
    for (const int number : {kObjects - 2, kObjects - 1}) {
      MUST(session.try_set(find(label_of(number)), {{CKA_VALUE, "older x"}}));
      MUST(session.try_set(find(label_of(number)), {{CKA_VALUE, bytes("value " + std::to_string(number))}}));
    }
    start_afresh();
    session.close();
  }
  const Forgery forgery = std::get<Forgery>(GetParam());
  const Moment moment = std::get<Moment>(GetParam());
  const std::string last = label_of(kObjects - 1);

  void forge() { operate(std::string(forgery.name) + "-public"); }
  /// Forges the records at the given moment, and leaves the user logged in. Returns a handle of the last object if it
  /// was found before.
  CK_OBJECT_HANDLE log_in() {
    CK_OBJECT_HANDLE seen = CK_INVALID_HANDLE;
    if (!moment.opened) forge();
    restart();
    if (moment.logged_in) session.login();
    if (moment.seen) seen = find(last);
    if (seen != CK_INVALID_HANDLE) {
      EXPECT_EQ(session.flag(seen, kBound), moment.logged_in);
    }
    if (moment.logged_out) session.logout();
    if (moment.opened) forge();
    if (!moment.logged_in || moment.logged_out) session.login();
    return seen;
  }
};

std::vector<std::tuple<Records, Forgery, Moment>> all_forgeries() {
  std::vector<std::tuple<Records, Forgery, Moment>> all;
  for (const Forgery& forgery : kForgeries) {
    for (const Moment& moment : kMoments) {
      // A record that is smashed before it is opened is a transaction that was never committed.
      const bool is_torn = forgery.name == std::string("smash") && !moment.opened;
      if (is_torn) continue;
      all.emplace_back(Records::kIndexed, forgery, moment);
      // The login has read the old records, and the objects keep the contents of that time.
      const bool is_read_at_login = moment.logged_in && !moment.logged_out;
      if (!is_read_at_login) all.emplace_back(Records::kOfOlderVersions, forgery, moment);
    }
  }
  return all;
}
std::string name_of_forgery(const testing::TestParamInfo<std::tuple<Records, Forgery, Moment>>& test) {
  const std::string forgery = std::get<Forgery>(test.param).name, moment = std::get<Moment>(test.param).name;
  return forgery + "_" + moment + "_" + name_of(std::get<Records>(test.param));
}
INSTANTIATE_TEST_SUITE_P(All, ForgedObjects, testing::ValuesIn(all_forgeries()), name_of_forgery);

TEST_P(ForgedObjects, AreNotGivenAfterALogin) {
  const CK_OBJECT_HANDLE seen = log_in();
  if (is_indexed) {
    EXPECT_FALSE(anything_left_out()) << "a login reads nothing of such records";
  }
  for (int i = 0; i < kObjects; ++i) {
    const bool is_victim = i >= kObjects - forgery.victims;
    EXPECT_EQ(value_of(label_of(i)), is_victim ? "" : "value " + std::to_string(i));
  }
  EXPECT_EQ(session.find({{CKA_CLASS, CKO_DATA}}).size(), static_cast<size_t>(kObjects - forgery.victims));
  EXPECT_TRUE(anything_left_out());
  if (seen != CK_INVALID_HANDLE) {
    EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, session.try_get(seen, CKA_VALUE));
    EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, session.try_set(seen, {{CKA_LABEL, "mine"}}));
    EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, p11->C_DestroyObject(session, seen));
  }
  session.logout();
  EXPECT_EQ(value_of(last), "") << "it is known as forged";
}

TEST_P(PublicObjects, ThatWereReadAfterALoginStayWhatTheyWere) {
  start_afresh();
  session.login();
  EXPECT_EQ(value_of(label_of(kObjects - 1)), "value 5");
  operate("break-public");
  EXPECT_EQ(value_of(label_of(kObjects - 1)), "value 5");
  EXPECT_FALSE(anything_left_out());
}

// An application that reads every object gets every object, and the module does not keep them in memory.
TEST_P(PublicObjects, AreNotAllKeptInMemory) {
  if (!is_indexed) return;
  const auto pair =
      session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}, {CKA_TOKEN, true}}, {{CKA_TOKEN, true}});
  const Bytes digest(32, 7), signature = session.sign(CKM_ECDSA, pair.private_key, digest);
  EXPECT_RV(CKR_OK, session.try_verify(CKM_ECDSA, pair.public_key, digest, signature));
  const CK_OBJECT_HANDLE like = create("like", "value");
  operate("multiply-public");
  const CK_OBJECT_HANDLE last = create("last", "value");
  EXPECT_EQ(session.text(last, CKA_VALUE), "value");
  operate("break-public");
  EXPECT_EQ(session.text(last, CKA_VALUE), "value") << "as it was read";
  EXPECT_EQ(session.find({{CKA_CLASS, CKO_DATA}, {CKA_VALUE, "value"}}).size(), 3501u);
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, session.try_get(last, CKA_VALUE)) << "it is read again";
  EXPECT_EQ(session.text(like, CKA_VALUE), "value");
  EXPECT_EQ(value_of(label_of(0)), "value 0");
  EXPECT_RV(CKR_OK, session.try_verify(CKM_ECDSA, pair.public_key, digest, signature));
  EXPECT_EQ(session.sign(CKM_ECDSA, pair.private_key, digest).size(), signature.size());
}

TEST_P(PublicObjects, AreMissedByForgedTagsAndNeverMistaken) {
  if (!is_indexed) return;  // these records have no index
  operate("swap-public");
  for (const bool logged_in : {false, true}) {
    start_afresh();
    if (logged_in) session.login();
    for (int i = 0; i < kObjects; ++i) {
      EXPECT_EQ(value_of(label_of(i)), i >= kObjects - 2 ? "" : "value " + std::to_string(i));
    }
    EXPECT_EQ(session.find({}).size(), size_t{kObjects} - (logged_in ? 2 : 0)) << "their MAC is over the tags, too";
  }
}

// --- which records are authentic ---

TEST_P(PublicObjects, AreBoundAfterAUsersLogin) {
  session.logout();
  create("of nobody", "v");
  start_afresh();
  const CK_OBJECT_HANDLE object = find(label_of(0));
  EXPECT_FALSE(session.flag(object, kBound));
  for (const CK_USER_TYPE user : {CKU_USER, CKU_SO}) {
    session.login(user);
    EXPECT_TRUE(session.flag(object, kBound));
    // A program of an older version has written all of them with the user logged in.
    EXPECT_EQ(session.flag(find("of nobody"), kBound), !is_indexed);
    session.logout();
    if (is_indexed) {
      EXPECT_FALSE(session.flag(object, kBound));
    }
  }
}

TEST_P(PublicObjects, AreTrustedInSessionsThatHaveAuthenticatedThem) {
  const peer::Certificate certificate = peer::self_signed(peer::Key::generate_ec("P-256"), "root");
  const Template root = {{CKA_CLASS, CKO_CERTIFICATE},
                         {CKA_CERTIFICATE_TYPE, CKC_X_509},
                         {CKA_TOKEN, true},
                         {CKA_SUBJECT, certificate.subject},
                         {CKA_VALUE, certificate.der}};
  session.create(root.with({{CKA_LABEL, "right"}}));
  session.logout();
  session.login(CKU_SO);
  MUST(session.try_set(find("right"), {{CKA_TRUSTED, true}}));
  session.logout();
  session.login();
  session.create(root.with({{CKA_LABEL, "wrong"}}));
  start_afresh();
  operate("vouch-public");
  restart();
  EXPECT_FALSE(session.flag(find("right"), CKA_TRUSTED));
  EXPECT_FALSE(session.flag(find("wrong"), CKA_TRUSTED));
  EXPECT_TRUE(session.find({{CKA_TRUSTED, true}}).empty());
  for (const CK_USER_TYPE user : {CKU_USER, CKU_SO, CKU_USER}) {
    session.login(user);
    EXPECT_TRUE(session.flag(find("right"), CKA_TRUSTED));
    EXPECT_EQ(session.find({{CKA_TRUSTED, true}}), session.find(match("right")));
    EXPECT_EQ(find("wrong"), CK_INVALID_HANDLE);
    session.logout();
    EXPECT_EQ(session.find({{CKA_TRUSTED, true}}), session.find(match("right"))) << "a login has authenticated it";
  }
}

// A key that was loaded before the login, when its record could not be authenticated, must not be used after the login.
TEST_P(PublicObjects, ForgetKeysThatWereNotAuthenticated) {
  const Template at_rest = {{CKA_EC_PARAMS, kP256}, {CKA_TOKEN, true}, {CKA_PRIVATE, false}};
  const auto ours = session.generate(CKM_EC_KEY_PAIR_GEN, at_rest.with({{CKA_LABEL, "ours"}}), {});
  const auto theirs = session.generate(CKM_EC_KEY_PAIR_GEN, at_rest.with({{CKA_LABEL, "them"}}), {});
  const Bytes digest(32, 7);
  const Bytes of_ours = session.sign(CKM_ECDSA, ours.private_key, digest);
  const Bytes of_theirs = session.sign(CKM_ECDSA, theirs.private_key, digest);
  start_afresh();
  const CK_OBJECT_HANDLE key = find("ours");
  operate("exchange-public");
  restart();
  // The record obj/ours now holds the other key. A session without a login may see its attributes, because nothing can
  // authenticate them yet.
  const auto forged = session.find({{CKA_LABEL, "them"}, {CKA_CLASS, CKO_PUBLIC_KEY}});
  for (const CK_OBJECT_HANDLE one : session.find({{CKA_CLASS, CKO_PUBLIC_KEY}})) {
    session.try_verify(CKM_ECDSA, one, digest, of_theirs);
    session.try_verify(CKM_ECDSA, one, digest, of_ours);
  }
  operate("exchange-public");
  session.login();
  EXPECT_RV(CKR_OK, session.try_verify(CKM_ECDSA, find("ours"), digest, of_ours));
  EXPECT_RV(CKR_SIGNATURE_INVALID, session.try_verify(CKM_ECDSA, find("ours"), digest, of_theirs));
  EXPECT_RV(CKR_OK, session.try_verify(CKM_ECDSA, find("them"), digest, of_theirs));
  EXPECT_NE(key, CK_INVALID_HANDLE);
  EXPECT_LE(forged.size(), 1u);
}

}  // namespace
}  // namespace vtpm::conformance
