// SPDX-License-Identifier: Apache-2.0
// A store opened below PKCS#11, by whichever of its secrets the command line names: for what is about keys, not
// objects.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "store/vault/vault.h"
#include "tools/key_options.h"
#include "tools/secret_source.h"

namespace vtpm::tools {

/// A secret of a role, from wherever it comes: typed, a file's first line, a descriptor, a credential, a key file.
struct RoleSecret {
  SecretSource pin;
  KeyOptions key;

  /// `role` kKeyfile: the bytes of the key file; else a line, asked for twice when `confirm`. Throws Error when there
  /// is none.
  SecretBytes read(store::Role role, bool confirm) const;
};

/// What opens a store.
struct OpenOptions {
  std::string store;     // a path, or what names a token
  std::string as;        // "user", "so", "keyfile"; empty: user, or keyfile where a key is named
  bool is_file = false;  // `store` is a path, whatever it looks like
  RoleSecret secret;

  OpenOptions();
  void add_to(CLI::App& command);  // both of the next two
  void add_store_to(CLI::App& command);
  void add_secrets_to(CLI::App& command);
  /// The store, not unlocked. Throws what open_named throws.
  std::unique_ptr<store::Vault> open(const store::OpenOptions& options = {}) const;
  store::Role role() const;
  /// Whether any of the options that name a secret is there.
  bool secret_given() const;
};

/// A store that a secret has opened.
struct OpenedStore {
  std::unique_ptr<store::Vault> vault;
  store::Role role = store::Role::kUser;
  SecretBytes secret;  // empty for a raw key
  bool raw = false;
};

/// Opens and unlocks. `read_only`: the file stays as it is, and the attempt is not counted. `any_ending`: also a file
/// whose end is missing. Throws Error: kAuthFailed
/// with what is left of the attempts, and whatever Vault::open throws.
OpenedStore open_store(const OpenOptions& options, bool read_only = false, bool any_ending = false);
/// Throws Error where `typed` is, but for one symbol or two neighbours that have changed places, a recovery phrase; the
/// sentence ends with `advice`.
void refuse_mistyped(ByteView typed, const std::string& advice = "");
/// Throws Error for every result but kUnlocked.
void require_unlocked(store::UnlockResult result, const store::Vault& vault, store::Role role);
bool has_raw_key(const store::Vault& vault);
/// 4 to 255 bytes, what C_Login takes, for the roles that log in with it. Throws Error.
void require_pin_length(store::Role role, ByteView secret);

}  // namespace vtpm::tools
