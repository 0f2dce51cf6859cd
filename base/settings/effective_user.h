// SPDX-License-Identifier: Apache-2.0
// The effective user of this process, from the passwd file: the environment may be another user's (sudo) or empty
// (services).
#pragma once

#include <string>

namespace vtpm {

struct EffectiveUser {
  std::string name;  // the user id if the passwd file lacks the user, as in containers, or has an unusable name
  // The home directory of the passwd file if it is usable (a directory other than "/" that belongs to the user);
  // otherwise $HOME if that is usable, except in set-uid programs; otherwise "".
  std::string home;
  bool home_of_environment = false;
  // The directory that versions used which did not check whether it is usable: that of the passwd file, else $HOME.
  // Stores may be there.
  std::string former_home;
};
/// Queries the name service, which is slow: do not call it in every call of the application.
EffectiveUser effective_user();

}  // namespace vtpm
