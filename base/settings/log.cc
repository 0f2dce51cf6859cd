// SPDX-License-Identifier: Apache-2.0
#include "base/settings/log.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <iterator>
#include <mutex>
#include <new>

#include "base/descriptor.h"
#include "base/locks_after_fork.h"
#include "base/settings/effective_user.h"

namespace vtpm {
namespace {

struct Destination {
  std::string wanted;  // as the configuration has it
  std::string path;    // of the file; made of `wanted` for `user`
  uid_t user = 0;
};

// The destination is opened for each line: no descriptor stays open in the application, and log rotation works.
// Held during a fork (log_before_fork), because lines are written outside of the gate too.
std::mutex mutex;
std::atomic<LogLevel> threshold{LogLevel::kOff};

/// Never destroyed: exit handlers that run later may still write lines.
Destination& destination() {
  static Destination& kept = *new Destination;
  return kept;
}

constexpr const char* kNames[] = {"off", "error", "warning", "info", "debug"};

// --- where to ---

bool depends_on_user(std::string_view wanted) {
  return wanted.substr(0, 2) == "~/" || wanted.find('%') != std::string_view::npos;
}

/// "" if a home directory is needed and the effective user has none.
std::string path_for_user(std::string_view wanted) {
  const EffectiveUser user = effective_user();
  std::string path;
  if (wanted.substr(0, 2) == "~/") {
    const std::string& home = user.home.empty() ? user.former_home : user.home;
    if (home.empty()) return "";
    path = home;
    wanted.remove_prefix(1);
  }
  for (size_t at = 0; at < wanted.size(); ++at) {
    if (wanted[at] != '%' || at + 1 == wanted.size()) {
      path += wanted[at];
    } else if (wanted[++at] == 'u') {
      path += user.name;
    } else {
      path += wanted[at];
    }
  }
  return path;
}

/// The application may have become another user since the last line.
const std::string& path_of(Destination& to) {
  if (!depends_on_user(to.wanted)) return to.wanted;
  const uid_t user = geteuid();
  if (to.path.empty() || to.user != user) {
    to.path = path_for_user(to.wanted);
    to.user = user;
  }
  return to.path;
}

// --- how ---

/// Keeps the signals that writing can raise from the application, without changing how it handles them. They are
/// blocked and not ignored, because the disposition belongs to the process and the mask to this thread.
class WritingSignalsHeld {
 public:
  WritingSignalsHeld() {
    sigset_t ours;
    sigemptyset(&ours);
    // With the last of them blocked, a process in the background may write to its terminal instead of being stopped.
    for (const int signal : {SIGPIPE, SIGXFSZ, SIGTTOU}) sigaddset(&ours, signal);
    sigpending(&pending_);
    pthread_sigmask(SIG_BLOCK, &ours, &before_);
  }
  /// Takes the signal of a write that has failed with `reason`, unless a signal of the application was pending already.
  void take(int reason) {
    const int signal = reason == EPIPE ? SIGPIPE : reason == EFBIG ? SIGXFSZ : 0;
    if (signal == 0 || sigismember(&pending_, signal)) return;
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, signal);
    const timespec at_once{};
    while (sigtimedwait(&one, nullptr, &at_once) < 0 && errno == EINTR) {
    }
  }
  ~WritingSignalsHeld() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  WritingSignalsHeld(const WritingSignalsHeld&) = delete;
  WritingSignalsHeld& operator=(const WritingSignalsHeld&) = delete;

 private:
  sigset_t before_, pending_;
};

struct Line {
  iovec parts[3];  // prefix, text, newline
};

/// writev that waits for nothing. `mode` is the descriptor's st_mode.
ssize_t write_at_once(int file, mode_t mode, Line line) {
  msghdr message{};
  message.msg_iov = line.parts;
  message.msg_iovlen = std::size(line.parts);
  if (S_ISSOCK(mode)) return sendmsg(file, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (S_ISFIFO(mode)) {
    // A longer line might be written in parts.
    line.parts[1].iov_len = std::min(line.parts[1].iov_len, PIPE_BUF - line.parts[0].iov_len - line.parts[2].iov_len);
    const ssize_t written = pwritev2(file, line.parts, std::size(line.parts), -1, RWF_NOWAIT);
    if (written >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS)) return written;
  }
  // For a pipe on an older kernel, poll reports room for PIPE_BUF bytes, which another thread may use first.
  pollfd room{file, POLLOUT, 0};
  if (!S_ISREG(mode) && poll(&room, 1, 0) != 1) return 0;
  return writev(file, line.parts, std::size(line.parts));
}

void write_line(int file, bool ours, const Line& line) {
  struct stat about {};
  if (fstat(file, &about) != 0) return;
  // The application's standard error may be a FIFO with a reader. A log file of the module may not be one.
  if (ours && !S_ISREG(about.st_mode) && !S_ISCHR(about.st_mode)) return;
  WritingSignalsHeld signals;
  if (write_at_once(file, about.st_mode, line) < 0) signals.take(errno);
}

bool append_to(const std::string& path, const Line& line) {
  // Not blocking: a FIFO without a reader would hang the application.
  constexpr int kFlags = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  const Descriptor file = open_descriptor(path, kFlags, S_IRUSR | S_IWUSR);
  if (!file) return false;
  write_line(file.get(), true, line);
  return true;
}

// Sends what syslog(3) sends (RFC 3164) without the time of day, which the receiver adds (4.3.2): for the local time
// the C library takes a lock that it does not release in the child of a fork. syslog(3) itself would use the connection
// and the name that the application has chosen with openlog.
void send_to_syslog(LogLevel level, std::string_view text) {
  constexpr int kUser = 1 << 3;                 // facility
  constexpr int kSeverity[] = {0, 3, 4, 6, 7};  // error, warning, informational, debug
  char prefix[64];
  const int used =
      snprintf(prefix, sizeof prefix, "<%d>vtpm-pkcs11[%d]: %s: ", kUser | kSeverity[static_cast<int>(level)],
               static_cast<int>(getpid()), kNames[static_cast<int>(level)]);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, "/dev/log");
  iovec parts[] = {{prefix, static_cast<size_t>(used)}, {const_cast<char*>(text.data()), text.size()}};
  msghdr message{};
  message.msg_name = &address;
  message.msg_namelen = sizeof address;
  message.msg_iov = parts;
  message.msg_iovlen = std::size(parts);
  const Descriptor sender = open_socket(AF_UNIX, SOCK_DGRAM);
  if (sender) (void)sendmsg(sender.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/// The time in UTC, in the form of ISO 8601. It is computed here, because gmtime_r takes the same lock as localtime_r.
size_t time_of_day(char* out, size_t size) {
  namespace chrono = std::chrono;
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  const chrono::sys_seconds second{chrono::seconds(now.tv_sec)};
  const auto day = chrono::floor<chrono::days>(second);
  const chrono::year_month_day date{day};
  const chrono::hh_mm_ss time{second - day};
  return static_cast<size_t>(snprintf(out, size, "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
                                      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                                      static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                                      static_cast<int>(time.seconds().count()),
                                      static_cast<int>(now.tv_nsec / 1000000)));
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

/// Labels and paths may contain any bytes; an entry of the log is always one line.
std::string without_controls(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    char escaped[5];
    if (is_control(c)) {
      snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned char>(c));
      safe += escaped;
    } else {
      safe += c;
    }
  }
  return safe;
}

/// Returns false if the file cannot be opened.
bool write_to(Destination& to, LogLevel level, std::string_view text) {
  if (to.wanted == "syslog") {
    send_to_syslog(level, text);
    return true;
  }
  char prefix[96];
  size_t used = time_of_day(prefix, sizeof prefix);
  used += static_cast<size_t>(snprintf(prefix + used, sizeof prefix - used, " vtpm-pkcs11[%d] %s: ",
                                       static_cast<int>(getpid()), kNames[static_cast<int>(level)]));
  static char newline = '\n';
  const Line line{{{prefix, used}, {const_cast<char*>(text.data()), text.size()}, {&newline, 1}}};
  if (to.wanted != "stderr") return append_to(path_of(to), line);
  write_line(STDERR_FILENO, false, line);
  return true;
}

bool write_whatever_happens(Destination& to, LogLevel level, std::string_view text) noexcept {
  const int reason = errno;
  bool written = false;
  std::lock_guard lock(mutex);
  try {
    const bool is_safe = std::none_of(text.begin(), text.end(), is_control);
    written = write_to(to, level, is_safe ? text : std::string_view(without_controls(text)));
  } catch (const std::exception&) {  // no memory for a path
  }
  errno = reason;
  return written;
}

}  // namespace

const char* log_destination_fault(std::string_view wanted) noexcept {
  for (size_t at = wanted.find('%'); at != std::string_view::npos; at = wanted.find('%', at + 2)) {
    const char next = at + 1 < wanted.size() ? wanted[at + 1] : '\0';
    if (next != 'u' && next != '%') return "may have %u (the user) and %% (a percent sign) only";
  }
  if (!wanted.empty() && wanted.front() == '~' && wanted.substr(0, 2) != "~/")
    return "may begin with ~/ (the home directory of the user), and with no other ~";
  // The programs that load the module have different working directories; and "sysolg" should not name a file.
  const bool is_word = wanted.empty() || wanted == "stderr" || wanted == "syslog";
  if (!is_word && wanted.front() != '/' && wanted.front() != '~')
    return "must be \"stderr\", \"syslog\" or a path that begins with / or ~/";
  return nullptr;
}

void log_open(const std::string& where, LogLevel level) {
  std::lock_guard lock(mutex);
  destination() = {where, "", 0};
  threshold = where.empty() ? LogLevel::kOff : level;
}

void log_before_fork() { mutex.lock(); }
void log_after_fork_in_parent() { mutex.unlock(); }
void log_after_fork_in_child() { make_anew(mutex); }

bool log_enabled(LogLevel level) noexcept { return level <= threshold.load(std::memory_order_relaxed); }

void log_line(LogLevel level, std::string_view text) noexcept {
  if (log_enabled(level)) write_whatever_happens(destination(), level, text);
}

void log_line_or_syslog(LogLevel level, std::string_view text) noexcept {
  if (log_enabled(level) && !write_whatever_happens(destination(), level, text)) syslog_line(level, text);
}

void syslog_line(LogLevel level, std::string_view text) noexcept {
  try {
    Destination syslog{"syslog", "", 0};
    write_whatever_happens(syslog, level, text);
  } catch (const std::exception&) {  // no memory for the name
  }
}

}  // namespace vtpm
