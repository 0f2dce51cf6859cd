#include "pkcs11/effective_user.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <vector>

#include "crypto/descriptor.h"

namespace vtpm::pkcs11 {

EffectiveUser effective_user() {
  EffectiveUser user;
  std::vector<char> buffer(16384);
  const StandardStreamsOccupied streams;  // a name service may keep a socket open
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found) == 0 && found) {
    if (found->pw_name) user.name = found->pw_name;
    if (found->pw_dir) user.home = found->pw_dir;
  }
  // It becomes part of paths.
  if (user.name.empty() || user.name.front() == '.' || user.name.find('/') != std::string::npos)
    user.name = std::to_string(geteuid());
  if (const char* home = secure_getenv("HOME"); user.home.empty() && home) user.home = home;
  return user;
}

}  // namespace vtpm::pkcs11
