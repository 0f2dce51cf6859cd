// SPDX-License-Identifier: Apache-2.0
// The user that this process acts as, from the passwd file: the environment may be another user's (sudo) or empty
// (services).
#pragma once

#include <string>

namespace vtpm {

struct EffectiveUser {
  std::string name;  // the number where the passwd file has no such user, as in containers, or an unusable name
  // The home directory: of the passwd file when it is usable, that is a directory other than "/" that belongs to the
  // user; else $HOME when that is usable, except in set-uid programs; else "".
  std::string home;
  bool home_of_environment = false;
  // Where the versions looked that did not ask whether it is usable: of the passwd file, else $HOME. Stores may be
  // there.
  std::string former_home;
};
/// Asks the name service: not for every call of the application.
EffectiveUser effective_user();

}  // namespace vtpm
