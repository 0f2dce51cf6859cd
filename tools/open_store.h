// SPDX-License-Identifier: Apache-2.0
// Opens a store below PKCS#11, with the secret that the command line names, for commands on key slots and entries.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "store/vault/vault.h"
#include "tools/key_options.h"
#include "tools/secret_source.h"

namespace vtpm::tools {

/// The secret of a role from one of its sources: the terminal, a file's first line, a descriptor, a credential, a key
/// file.
struct RoleSecret {
  SecretSource pin;
  KeyOptions key;

  /// Reads the key file for kKeyfile, and a line for other roles, which the terminal asks for twice if `confirm`.
  /// Throws Error if there is no source.
  SecretBytes read(store::Role role, bool confirm) const;
};

/// The options that name a store and the secret that opens it.
struct OpenOptions {
  std::string store;     // a path, or a name of a token
  std::string as;        // "user", "so", "keyfile"; empty: user, or keyfile if a key file is named
  bool is_file = false;  // `store` is always a path
  RoleSecret secret;

  OpenOptions();
  void add_to(CLI::App& command);  // adds the options of the next two functions
  void add_store_to(CLI::App& command);
  void add_secrets_to(CLI::App& command);
  /// Opens the store without unlocking it. Throws what open_named throws.
  std::unique_ptr<store::Vault> open(const store::OpenOptions& options = {}) const;
  store::Role role() const;
  /// Whether any option that names a secret is given.
  bool secret_given() const;
};

/// A store that was opened with a secret.
struct OpenedStore {
  std::unique_ptr<store::Vault> vault;
  store::Role role = store::Role::kUser;
  SecretBytes secret;  // empty if a raw key opened the store
  bool raw = false;
};

/// Opens and unlocks a store. With `read_only` the file is not changed, and the attempt is not charged. With
/// `any_ending` the end of the file may be missing. Throws Error: kAuthFailed, with the number of attempts that are
/// left, and what Vault::open throws.
OpenedStore open_store(const OpenOptions& options, bool read_only = false, bool any_ending = false);
/// Throws Error if `typed` differs from a valid recovery phrase by one symbol or by two exchanged neighbours; the
/// sentence ends with `advice`.
void refuse_mistyped(ByteView typed, const std::string& advice = "");
/// Throws Error for every result but kUnlocked.
void require_unlocked(store::UnlockResult result, const store::Vault& vault, store::Role role);
bool has_raw_key(const store::Vault& vault);
/// Throws Error unless the secret of a role that logs in has 4 to 255 bytes, as C_Login requires.
void require_pin_length(store::Role role, ByteView secret);

}  // namespace vtpm::tools
