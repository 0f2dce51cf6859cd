#include "tools/find_store.h"

#include <p11-kit/uri.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "crypto/error.h"
#include "pkcs11/token.h"
#include "pkcs11/token_model.h"
#include "tools/configuration.h"

namespace vtpm::tools {
namespace {

namespace fs = std::filesystem;
using store::FoundStore;
using store::Standing;

constexpr std::string_view kSuffix = ".vtpm";

bool is_uri(const std::string& name) { return name.starts_with("pkcs11:"); }

bool looks_like_path(const std::string& name) {
  return !is_uri(name) &&
         (name.find('/') != std::string::npos || (name.size() > kSuffix.size() && name.ends_with(kSuffix)));
}

bool is_certainly_path(const std::string& name) {
  std::error_code ignored;
  return (name.starts_with("/") || name.starts_with("./") || name.starts_with("../")) &&
         fs::exists(fs::symlink_status(name, ignored));
}

/// Whether the URI names the token, as p11-kit sees it.
class UriMatch {
 public:
  explicit UriMatch(const std::string& text) : uri_(p11_kit_uri_new(), p11_kit_uri_free) {
    if (!uri_) throw std::bad_alloc();
    if (p11_kit_uri_parse(text.c_str(), P11_KIT_URI_FOR_OBJECT_ON_TOKEN, uri_.get()) != P11_KIT_URI_OK)
      throw Error(ErrorCode::kInvalidArgument, "\"" + text + "\" is not a pkcs11: URI");
  }
  bool operator()(const store::StoreName& name) const {
    CK_TOKEN_INFO info{};
    fill(info.label, name.label);
    fill(info.serialNumber, name.serial);
    fill(info.manufacturerID, pkcs11::kManufacturer);
    fill(info.model, pkcs11::kModel);
    return p11_kit_uri_match_token_info(uri_.get(), &info) == 1;
  }

 private:
  template <size_t N>
  static void fill(unsigned char (&field)[N], std::string_view text) {
    std::memset(field, ' ', N);
    std::memcpy(field, text.data(), std::min(text.size(), N));
  }
  std::unique_ptr<P11KitUri, decltype(&p11_kit_uri_free)> uri_;
};

template <typename F>
std::vector<const FoundStore*> matching(const store::StoreDirectory& directory, F&& matches) {
  std::vector<const FoundStore*> found;
  for (const FoundStore& store : directory.stores()) {
    if (store.name && matches(*store.name)) found.push_back(&store);
  }
  return found;
}

std::vector<const FoundStore*> tokens_of(const store::StoreDirectory& directory, const std::string& name) {
  if (is_uri(name)) return matching(directory, UriMatch(name));
  auto found = matching(directory, [&](const store::StoreName& store) { return store.serial == name; });
  if (found.empty()) found = matching(directory, [&](const store::StoreName& store) { return store.label == name; });
  return found;
}

/// The token that `name` means; null when there is none. Throws Error when it is not served, or one of several.
const FoundStore* find_token(const store::StoreDirectory& directory, const std::string& name) {
  std::vector<const FoundStore*> found = tokens_of(directory, name);
  const auto served = [](const FoundStore* store) { return store->standing == Standing::kServed; };
  const auto count = std::count_if(found.begin(), found.end(), served);
  if (count == 1) return *std::find_if(found.begin(), found.end(), served);
  if (count > 1) {
    throw Error(ErrorCode::kInvalidArgument,
                "several tokens are called \"" + name + "\": name one by its serial number (vtpm-token list)");
  }
  // A file that is named by a serial and can not be read is that token too.
  for (const FoundStore& store : directory.stores()) {
    if (store.standing == Standing::kUnreadable && fs::path(store.path).stem() == name)
      throw Error(ErrorCode::kCorrupt, store.reason);
  }
  if (!found.empty()) throw Error(ErrorCode::kNotFound, found.front()->reason);
  return nullptr;
}

NamedStore in_directory_of(const std::string& path) {
  NamedStore named;
  named.by_path = true;
  const fs::path parent = fs::path(path).parent_path();
  named.directory =
      std::make_unique<store::StoreDirectory>(parent.empty() ? "." : parent.string(), pkcs11::Token::name_of);
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
  throw Error(ErrorCode::kNotFound,
              "there is no token \"" + name + "\" in " + directory.directory() + " (vtpm-token list)");
}

}  // namespace

std::unique_ptr<store::StoreDirectory> store_directory() {
  auto directory = std::make_unique<store::StoreDirectory>(configuration().store_dir, pkcs11::Token::name_of);
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
  if (looks_like_path(name)) return in_directory_of(name);
  not_found(*named.directory, name);
}

void refuse_beside_others(const store::StoreDirectory& directory, const FoundStore& store, const std::string& done) {
  std::string names;
  for (const std::string& path : directory.others_of(store)) names += (names.empty() ? "" : ", ") + path;
  if (names.empty()) return;
  throw Error(ErrorCode::kExists, store.path + " can not be " + done + " while a copy of the token lies beside it: " +
                                      names + " (vtpm-token delete PATH, or move it to another directory)");
}

std::unique_ptr<store::Vault> open_named(const std::string& name, const store::OpenOptions& options) {
  if (is_certainly_path(name)) return store::Vault::open(name, options);
  const auto directory = store_directory();
  const FoundStore* token = find_token(*directory, name);
  if (!token && looks_like_path(name)) return store::Vault::open(name, options);
  if (!token) not_found(*directory, name);
  directory->close_unused();
  store::OpenOptions how = options;
  how.read_only |= token->is_link;
  return store::Vault::open(token->leads_to, how);
}

}  // namespace vtpm::tools
