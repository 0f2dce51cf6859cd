// SPDX-License-Identifier: Apache-2.0
#include "tools/secret_source.h"

#include <fcntl.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/settings/pin_source.h"
#include "crypto/library/constant_time.h"
#include "tools/configuration.h"

namespace vtpm::tools {
namespace {

constexpr size_t kMostBytes = 4096;

// Signals that a user at the terminal, or a shell, sends to end or to stop a program.
constexpr int kSignals[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP};

volatile std::sig_atomic_t arrived = 0;

/// While an object lives, these signals only end `wait`, and its owner raises the received one. Ignored signals stay
/// ignored.
class SignalsNoted {
 public:
  SignalsNoted() {
    struct sigaction note {};
    note.sa_handler = [](int signal) { arrived = signal; };
    sigset_t ours;
    sigemptyset(&ours);
    for (const int signal : kSignals) sigaddset(&ours, signal);
    pthread_sigmask(SIG_BLOCK, &ours, &mask_);
    for (size_t i = 0; i < std::size(kSignals); ++i) {
      sigaction(kSignals[i], nullptr, &before_[i]);
      if (before_[i].sa_handler != SIG_IGN) sigaction(kSignals[i], &note, nullptr);
    }
    arrived = 0;
  }
  ~SignalsNoted() {
    for (size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &before_[i], nullptr);
    pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
  }
  SignalsNoted(const SignalsNoted&) = delete;
  SignalsNoted& operator=(const SignalsNoted&) = delete;

  /// Waits until there is something to read and returns 0, or returns the first signal that arrives.
  int wait(int terminal) const {
    pollfd input{terminal, POLLIN, 0};
    for (;;) {
      const int ready = ppoll(&input, 1, nullptr, &mask_);  // the signals are unblocked only here
      if (arrived != 0) return arrived;
      if (ready >= 0 || errno != EINTR) return 0;  // the read reports any other error
    }
  }

 private:
  struct sigaction before_[std::size(kSignals)]{};
  sigset_t mask_{};
};

/// Turns the terminal's echo off for as long as it lives.
class Silence {
 public:
  explicit Silence(int terminal) : terminal_(terminal), active_(tcgetattr(terminal, &before_) == 0) {
    if (!active_) return;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    tcsetattr(terminal_, TCSAFLUSH, &silent);
  }
  ~Silence() {
    if (active_) tcsetattr(terminal_, TCSAFLUSH, &before_);
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;

 private:
  const int terminal_;
  termios before_{};
  const bool active_;
};

// read(2), repeated if a signal interrupts it. Throws Error kIo.
size_t read_some(int fd, MutableByteView to, const std::string& what) {
  for (;;) {
    const ssize_t got = ::read(fd, to.data(), to.size());
    if (got >= 0) return static_cast<size_t>(got);
    if (errno != EINTR) throw Error(ErrorCode::kIo, "cannot read " + what + ": " + std::strerror(errno));
  }
}

/// Reads the first line. The bytes after it remain for the next reader. Reading ends early when `before_each` returns
/// false.
template <typename F>
SecretBytes read_line(int fd, const std::string& what, F&& before_each) {
  SecretBytes bytes;
  for (uint8_t byte = 0; byte != '\n' && before_each() && read_some(fd, {&byte, 1}, what) != 0;) {
    if (bytes.size() == kMostBytes)
      throw Error(ErrorCode::kInvalidArgument,
                  what + " holds no PIN: its first line exceeds " + std::to_string(kMostBytes) + " bytes");
    bytes.append({&byte, 1});
  }
  bytes.resize(first_line(bytes).size());
  return bytes;
}

SecretBytes read_line(int fd, const std::string& what) {
  return read_line(fd, what, [] { return true; });
}

SecretBytes read_file(const std::string& path) {
  const Descriptor file = open_descriptor(path, O_RDONLY);
  if (!file) throw Error(ErrorCode::kIo, "cannot open " + path + ": " + std::strerror(errno));
  return read_line(file.get(), path);
}

void say(int terminal, const std::string& text) {
  [[maybe_unused]] ssize_t written = write(terminal, text.data(), text.size());
}

SecretBytes ask(int terminal, const std::string& prompt) {
  for (;;) {
    int signal = 0;
    {
      const SignalsNoted signals;
      const Silence silence(terminal);
      say(terminal, prompt + ": ");
      SecretBytes line = read_line(terminal, "the terminal", [&] { return (signal = signals.wait(terminal)) == 0; });
      say(terminal, "\n");
      if (signal == 0) return line;
    }
    raise(signal);  // the signal ends the program, or stops it; when it continues, it asks again
  }
}

}  // namespace

SecretBytes read_bytes(const std::string& file, int descriptor, size_t most) {
  const std::string what = file.empty() ? "descriptor " + std::to_string(descriptor) : file;
  Descriptor opened;
  if (!file.empty()) opened = open_descriptor(file, O_RDONLY);
  const int from = file.empty() ? descriptor : opened.get();
  if (from < 0) throw Error(ErrorCode::kIo, "cannot open " + what + ": " + std::strerror(errno));
  auto bytes = read_up_to(from, most);
  if (!bytes) throw Error(ErrorCode::kIo, "cannot read " + what + ": " + std::strerror(errno));
  if (bytes->size() > most)
    throw Error(ErrorCode::kInvalidArgument, what + " is too long (at most " + std::to_string(most) + " bytes)");
  return std::move(*bytes);
}

std::optional<std::string> answer_at_the_terminal(const std::string& question) {
  const Descriptor terminal = open_descriptor("/dev/tty", O_RDWR);
  if (!terminal) return std::nullopt;
  say(terminal.get(), question);
  return std::string(as_text(read_line(terminal.get(), "the terminal")));
}

SecretBytes SecretSource::accepted(SecretBytes secret, const std::string& from) const {
  if (!secret.empty() || empty == Empty::kAlways) return secret;
  if (empty == Empty::kIfConfigured && configuration().empty_pin) return secret;
  throw Error(ErrorCode::kInvalidArgument,
              from + " holds no " + prompt.substr(0, prompt.find(" (")) +
                  ": its first line is empty; nothing was tried" +
                  (empty == Empty::kNever ? "" : " (an empty user PIN needs pin.empty = true in the configuration)"));
}

std::optional<SecretBytes> SecretSource::read(bool confirm) const {
  if (!file.empty()) return accepted(read_file(file), file);
  if (descriptor >= 0) {
    const std::string what = "descriptor " + std::to_string(descriptor);
    return accepted(read_line(descriptor, what), what);
  }
  if (const char* directory = std::getenv("CREDENTIALS_DIRECTORY")) {
    const std::string path = std::string(directory) + "/" + credential;
    if (access(path.c_str(), F_OK) == 0) return accepted(read_file(path), path);
  }
  const Descriptor terminal = open_descriptor("/dev/tty", O_RDWR);
  if (!terminal) return std::nullopt;
  SecretBytes secret = ask(terminal.get(), prompt);
  if (secret.empty()) return std::nullopt;
  if (confirm && !crypto::constant_time_equal(secret, ask(terminal.get(), prompt + " again"))) {
    throw Error(ErrorCode::kInvalidArgument, "the two entries of the " + prompt + " differ");
  }
  return secret;
}

}  // namespace vtpm::tools
