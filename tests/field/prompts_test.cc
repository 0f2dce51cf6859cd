// SPDX-License-Identifier: Apache-2.0
// A prompt for a PIN at a terminal that is interrupted.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "tests/store/disk/scratch.h"

namespace vtpm::store {
namespace {

// Runs the tool with a terminal of its own; the test holds the other end.
class Prompts : public testing::Test {
 protected:
  Prompts() {
    make_store(path)->lock();
    master = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    ::grantpt(master);
    ::unlockpt(master);
    terminal = ::ptsname(master);
  }
  ~Prompts() override {
    if (child > 0) {
      ::kill(child, SIGKILL);
      ::waitpid(child, nullptr, 0);
    }
    ::close(keep);
    ::close(master);
  }
  void start(bool ignoring_interrupts = false) {
    keep = ::open(terminal.c_str(),
                  O_RDWR | O_NOCTTY | O_CLOEXEC);  // the settings of the terminal remain after the tool has ended
    child = ::fork();
    if (child != 0) return;
    ::setsid();
    const int own = ::open(terminal.c_str(), O_RDWR);  // the first opened terminal becomes the controlling one
    for (int number = 0; number < 3; ++number) ::dup2(own, number);
    if (ignoring_interrupts) ::signal(SIGINT, SIG_IGN);
    for (const char* name : {"CREDENTIALS_DIRECTORY", "VTPM_PKCS11_CONF"}) ::unsetenv(name);
    ::execl(VTPM_TOOL, "vtpm-token", "keyslot", "change", path.c_str(), nullptr);
    ::_exit(127);
  }
  // Reads from the terminal until `text` appears.
  bool shows(const std::string& text) {
    while (seen.find(text) == std::string::npos) {
      pollfd ready{master, POLLIN, 0};
      char some[256];
      if (::poll(&ready, 1, 60'000) != 1) return false;
      const ssize_t got = ::read(master, some, sizeof some);
      if (got <= 0) return false;
      seen.append(some, static_cast<size_t>(got));
    }
    seen.erase(0, seen.find(text) + text.size());
    return true;
  }
  void type(const std::string& text) {
    ASSERT_EQ(::write(master, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  bool echoes() const {
    termios now{};
    EXPECT_EQ(::tcgetattr(keep, &now), 0);
    return (now.c_lflag & ECHO) != 0;
  }
  int end() {
    int status = 0;
    ::waitpid(child, &status, 0);
    child = -1;
    return status;
  }

  ScratchDirectory scratch;
  std::string path = scratch.file("store.vtpm"), terminal, seen;
  int master = -1, keep = -1;
  pid_t child = -1;
};

TEST_F(Prompts, AnInterruptGivesTheEchoBack) {
  for (const char* key : {"\x03", "\x1c"}) {  // ^C, ^\ .
    start();
    ASSERT_TRUE(shows("phrase: ")) << seen;
    EXPECT_FALSE(echoes());
    type(key);
    const int status = end();
    EXPECT_TRUE(WIFSIGNALED(status) && (WTERMSIG(status) == SIGINT || WTERMSIG(status) == SIGQUIT));
    EXPECT_TRUE(echoes());
    ::close(keep);
  }
  keep = -1;
}

TEST_F(Prompts, ATerminationGivesTheEchoBack) {
  for (const int signal : {SIGTERM, SIGHUP}) {
    start();
    ASSERT_TRUE(shows("phrase: ")) << seen;
    type("half a PI");
    ::kill(child, signal);
    const int status = end();
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == signal);
    EXPECT_TRUE(echoes());
    ::close(keep);
  }
  keep = -1;
}

TEST_F(Prompts, AnIgnoredInterruptStaysIgnoredAndThePinIsRead) {
  start(/*ignoring_interrupts=*/true);
  ASSERT_TRUE(shows("phrase: ")) << seen;
  type("\x03");
  type(std::string(kUserPin) + "\n");
  ASSERT_TRUE(shows("New user PIN: ")) << seen;
  type("5678\n");
  ASSERT_TRUE(shows("New user PIN again: ")) << seen;
  EXPECT_FALSE(echoes());
  type("5678\n");
  ASSERT_TRUE(shows("holds the new secret")) << seen;
  EXPECT_EQ(end(), 0);
  EXPECT_TRUE(echoes());
  EXPECT_EQ(Vault::open(path)->unlock(Role::kUser, as_bytes("5678")), UnlockResult::kUnlocked);
}

}  // namespace
}  // namespace vtpm::store
