// SPDX-License-Identifier: Apache-2.0
#include "tools/find_store.h"

#include <algorithm>
#include <filesystem>
#include <iostream>

#include "base/error.h"
#include "pkcs11/token/model.h"
#include "pkcs11/token/token.h"
#include "tools/configuration.h"
#include "tools/pkcs11_uri.h"
#include "tools/standard_output.h"
#include "tools/usage.h"

namespace vtpm::tools {
namespace {

namespace fs = std::filesystem;
using store::FoundStore;
using store::Standing;

constexpr std::string_view kSuffix = ".vtpm";

bool looks_like_path(const std::string& name) {
  return !is_pkcs11_uri(name) &&
         (name.find('/') != std::string::npos || (name.size() > kSuffix.size() && name.ends_with(kSuffix)));
}

bool is_certainly_path(const std::string& name) {
  std::error_code ignored;
  return (name.starts_with("/") || name.starts_with("./") || name.starts_with("../")) &&
         fs::exists(fs::symlink_status(name, ignored));
}

/// Whether the URI matches the token, by p11-kit's rules.
class UriMatch {
 public:
  explicit UriMatch(const std::string& text) : uri_(text) {}
  bool operator()(const store::StoreName& name) const {
    return uri_.names({.label = name.label,
                       .manufacturer = std::string(pkcs11::kManufacturer),
                       .model = std::string(pkcs11::kModel),
                       .serial = name.serial});
  }

 private:
  Pkcs11Uri uri_;
};

template <typename F>
std::vector<const FoundStore*> matching(const store::StoreDirectory& directory, F&& matches) {
  std::vector<const FoundStore*> found;
  for (const FoundStore& store : directory.stores()) {
    if (store.name && matches(*store.name)) found.push_back(&store);
  }
  return found;
}

/// Whether a name can only be that of a file.
bool is_path(const std::string& name) {
  std::error_code ignored;
  return looks_like_path(name) || fs::exists(fs::symlink_status(name, ignored));
}

std::vector<const FoundStore*> tokens_of(const store::StoreDirectory& directory, const std::string& name) {
  if (is_pkcs11_uri(name)) return matching(directory, UriMatch(name));
  auto found = matching(directory, [&](const store::StoreName& store) { return store.serial == name; });
  if (found.empty()) found = matching(directory, [&](const store::StoreName& store) { return store.label == name; });
  return found;
}

/// A file whose name is a serial number and that cannot be read is that token too.
const FoundStore* unreadable_token(const store::StoreDirectory& directory, const std::string& serial) {
  for (const FoundStore& store : directory.stores()) {
    if (store.standing == Standing::kUnreadable && fs::path(store.path).stem() == serial) return &store;
  }
  return nullptr;
}

/// The token that `name` means, or null. Throws Error if the token is not served, or if several have the label.
const FoundStore* find_token(const store::StoreDirectory& directory, const std::string& name) {
  std::vector<const FoundStore*> found = tokens_of(directory, name);
  const auto served = [](const FoundStore* store) { return store->standing == Standing::kServed; };
  const auto count = std::count_if(found.begin(), found.end(), served);
  if (count == 1) return *std::find_if(found.begin(), found.end(), served);
  if (count > 1) {
    throw Error(ErrorCode::kInvalidArgument,
                "several tokens are called \"" + name + "\": name one by its serial number (vtpm-token list)");
  }
  if (const FoundStore* store = unreadable_token(directory, name)) throw Error(ErrorCode::kCorrupt, store->reason);
  if (!found.empty()) throw Error(ErrorCode::kNotFound, found.front()->reason);
  return nullptr;
}

NamedStore in_directory_of(const std::string& path) {
  NamedStore named;
  named.by_path = true;
  const fs::path parent = fs::path(path).parent_path();
  named.directory = store::store_directory_at(parent.empty() ? "." : parent.string(), pkcs11::Token::name_of);
  named.directory->refresh();
  if (!named.directory->problem().empty()) throw Error(ErrorCode::kIo, named.directory->problem());
  for (const FoundStore& store : named.directory->stores()) {
    if (fs::path(store.path).filename() == fs::path(path).filename()) {
      named.store = store;
      return named;
    }
  }
  throw Error(ErrorCode::kNotFound, "there is no store " + path + " (a store is a file whose name ends in .vtpm)");
}

[[noreturn]] void not_found(const store::StoreDirectory& directory, const std::string& name) {
  if (directory.directory().empty()) {
    throw Error(ErrorCode::kNotFound,
                "there is no token \"" + name + "\", because there is no store directory (vtpm-token list)");
  }
  if (!directory.problem().empty()) throw Error(ErrorCode::kIo, directory.problem());
  const std::string sentence = "there is no token \"" + name + "\" in " + directory.directory();
  std::vector<std::string> labels, quoted;
  for (const FoundStore& store : directory.stores()) {
    if (store.name && store.standing == Standing::kServed) labels.push_back(store.name->label);
  }
  if (labels.empty()) throw UsageError(sentence + ", nor any other (vtpm-token init makes one)");
  constexpr size_t kMost = 12;
  for (const std::string& label : labels) {
    if (quoted.size() < kMost) quoted.push_back('"' + label + '"');
  }
  if (labels.size() > kMost) quoted.push_back(std::to_string(labels.size() - kMost) + " more (vtpm-token list)");
  throw UsageError(sentence + nearly(name, labels) + ": there " + (labels.size() == 1 ? "is " : "are ") +
                   enumerated(quoted));
}

}  // namespace

std::unique_ptr<store::StoreDirectory> store_directory() {
  auto directory = store::store_directory_at(configuration().store_dir, pkcs11::Token::name_of);
  directory->refresh();
  return directory;
}

NamedStore find_store(const std::string& name) {
  if (is_certainly_path(name)) return in_directory_of(name);
  NamedStore named;
  named.directory = store_directory();
  if (const FoundStore* token = find_token(*named.directory, name)) {
    named.store = *token;
    return named;
  }
  if (is_path(name)) return in_directory_of(name);
  not_found(*named.directory, name);
}

void refuse_beside_others(const store::StoreDirectory& directory, const FoundStore& store, const std::string& done) {
  std::string names;
  for (const std::string& path : directory.others_of(store)) names += (names.empty() ? "" : ", ") + path;
  if (names.empty()) return;
  throw Error(ErrorCode::kExists, store.path + " cannot be " + done +
                                      " while there is a copy of the token in the same directory: " + names +
                                      " (delete the copy with vtpm-token delete PATH, or move it away)");
}

std::string path_named(const std::string& name, Access access) {
  if (is_certainly_path(name)) return name;
  std::unique_ptr<store::StoreDirectory> directory;
  try {
    directory = store_directory();
  } catch (const BrokenConfiguration&) {  // a command on a file needs no configuration
    if (is_path(name)) return name;
    throw;
  }
  // A file that is examined or repaired may not be a token any more.
  const auto found = tokens_of(*directory, name);
  const FoundStore* token = found.size() == 1 ? found.front() : nullptr;
  if (!token && found.empty()) token = unreadable_token(*directory, name);
  if (!token) token = find_token(*directory, name);
  if (token) return access == Access::kRead ? token->leads_to : token->path;
  if (is_path(name)) return name;
  not_found(*directory, name);
}

void warn_of_namesakes(const std::string& label, const std::string& own_serial) {
  std::vector<std::string> serials;
  const auto directory = store_directory();
  for (const FoundStore& store : directory->stores()) {
    const bool other = store.name && store.name->serial != own_serial;
    if (other && store.standing == Standing::kServed && store.name->label == label)
      serials.push_back(store.name->serial);
  }
  if (serials.empty()) return;
  std::cerr << "vtpm-token: warning: there is a token \"" << shown(label) << "\" already (serial number "
            << shown(enumerated(serials)) << "): each of them must be named by its serial number\n";
}

std::unique_ptr<store::Vault> open_named(const std::string& name, const store::OpenOptions& options) {
  if (is_certainly_path(name)) return store::Vault::open(name, options);
  const auto directory = store_directory();
  const FoundStore* token = find_token(*directory, name);
  if (!token && is_path(name)) return store::Vault::open(name, options);
  if (!token) not_found(*directory, name);
  directory->close_unused();
  store::OpenOptions how = options;
  how.read_only |= token->is_link;
  return store::Vault::open(token->leads_to, how);
}

}  // namespace vtpm::tools
