// SPDX-License-Identifier: Apache-2.0
// Finds the store that a name on the command line means. Which stores exist, and which of them are tokens, is decided
// as in the module (store/directory/store_directory.h).
//
// A name is, in this order:
//   1. a pkcs11: URI;
//   2. a path that begins with "/", "./" or "../", if it exists;
//   3. the serial number of a token;
//   4. the label of a token, which may contain '/' or end in ".vtpm";
//   5. any other path that contains '/', ends in ".vtpm", or exists.
// Every token can thus be named by its serial number or a URI, whatever its label is, and every file with "./".
#pragma once

#include <memory>
#include <string>

#include "store/directory/store_directory.h"

namespace vtpm::tools {

/// The configured store directory, read now.
std::unique_ptr<store::StoreDirectory> store_directory();

/// A store and its directory.
struct NamedStore {
  std::unique_ptr<store::StoreDirectory> directory;  // the configured one, or the one of the path
  store::FoundStore store;
  bool by_path = false;
};
/// Finds a store by the rules above. A token that is not served is found by its path only. Throws UsageError, which
/// names the existing tokens, if there is no such token; Error kNotFound if there is no such file; kInvalidArgument if
/// several tokens have the label.
NamedStore find_store(const std::string& name);

/// Throws Error kExists, which names the files, if other files have the serial number of `store`: once the store is
/// `done` ("deleted"), one of them would become the token.
void refuse_beside_others(const store::StoreDirectory& directory, const store::FoundStore& store,
                          const std::string& done);

/// The path of the file that `name` means by the rules above, for commands on files: it need not be a token, nor be
/// readable. For a link in the directory it is the target, unless it is to be written. Throws what find_store throws.
enum class Access { kRead, kWrite };
std::string path_named(const std::string& name, Access access);

/// Prints a warning to standard error that names the other tokens with this label.
void warn_of_namesakes(const std::string& label, const std::string& own_serial = "");

/// Opens the store that `name` means. A file that is named by its path may have any name; a link in the directory is
/// opened read-only. Throws what find_store and Vault::open throw.
std::unique_ptr<store::Vault> open_named(const std::string& name, const store::OpenOptions& options = {});

}  // namespace vtpm::tools
