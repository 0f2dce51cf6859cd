// The user that this process acts as, from the passwd file: the environment may be another user's (sudo) or empty
// (services).
#pragma once

#include <string>

namespace vtpm::pkcs11 {

struct EffectiveUser {
  std::string name;  // the number where the passwd file has no such user, as in containers, or an unusable name
  std::string home;  // "" where nobody knows it; then $HOME, which is ignored in set-uid programs
};
/// Asks the name service: not for every call of the application.
EffectiveUser effective_user();

}  // namespace vtpm::pkcs11
