// SPDX-License-Identifier: Apache-2.0
#include "base/settings/pin_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/settings/log.h"

namespace vtpm {
namespace {

// The longest PIN, the end of its line (CRLF), and one more that shows that it is too long.
constexpr size_t kMostBytes = 255 + 2 + 1;

[[noreturn]] void no_pin(const std::string& path, const std::string& why) {
  throw Error(ErrorCode::kNoPin, "no PIN could be read from " + path + ": " + why);
}

void check_kind(const Descriptor& file, const std::string& path) {
  struct stat status {};
  if (fstat(file.get(), &status) != 0) no_pin(path, std::strerror(errno));
  if (!S_ISREG(status.st_mode)) no_pin(path, "it is not a file");
  if (status.st_mode & S_IROTH) log_line(LogLevel::kWarning, "the PIN in " + path + " is readable by every user");
}

std::string trimmed(const std::string& label) {
  const size_t last = label.find_last_not_of(' ');
  return last == std::string::npos ? "" : label.substr(0, last + 1);
}

}  // namespace

ByteView first_line(ByteView bytes) {
  const auto end = std::find(bytes.begin(), bytes.end(), uint8_t{'\n'});
  ByteView line = bytes.first(static_cast<size_t>(end - bytes.begin()));
  if (end != bytes.end() && !line.empty() && line.back() == '\r') line = line.first(line.size() - 1);
  return line;
}

bool PinSource::well_formed(const std::string& name) {
  return !name.empty() && (name.front() == '/' || (name.front() != '.' && name.find('/') == std::string::npos));
}

std::string PinSource::path() const {
  if (name_.empty() || name_.front() == '/') return name_;
  const char* directory = secure_getenv("CREDENTIALS_DIRECTORY");
  return directory ? std::string(directory) + "/" + name_ : "";
}

bool PinSource::present() const {
  const std::string where = path();
  return !where.empty() && access(where.c_str(), R_OK) == 0;
}

SecretBytes PinSource::read(bool may_be_empty) const {
  const std::string where = path();
  if (where.empty()) no_pin("the credential " + name_, "this process was given no credentials");
  // Never waits: a pipe without a writer would block the application.
  const Descriptor file = open_descriptor(where, O_RDONLY | O_NOCTTY | O_NONBLOCK);
  if (!file) no_pin(where, std::strerror(errno));
  check_kind(file, where);
  auto contents = read_up_to(file.get(), kMostBytes - 1);
  if (!contents) no_pin(where, std::strerror(errno));
  SecretBytes bytes = std::move(*contents);
  bytes.resize(first_line(bytes).size());
  if (bytes.size() == kMostBytes) no_pin(where, "its first line is too long");
  if (bytes.empty() && !may_be_empty) no_pin(where, "it is empty, or its first line is; nothing was tried");
  return bytes;
}

bool TokenSettings::is_for(const std::string& label, const std::string& serial) const {
  return name == trimmed(label) || name == serial;
}

TokenSettings settings_for(const std::vector<TokenSettings>& all, const std::string& label, const std::string& serial) {
  for (const TokenSettings& settings : all) {
    if (!settings.name.empty() && settings.is_for(label, serial)) return settings;
  }
  const auto of_all = std::find_if(all.begin(), all.end(), [](const TokenSettings& one) { return one.name.empty(); });
  return of_all == all.end() ? TokenSettings{} : *of_all;
}

}  // namespace vtpm
