// SPDX-License-Identifier: Apache-2.0
// The default places of the configuration and the stores of this process.
//
// Environment variables are ignored in set-uid programs. XDG variables count if they are absolute paths, as the XDG
// base directory specification says. base/settings/effective_user.h determines the home directory.
#pragma once

#include <string>

namespace vtpm {

/// secure_getenv(3); "" if the variable is not set.
std::string environment(const char* name);

struct ConfigPlace {
  std::string path;     // of the file; empty: there is none
  std::string problem;  // the end of a sentence: why it cannot be used, or why its existence cannot be determined
};
/// The first of the files that exists. A file named by a variable must exist.
ConfigPlace find_config();

struct StorePlace {
  std::string directory;  // empty: none could be determined
  std::string origin;     // its source, for a person
};
/// The store directory if neither the configuration nor $VTPM_PKCS11_STORE names it.
StorePlace default_store_place();

}  // namespace vtpm
