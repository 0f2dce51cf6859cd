// SPDX-License-Identifier: Apache-2.0
// Which store a name on the command line means. The stores, and the rules which of them is a token, are the module's
// (store/directory/store_directory.h).
//
// A name is, in this order:
//   1. a pkcs11: URI;
//   2. a path that begins with "/", "./" or "../", when something is there;
//   3. the serial number of a token;
//   4. the label of a token, which may have a '/' in it or end in ".vtpm";
//   5. any other path: it has a '/', ends in ".vtpm", or something is there.
// So every token can be named by its serial number or by a URI, whatever its label is, and every file by "./".
#pragma once

#include <memory>
#include <string>

#include "store/directory/store_directory.h"

namespace vtpm::tools {

/// The configured store directory, looked at now.
std::unique_ptr<store::StoreDirectory> store_directory();

/// A store in its directory.
struct NamedStore {
  std::unique_ptr<store::StoreDirectory> directory;  // the configured one, or the one of the path
  store::FoundStore store;
  bool by_path = false;
};
/// By the rules above. A token that is not served is found by its path only. Throws UsageError, with what there is,
/// when there is no such token, and Error: kNotFound, kInvalidArgument when several tokens have the label.
NamedStore find_store(const std::string& name);

/// Throws Error kExists when other files have the serial number of `store`, and names them: with the store `done`
/// ("deleted") one of them would be the token.
void refuse_beside_others(const store::StoreDirectory& directory, const store::FoundStore& store,
                          const std::string& done);

/// The file that `name` means by the rules above, for what works below tokens: it need not be one, nor be readable. Of
/// a link that stands in the directory the file that it leads to, unless it is to be written. Throws what find_store
/// throws.
enum class Access { kRead, kWrite };
std::string path_named(const std::string& name, Access access);

/// Says on standard error which other tokens have this label already.
void warn_of_namesakes(const std::string& label, const std::string& own_serial = "");

/// Opens the store that `name` means. A file that is named by its path is opened whatever it is called; a link that
/// stands in the directory is opened read-only. Throws what find_store and Vault::open throw.
std::unique_ptr<store::Vault> open_named(const std::string& name, const store::OpenOptions& options = {});

}  // namespace vtpm::tools
