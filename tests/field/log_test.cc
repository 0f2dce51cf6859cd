// SPDX-License-Identifier: Apache-2.0
// The destinations of the log, and that the application which loads the module is not affected by them.
#include <dlfcn.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "tests/conformance/harness/harness.h"
#include "tests/conformance/harness/process.h"

namespace {

std::string dev_log;  // replaces /dev/log
void (*at_the_very_end)() = nullptr;

// The handler is registered before the module is loaded, so it runs after any destructor of the module.
[[gnu::constructor(101)]] void register_first() {
  atexit([] {
    if (at_the_very_end) at_the_very_end();
  });
}

}  // namespace

extern "C" [[gnu::visibility("default")]] ssize_t sendmsg(int socket, const msghdr* message, int flags) {
  static auto* const real = reinterpret_cast<decltype(&::sendmsg)>(dlsym(RTLD_NEXT, "sendmsg"));
  const auto* to = static_cast<const sockaddr_un*>(message->msg_name);
  if (!to || to->sun_family != AF_UNIX || strcmp(to->sun_path, "/dev/log") != 0) return real(socket, message, flags);
  sockaddr_un other{};
  other.sun_family = AF_UNIX;
  dev_log.copy(other.sun_path, sizeof other.sun_path - 1);
  msghdr redirected = *message;
  redirected.msg_name = &other;
  redirected.msg_namelen = sizeof other;
  return real(socket, &redirected, flags);
}

namespace vtpm::conformance {
namespace {

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

void need(bool good, const char* what) {
  if (!good) throw std::runtime_error(what);
}

class Log : public testing::Test {
 protected:
  ~Log() override { p11->C_Finalize(nullptr); }
  /// Initializes the library with a log of every call in `destination`.
  void log_to(const std::string& destination) {
    const std::string file = scratch.path() + "/vtpm-pkcs11.toml", rest = read_file(file);
    std::ofstream(file) << "log = \"" << destination << "\"\nlog_level = \"debug\"\n" << rest;
    MUST(p11->C_Initialize(nullptr));
  }
  static void write_a_line() {
    CK_INFO info;
    MUST(p11->C_GetInfo(&info));
  }
  Scratch scratch;
};

bool is_pending(int signal) {
  sigset_t pending;
  sigpending(&pending);
  return sigismember(&pending, signal) == 1;
}

/// Makes descriptor 2 the writing end of a pipe, and returns the reading end.
int pipe_as_standard_error() {
  int ends[2];
  need(pipe(ends) == 0 && dup2(ends[1], STDERR_FILENO) == STDERR_FILENO, "pipe");
  close(ends[1]);
  return ends[0];
}

TEST_F(Log, IsWrittenByExitHandlersToo) {
  log_to(scratch.path() + "/log");
  make_token("last");
  MUST(p11->C_Finalize(nullptr));
  const Ran ran = run_act({"log_at_exit"});
  EXPECT_EQ(ran.status, 0) << ran.output;
  const std::string log = read_file(scratch.path() + "/log");
  const size_t exiting = log.rfind("C_Login: CKR_PIN_INCORRECT");
  ASSERT_NE(exiting, std::string::npos) << log;
  EXPECT_NE(log.find("C_Finalize: CKR_OK", exiting), std::string::npos) << log;
}

CK_FUNCTION_LIST* list;
CK_SESSION_HANDLE last_session;

const RegisterAct log_at_exit("log_at_exit", [](const std::vector<std::string>&) {
  MUST(p11->C_Initialize(nullptr));
  list = module_list();
  MUST(list->C_OpenSession(slot_of("last"), CKF_SERIAL_SESSION, nullptr, nullptr, &last_session));
  at_the_very_end = [] {
    // Freed memory is allocated again and overwritten, as in a process that continues to work.
    static void* kept[32];  // LeakSanitizer would report this as a leak
    for (size_t i = 1; i < std::size(kept); ++i) {
      if ((kept[i] = malloc(16 * i))) memset(kept[i], 'x', 16 * i);
    }
    CK_BYTE pin[] = "a wrong PIN";
    if (list->C_Login(last_session, CKU_USER, pin, sizeof pin - 1) != CKR_PIN_INCORRECT) _exit(3);
    if (list->C_Finalize(nullptr) != CKR_OK) _exit(4);
  };
});

// A user who may write to the directory, or name a token, could otherwise forge lines of the log.
TEST_F(Log, WritesALabelOrAPathWithALineBreakInOneLine) {
  log_to(scratch.path() + "/log");
  make_token("one\ntwo");
  const std::string copy = "x\n2026-01-01T00:00:00.000Z vtpm-pkcs11[1] info: forged\x1b[2J.vtpm";
  for (const auto& entry : std::filesystem::directory_iterator(scratch.store())) {
    if (entry.path().extension() != ".vtpm") continue;
    std::filesystem::copy_file(entry.path(), scratch.store() + "/" + copy);
    break;
  }
  CK_ULONG count = 0;
  MUST(p11->C_GetSlotList(CK_FALSE, nullptr, &count));
  MUST(p11->C_Finalize(nullptr));
  const std::string log = read_file(scratch.path() + "/log");
  EXPECT_NE(log.find("x\\x0a2026-01-01T00:00:00.000Z vtpm-pkcs11[1] info: forged\\x1b[2J.vtpm"), std::string::npos)
      << log;
  EXPECT_EQ(log.find("forged\x1b"), std::string::npos);
  EXPECT_EQ(log.find("\n2026-01-01T"), std::string::npos);
}

TEST_F(Log, ToABrokenPipeDoesNotEndTheProcess) {
  log_to("stderr");
  EXPECT_EQ(in_child([] {
              signal(SIGPIPE, SIG_DFL);
              close(pipe_as_standard_error());
              write_a_line();
              need(!is_pending(SIGPIPE), "SIGPIPE is pending");
              need(signal(SIGPIPE, SIG_DFL) == SIG_DFL, "the disposition of SIGPIPE has changed");
            }),
            "");
}

TEST_F(Log, LeavesTheHostsOwnPendingSignalAlone) {
  log_to("stderr");
  EXPECT_EQ(in_child([] {
              close(pipe_as_standard_error());
              sigset_t blocked;
              sigemptyset(&blocked);
              sigaddset(&blocked, SIGPIPE);
              pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
              write_a_line();
              need(!is_pending(SIGPIPE), "a SIGPIPE of the log is pending");
              raise(SIGPIPE);
              write_a_line();
              need(is_pending(SIGPIPE), "the host's SIGPIPE was taken");
            }),
            "");
}

TEST_F(Log, AtTheLimitOfFileSizesDoesNotEndTheProcess) {
  log_to(scratch.path() + "/log");
  EXPECT_EQ(in_child([] {
              signal(SIGXFSZ, SIG_DFL);
              const rlimit limit{16, 16};
              need(setrlimit(RLIMIT_FSIZE, &limit) == 0, "setrlimit");
              write_a_line();
              need(!is_pending(SIGXFSZ), "SIGXFSZ is pending");
            }),
            "");
}

TEST_F(Log, ToAFullPipeDropsLines) {
  log_to("stderr");
  EXPECT_EQ(in_child([] {
              const int reading = pipe_as_standard_error();
              fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK);
              const char byte = 'x';
              while (write(STDERR_FILENO, &byte, 1) == 1) {
              }
              fcntl(STDERR_FILENO, F_SETFL, 0);
              write_a_line();  // in_child kills a child that hangs
              close(reading);
            }),
            "");
}

TEST_F(Log, ToASocketThatNobodyReadsDropsLines) {
  log_to("stderr");
  EXPECT_EQ(in_child([] {
              signal(SIGPIPE, SIG_DFL);
              int ends[2];
              need(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 && dup2(ends[1], STDERR_FILENO) == STDERR_FILENO,
                   "socketpair");
              close(ends[1]);
              for (int line = 0; line < 10000; ++line) write_a_line();  // more than the socket can buffer
              close(ends[0]);
              write_a_line();
            }),
            "");
}

TEST_F(Log, ToAFifoBlocksNoCall) {
  const std::string fifo = scratch.path() + "/fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(in_child([&] {
              log_to(fifo);
              write_a_line();
              const int reading = open(fifo.c_str(), O_RDONLY | O_NONBLOCK);
              need(reading >= 0, "open");
              for (int line = 0; line < 2000; ++line) write_a_line();  // more than the FIFO can buffer
              char byte;
              need(read(reading, &byte, 1) <= 0, "the log was written to a FIFO");
            }),
            "");
}

TEST_F(Log, WithAFifoAsConfigurationBlocksNoCall) {
  const std::string fifo = scratch.path() + "/fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  setenv("VTPM_PKCS11_CONF", fifo.c_str(), 1);
  EXPECT_EQ(in_child([] {
              MUST(p11->C_Initialize(nullptr));  // like a broken pipe
              write_a_line();
            }),
            "");
}

TEST_F(Log, IsAFileOfEachUsersOwn) {
  const passwd* user = getpwuid(geteuid());
  ASSERT_TRUE(user);
  const std::string name = user->pw_name, home = user->pw_dir;
  chmod(scratch.path().c_str(), 0777);
  log_to(scratch.path() + "/100%%-%u.log");
  write_a_line();
  EXPECT_NE(read_file(scratch.path() + "/100%-" + name + ".log"), "");
  // A process that becomes another user after C_Initialize writes to the file of that user.
  if (const passwd* nobody = getpwnam("nobody"); geteuid() == 0 && nobody) {
    const std::string theirs = scratch.path() + "/100%-nobody.log";
    ASSERT_EQ(seteuid(nobody->pw_uid), 0);
    write_a_line();
    ASSERT_EQ(seteuid(0), 0);
    EXPECT_NE(read_file(theirs), "");
  }
  MUST(p11->C_Finalize(nullptr));
  // The path is below the home directory, and nothing is left there.
  const std::string way = std::filesystem::relative(scratch.path() + "/from-home", home);
  std::ofstream(scratch.path() + "/vtpm-pkcs11.toml") << "log = \"~/" << way << "\"\nlog_level = \"debug\"\n";
  MUST(p11->C_Initialize(nullptr));
  EXPECT_NE(read_file(scratch.path() + "/from-home"), "");
}

size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

/// A reader of the messages to `dev_log`.
class Receiver {
 public:
  explicit Receiver(const std::string& path) {
    dev_log = path;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    dev_log.copy(address.sun_path, sizeof address.sun_path - 1);
    need(bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "bind");
  }
  ~Receiver() { end(); }
  void end() { close(std::exchange(socket_, -1)); }
  /// Reads one datagram; returns "" if there is none.
  std::string operator()() {
    char buffer[4096];
    const ssize_t size = recv(socket_, buffer, sizeof buffer, 0);
    return size < 0 ? "" : std::string(buffer, static_cast<size_t>(size));
  }

 private:
  int socket_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
};

TEST_F(Log, GoesToSyslogInDatagramsOfItsOwn) {
  Receiver received(scratch.path() + "/dev-log");
  log_to("syslog");
  const std::string me = "vtpm-pkcs11[" + std::to_string(getpid()) + "]: ";
  const size_t before = open_descriptors();
  EXPECT_EQ(received(), "<15>" + me + "debug: C_Initialize: CKR_OK");
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_GetInfo(nullptr));
  EXPECT_EQ(received(), "<14>" + me + "info: C_GetInfo: CKR_ARGUMENTS_BAD: a required pointer is null");
  EXPECT_EQ(received(), "");
  EXPECT_EQ(open_descriptors(), before);
  // First the reader stops: there are more lines than a socket can buffer. Then the reader is closed.
  for (int line = 0; line < 5000; ++line) write_a_line();
  received.end();
  write_a_line();
}

TEST_F(Log, OfAWorkerThatMayOpenNeitherItNorTheStoreHasItsLineInSyslog) {
  const std::string log = scratch.path() + "/log";
  log_to(log);
  const CK_SLOT_ID slot = make_token();
  Receiver received(scratch.path() + "/dev-log");
  const auto permit = [](const std::string& path, unsigned mode) {
    std::filesystem::permissions(path, std::filesystem::perms(mode));
  };
  permit(scratch.path(), 0755);
  permit(dev_log, 0777);
  permit(scratch.store(), 0);
  permit(log, 0);
  EXPECT_EQ(in_child([&] {
              if (getuid() == 0) need(setresuid(12345, 12345, 12345) == 0, "setresuid");
              token_info(slot);
              token_info(slot);
            }),
            "");
  permit(scratch.store(), 0700);
  const std::string line = received();
  EXPECT_EQ(line.substr(0, 4), "<12>") << line;
  EXPECT_NE(line.find(".vtpm is out of reach of this process: "), std::string::npos) << line;
  EXPECT_EQ(received(), "");
}

}  // namespace
}  // namespace vtpm::conformance
