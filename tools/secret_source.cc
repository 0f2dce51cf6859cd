#include "tools/secret_source.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "crypto/descriptor.h"
#include "crypto/error.h"

namespace vtpm::tools {
namespace {

constexpr size_t kMostOctets = 4096;

/// The terminal without echo, for as long as this lives.
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

// One read where it can be; -1 never comes back as an interruption.
size_t read_some(int fd, MutableByteView to, const std::string& what) {
  for (;;) {
    const ssize_t got = ::read(fd, to.data(), to.size());
    if (got >= 0) return static_cast<size_t>(got);
    if (errno != EINTR) throw Error(ErrorCode::kIo, "can not read " + what + ": " + std::strerror(errno));
  }
}

/// The octets up to the end of the first line, which is not part of the secret.
SecretBytes read_line(int fd, const std::string& what) {
  SecretBytes line;
  for (;;) {
    uint8_t octet = 0;
    if (read_some(fd, {&octet, 1}, what) == 0 || octet == '\n') return line;
    if (line.size() == kMostOctets) throw Error(ErrorCode::kInvalidArgument, what + " is too long for a PIN");
    line.append({&octet, 1});
  }
}

SecretBytes read_file(const std::string& path) {
  const Descriptor file = open_descriptor(path, O_RDONLY);
  if (!file) throw Error(ErrorCode::kIo, "can not open " + path + ": " + std::strerror(errno));
  return read_line(file.get(), path);
}

void say(int terminal, const std::string& text) {
  [[maybe_unused]] ssize_t written = write(terminal, text.data(), text.size());
}

SecretBytes ask(int terminal, const std::string& prompt) {
  say(terminal, prompt + ": ");
  const Silence silence(terminal);
  SecretBytes line = read_line(terminal, "the terminal");
  say(terminal, "\n");
  return line;
}

}  // namespace

SecretBytes read_octets(const std::string& file, int descriptor, size_t most) {
  const std::string what = file.empty() ? "descriptor " + std::to_string(descriptor) : file;
  Descriptor opened;
  if (!file.empty()) opened = open_descriptor(file, O_RDONLY);
  const int from = file.empty() ? descriptor : opened.get();
  if (from < 0) throw Error(ErrorCode::kIo, "can not open " + what + ": " + std::strerror(errno));
  SecretBytes octets(std::min<size_t>(most + 1, 1 << 16));
  size_t size = 0;
  while (const size_t got = read_some(from, octets.span().subspan(size), what)) {
    size += got;
    if (size > most)
      throw Error(ErrorCode::kInvalidArgument, what + " is longer than " + std::to_string(most) + " octets");
    if (size == octets.size()) octets.resize(std::min(2 * size, most + 1));
  }
  octets.resize(size);
  return octets;
}

std::optional<std::string> answer_at_the_terminal(const std::string& question) {
  const Descriptor terminal = open_descriptor("/dev/tty", O_RDWR);
  if (!terminal) return std::nullopt;
  say(terminal.get(), question);
  return std::string(as_text(read_line(terminal.get(), "the terminal")));
}

std::optional<SecretBytes> SecretSource::read(bool confirm) const {
  if (!file.empty()) return read_file(file);
  if (descriptor >= 0) return read_line(descriptor, "descriptor " + std::to_string(descriptor));
  if (const char* directory = std::getenv("CREDENTIALS_DIRECTORY")) {
    const std::string path = std::string(directory) + "/" + credential;
    if (access(path.c_str(), F_OK) == 0) return read_file(path);
  }
  const Descriptor terminal = open_descriptor("/dev/tty", O_RDWR);
  if (!terminal) return std::nullopt;
  SecretBytes secret = ask(terminal.get(), prompt);
  if (secret.empty()) return std::nullopt;
  if (confirm && !constant_time_equal(secret, ask(terminal.get(), prompt + " again"))) {
    throw Error(ErrorCode::kInvalidArgument, "the two entries of the " + prompt + " differ");
  }
  return secret;
}

}  // namespace vtpm::tools
