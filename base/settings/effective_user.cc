// SPDX-License-Identifier: Apache-2.0
#include "base/settings/effective_user.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <vector>

#include "base/descriptor.h"

namespace vtpm {
namespace {

/// Services have "/" or a directory that does not exist, or that belongs to root.
bool usable_as_home(const std::string& path) {
  if (path.empty() || path.front() != '/' || path.find_first_not_of('/') == std::string::npos) return false;
  struct stat about {};
  return ::stat(path.c_str(), &about) == 0 && S_ISDIR(about.st_mode) && about.st_uid == geteuid();
}

}  // namespace

EffectiveUser effective_user() {
  EffectiveUser user;
  std::vector<char> buffer(16384);
  const StandardStreamsOccupied streams;  // a name service may keep a socket open
  passwd entry{};
  passwd* found = nullptr;
  std::string of_passwd;
  if (getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found) == 0 && found) {
    if (found->pw_name) user.name = found->pw_name;
    if (found->pw_dir) of_passwd = found->pw_dir;
  }
  // The name becomes part of paths.
  if (user.name.empty() || user.name.front() == '.' || user.name.find('/') != std::string::npos)
    user.name = std::to_string(geteuid());
  const char* variable = secure_getenv("HOME");
  const std::string of_environment = variable ? variable : "";
  user.former_home = of_passwd.empty() ? of_environment : of_passwd;
  if (!user.former_home.starts_with('/')) user.former_home.clear();
  user.home_of_environment = !usable_as_home(of_passwd) && usable_as_home(of_environment);
  if (user.home_of_environment) {
    user.home = of_environment;
  } else if (usable_as_home(of_passwd)) {
    user.home = of_passwd;
  }
  return user;
}

}  // namespace vtpm
