#include "pkcs11/log.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <ctime>
#include <iterator>
#include <mutex>
#include <new>

namespace vtpm::pkcs11 {
namespace {

// The destination is opened per line: no descriptor of ours lingers in the host process, and log rotation just works.
// Held during a fork (log_before_fork), because lines are written outside of the gate too.
std::mutex mutex;
std::string destination;
std::atomic<LogLevel> threshold{LogLevel::kOff};

constexpr const char* kNames[] = {"off", "error", "warning", "info", "debug"};

}  // namespace

void log_open(const std::string& where, LogLevel level) {
  std::lock_guard lock(mutex);
  destination = where;
  threshold = where.empty() ? LogLevel::kOff : level;
}

void log_before_fork() { mutex.lock(); }
void log_after_fork_in_parent() { mutex.unlock(); }
void log_after_fork_in_child() { new (&mutex) std::mutex; }

bool log_enabled(LogLevel level) noexcept { return level <= threshold.load(std::memory_order_relaxed); }

void log_line(LogLevel level, std::string_view text) noexcept {
  if (!log_enabled(level)) return;
  std::lock_guard lock(mutex);
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  tm utc{};
  gmtime_r(&now.tv_sec, &utc);
  char prefix[96];
  size_t used = strftime(prefix, sizeof prefix, "%Y-%m-%dT%H:%M:%S", &utc);
  used += static_cast<size_t>(snprintf(prefix + used, sizeof prefix - used,
                                       ".%03ldZ vtpm-pkcs11[%d] %s: ", now.tv_nsec / 1000000,
                                       static_cast<int>(getpid()), kNames[static_cast<int>(level)]));
  bool to_stderr = destination == "stderr";
  int fd = to_stderr ? STDERR_FILENO
                     : open(destination.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return;
  char newline = '\n';
  iovec parts[] = {{prefix, used}, {const_cast<char*>(text.data()), text.size()}, {&newline, 1}};
  [[maybe_unused]] ssize_t written = writev(fd, parts, std::size(parts));
  if (!to_stderr) close(fd);
}

}  // namespace vtpm::pkcs11
