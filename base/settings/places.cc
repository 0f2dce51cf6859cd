// SPDX-License-Identifier: Apache-2.0
#include "base/settings/places.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/settings/effective_user.h"

namespace vtpm {
namespace {

constexpr const char* kFileInDirectory = "/vtpm-pkcs11/vtpm-pkcs11.toml";

/// Returns the value of a variable if it is an absolute path, otherwise "".
std::string directory_of(const char* variable) {
  std::string path = environment(variable);
  return path.empty() || path.front() != '/' ? "" : path;
}

/// Whether something is at `path`, and if so or if that cannot be known, why it cannot be used.
struct Look {
  bool exists = false;
  std::string problem;
};

std::string reason_of(int number) {
  char text[128];
  return strerror_r(number, text, sizeof text);
}

Look look_at(const std::string& path) {
  struct stat about {};
  if (::stat(path.c_str(), &about) == 0) return {true, ""};
  const int reason = errno;
  if (reason != ENOENT && reason != ENOTDIR) return {true, "cannot be read: " + reason_of(reason)};
  if (reason == ENOENT && ::lstat(path.c_str(), &about) == 0 && S_ISLNK(about.st_mode))
    return {true, "is a symbolic link to a file that does not exist"};
  return {};
}

bool is_directory(const std::string& path) {
  struct stat about {};
  return ::stat(path.c_str(), &about) == 0 && S_ISDIR(about.st_mode);
}

std::string below(const std::string& home, const char* rest) { return home.empty() ? "" : home + rest; }

}  // namespace

std::string environment(const char* name) {
  const char* value = secure_getenv(name);
  return value ? value : "";
}

ConfigPlace find_config() {
  if (std::string named = environment("VTPM_PKCS11_CONF"); !named.empty()) {
    Look look = look_at(named);
    if (!look.exists) look.problem = "does not exist, and $VTPM_PKCS11_CONF names it";
    return {std::move(named), std::move(look.problem)};
  }
  const auto in = [](const std::string& directory) { return directory + kFileInDirectory; };
  if (const std::string directory = directory_of("XDG_CONFIG_HOME"); !directory.empty()) {
    if (Look look = look_at(in(directory)); look.exists) return {in(directory), std::move(look.problem)};
  } else {
    const EffectiveUser user = effective_user();
    // An unusable home directory often cannot be read, which says nothing about the configuration.
    if (const std::string former = below(user.former_home, "/.config");
        user.former_home != user.home && !former.empty())
      if (const Look look = look_at(in(former)); look.exists && look.problem.empty()) return {in(former), ""};
    if (const std::string own = below(user.home, "/.config"); !own.empty())
      if (Look look = look_at(in(own)); look.exists) return {in(own), std::move(look.problem)};
  }
  const std::string machine = in("/etc");
  if (Look look = look_at(machine); look.exists) return {machine, std::move(look.problem)};
  return {};
}

StorePlace default_store_place() {
  if (geteuid() == 0) return {"/var/lib/vtpm-pkcs11", "default for root"};
  if (const std::string data = directory_of("XDG_DATA_HOME"); !data.empty())
    return {data + "/vtpm-pkcs11", "default in $XDG_DATA_HOME"};
  constexpr const char* kInHome = "/.local/share/vtpm-pkcs11";
  const EffectiveUser user = effective_user();
  if (const std::string former = below(user.former_home, kInHome);
      user.former_home != user.home && is_directory(former))
    return {former, "default in the home directory, as earlier versions chose it"};
  if (!user.home.empty()) {
    return {user.home + kInHome,
            user.home_of_environment ? "default in $HOME" : "default in the home directory of the passwd file"};
  }
  std::string state = environment("STATE_DIRECTORY");
  state = state.substr(0, state.find(':'));  // systemd names all that a unit has
  if (!state.empty() && state.front() == '/') return {state + "/vtpm-pkcs11", "default in $STATE_DIRECTORY"};
  return {"", "none: there is neither a home directory of the user nor $STATE_DIRECTORY"};
}

}  // namespace vtpm
