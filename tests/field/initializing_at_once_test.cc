// SPDX-License-Identifier: Apache-2.0
// Several processes initialize a token in one slot at the same time: exactly one of them succeeds.
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include "tests/conformance/harness/harness.h"
#include "tests/conformance/harness/process.h"

namespace vtpm::conformance {
namespace {

namespace fs = std::filesystem;
constexpr int kProcesses = 8;

// init-in SLOT READY GO LABEL: lists the slots, makes the file READY, waits for the file GO, and then initializes the
// token as pkcs11-tool does.
const RegisterAct kInitIn("init-in", [](const std::vector<std::string>& arguments) {
  Library library;
  const CK_SLOT_ID slot = std::stoul(arguments.at(0));
  slots();
  std::ofstream(arguments.at(1)) << "ready";
  while (!fs::exists(arguments.at(2))) usleep(1000);
  CK_TOKEN_INFO info{};
  MUST(p11->C_GetTokenInfo(slot, &info));
  printf("%s", rv_name(try_init_token(slot, kSoPin, arguments.at(3))).c_str());
});

class InitializingAtOnce : public Fresh {
 protected:
  /// The return values of all processes, sorted.
  std::vector<std::string> race(CK_SLOT_ID slot) {
    std::vector<std::unique_ptr<Stranger>> strangers;
    const std::string go = scratch.path() + "/go";
    fs::remove(go);
    std::vector<std::string> ready;
    for (int i = 0; i < kProcesses; ++i) {
      ready.push_back(scratch.path() + "/ready" + std::to_string(i));
      fs::remove(ready.back());
      strangers.push_back(std::make_unique<Stranger>(
          std::vector<std::string>{"init-in", std::to_string(slot), ready.back(), go, "label" + std::to_string(i)}));
    }
    for (const std::string& file : ready) {
      for (int tries = 0; !fs::exists(file) && tries < 30000; ++tries) usleep(1000);
    }
    std::ofstream(go) << "go";
    std::vector<std::string> answers;
    for (const auto& stranger : strangers) answers.push_back(stranger->wait().output);
    std::sort(answers.begin(), answers.end());
    return answers;
  }
  size_t files() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(scratch.store()), fs::directory_iterator()));
  }
};

std::vector<std::string> one_succeeds() {
  std::vector<std::string> answers(kProcesses, "CKR_FUNCTION_FAILED");
  answers.back() = "CKR_OK";
  return answers;
}

TEST_F(InitializingAtOnce, InAFreeSlotOneSucceedsAndNothingIsOverwritten) {
  EXPECT_EQ(race(0), one_succeeds());
  EXPECT_EQ(files(), 1u);
  const std::vector<CK_SLOT_ID> now = slots();
  EXPECT_EQ(now.size(), 2u);
  EXPECT_TRUE(token_flags(0) & CKF_TOKEN_INITIALIZED);
}

TEST_F(InitializingAtOnce, OneProcessInitializesATokenAgain) {
  make_token();
  EXPECT_EQ(race(0), one_succeeds());
  EXPECT_EQ(files(), 1u);
}

const RegisterAct kMakeHere("make-here", [](const std::vector<std::string>& arguments) {
  Library library;
  make_token(arguments.at(0));
});

TEST_F(InitializingAtOnce, ASlotThatWasFreeWhenItWasListedIsNotInitializedAnew) {
  ASSERT_EQ(slots().size(), 1u);
  ASSERT_EQ(run_act({"make-here", "of somebody else"}).status, 0);
  EXPECT_RV(CKR_FUNCTION_FAILED, try_init_token(0, kSoPin, "mine"));
  EXPECT_EQ(slot_of("of somebody else"), 0u);
  Session session(0);
  session.login();
  session.close();
  EXPECT_RV(CKR_OK, try_init_token(0, kSoPin, "mine")) << "it has been listed since";
}

TEST_F(InitializingAtOnce, ARemovedTokenIsNotMadeAgain) {
  make_token();
  fs::remove(*fs::directory_iterator(scratch.store()));
  EXPECT_RV(CKR_FUNCTION_FAILED, try_init_token(0, kSoPin, "mine"));
  EXPECT_EQ(files(), 0u);
}

}  // namespace
}  // namespace vtpm::conformance
