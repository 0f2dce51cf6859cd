// SPDX-License-Identifier: Apache-2.0
// A process that runs for months creates and destroys thousands of objects. The process does not grow, and another
// process that searches only from time to time finds the present objects.
#include <malloc.h>

#include <fstream>
#include <sstream>

#include "tests/conformance/harness/harness.h"
#include "tests/conformance/harness/process.h"

namespace vtpm::conformance {
namespace {

using ManyRounds = WithUser;
using ManyPublicRounds = WithToken;

Template object(const std::string& label, bool is_private) {
  return {{CKA_CLASS, CKO_DATA},
          {CKA_TOKEN, true},
          {CKA_PRIVATE, is_private},
          {CKA_LABEL, label.c_str()},
          {CKA_VALUE, "comes and goes"}};
}

void rounds(Session& session, int count, bool is_private) {
  for (int i = 0; i < count; ++i) {
    const CK_OBJECT_HANDLE made = session.create(object("round " + std::to_string(i), is_private));
    MUST(p11->C_DestroyObject(session, made));
  }
}

// Each round once made the process larger by some 700 bytes.
void expect_no_growth(Session& session, bool is_private) {
  rounds(session, 1400, is_private);
  const size_t before = mallinfo2().uordblks;
  rounds(session, 1400, is_private);
  const size_t after = mallinfo2().uordblks;
  EXPECT_LT(after, before + (300 << 10));
}

TEST_F(ManyRounds, OfPrivateObjectsDoNotGrowTheProcess) { expect_no_growth(session, true); }

TEST_F(ManyPublicRounds, OfPublicObjectsWithoutLoginDoNotGrowTheProcess) {
  Session session(slot);
  expect_no_growth(session, false);
}

const RegisterAct kComeAndGo("come-and-go", [](const std::vector<std::string>&) {
  Library library;
  Session session(slot_of("conformance"));
  session.login();
  for (const CK_OBJECT_HANDLE old : session.find({{CKA_LABEL, "goes"}})) MUST(p11->C_DestroyObject(session, old));
  session.create(object("comes", true));
  session.create(object("comes", false));
  rounds(session, 1800, true);
});

TEST_F(ManyRounds, OfAnotherProcessAreSeenByOneThatLooksSeldom) {
  for (bool is_private : {false, true}) {
    session.create(object("stays", is_private));
    session.create(object("goes", is_private));
  }
  const auto staying = session.find({{CKA_LABEL, "stays"}});
  ASSERT_EQ(session.find({{CKA_LABEL, "goes"}}).size(), 2u);
  const CK_OBJECT_HANDLE of_session = session.create({{CKA_CLASS, CKO_DATA}, {CKA_LABEL, "of the session"}});
  const size_t all = session.find({}).size();
  const Ran stranger = run_act({"come-and-go"});
  ASSERT_EQ(stranger.status, 0) << stranger.output;
  EXPECT_EQ(session.find({{CKA_LABEL, "stays"}}), staying) << "handles stay";
  EXPECT_TRUE(session.find({{CKA_LABEL, "goes"}}).empty());
  EXPECT_EQ(session.find({{CKA_LABEL, "comes"}}).size(), 2u);
  EXPECT_EQ(session.find({{CKA_LABEL, "of the session"}}), std::vector{of_session});
  EXPECT_EQ(session.find({}).size(), all);
  for (const CK_OBJECT_HANDLE object : staying) EXPECT_EQ(session.text(object, CKA_VALUE), "comes and goes");
}

// A record of the store has at most 16 MiB. The call once returned CKR_ARGUMENTS_BAD.
TEST_F(ManyPublicRounds, ATokenObjectThatIsTooLongIsRejectedWithTheLimit) {
  std::ofstream(scratch.path() + "/vtpm-pkcs11.toml")
      << "store_dir = \"" << scratch.store() << "\"\nlog = \"" << scratch.path() << "/log\"\n";
  library.restart();
  Session session(slot_of("conformance"));
  session.login();
  const Template large = object("large", true).with({{CKA_VALUE, Bytes(16 << 20, 'x')}});
  EXPECT_RV(CKR_DEVICE_MEMORY, session.try_create(large));
  std::ifstream log(scratch.path() + "/log");
  std::stringstream text;
  text << log.rdbuf();
  EXPECT_NE(text.str().find("16777216 (16 MiB)"), std::string::npos) << text.str();
  EXPECT_TRUE(session.find({{CKA_LABEL, "large"}}).empty());
  const CK_OBJECT_HANDLE almost = session.create(object("large", true).with({{CKA_VALUE, Bytes(15 << 20, 'x')}}));
  EXPECT_EQ(session.get(almost, CKA_VALUE).size(), 15u << 20);
  EXPECT_RV(CKR_DEVICE_MEMORY, session.try_set(almost, {{CKA_VALUE, Bytes(16 << 20, 'y')}}));
  EXPECT_EQ(session.get(almost, CKA_VALUE), Bytes(15 << 20, 'x'));
}

}  // namespace
}  // namespace vtpm::conformance
