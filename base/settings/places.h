// SPDX-License-Identifier: Apache-2.0
// Where the configuration and the stores of this process are when nobody says so.
//
// Environment variables are ignored in set-uid programs. XDG variables count when they are absolute paths, as the XDG
// base directory specification has it. The home directory is base/settings/effective_user.h's.
#pragma once

#include <string>

namespace vtpm {

/// secure_getenv(3); "" for a variable that is not set.
std::string environment(const char* name);

struct ConfigPlace {
  std::string path;     // of the file; empty: there is none
  std::string problem;  // the end of a sentence: why it cannot be used, or why nobody can know whether it exists
};
/// The first of the files that exists. A file that a variable names must.
ConfigPlace find_config();

struct StorePlace {
  std::string directory;  // empty: nothing yields one
  std::string origin;     // what it was made of, for a person
};
/// Where the stores are when neither the configuration nor $VTPM_PKCS11_STORE names the directory.
StorePlace default_store_place();

}  // namespace vtpm
