// SPDX-License-Identifier: Apache-2.0
// A token: one store, as one process uses it (PKCS#11 3.2, 5.5).
//
// A Token is composed of the login (Login), the objects (Catalogue) and the TPM whose state is in the store
// (device::Machine); it adds only the token's identity. Several processes and threads use one token at the same time.
//
// Locks, outermost first: that of the login (login, logout, changes of PINs); that of the catalogue (the table in
// memory; held for short); that of the login state. A thread inside a change of the store takes neither of the first
// two. Operations with private keys hold none of them.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "base/settings/config.h"
#include "device/machine.h"
#include "pkcs11/token/catalogue.h"
#include "pkcs11/token/identity.h"
#include "pkcs11/token/login.h"
#include "pkcs11/token/login_state.h"
#include "pkcs11/token/store_watch.h"
#include "store/directory/store_directory.h"
#include "store/vault/vault.h"

namespace vtpm::pkcs11 {

class Token {
 public:
  /// C_InitToken: creates the store at `path` (or replaces it), with a new TPM in it, or with the TPM whose permanent
  /// state is `predecessor`, cleared for a new owner (tpm/use/identity.h). Throws Refusal CKR_PIN_LEN_RANGE, Error;
  /// then the old store is unchanged.
  static void initialize(const std::string& path, const Config& config, const Identity& identity, ByteView so_pin,
                         bool replace, ByteView predecessor = {});
  /// Opens the token in a store. Throws Error: kNotAStore, kCorrupt, kTooNew, kIo …
  static std::shared_ptr<Token> open(const std::string& path, const Config& config);
  static std::shared_ptr<Token> open(std::shared_ptr<store::Vault> vault, const Config& config);
  /// The name of the token in a store, for a StoreDirectory. Throws Error: kNotAStore, kCorrupt …
  static store::StoreName name_of(const store::Vault& vault);
  ~Token();

  // --- what it consists of ---

  Login& login() { return login_; }
  const Login& login() const { return login_; }
  Catalogue& catalogue() { return catalogue_; }
  device::Machine& machine() { return machine_; }

  // --- the store ---

  const std::string& path() const { return vault_->path(); }
  const Config& config() const { return config_; }
  /// The settings of the configuration for this token, as they were when it was opened.
  const TokenSettings& settings() const { return settings_; }
  Identity identity() const;
  ByteView uuid() const { return vault_->uuid(); }  // of the store; C_InitToken makes another one
  bool read_only() const { return vault_->read_only(); }
  /// Whether this process is the child of a fork that may not open the store itself (store::Vault::inherited).
  bool inherited() const { return vault_->inherited(); }
  /// Whether the store is still there. Once it was removed or initialized anew, calls in all sessions return
  /// CKR_DEVICE_REMOVED.
  bool present();
  bool removed() const { return watch_.removed(); }
  void mark_removed() { watch_.mark_removed(); }

  // --- fork (child side) ---
  void after_fork_close() noexcept { vault_->after_fork_close(); }
  void after_fork_reopen();
  void make_locks_anew();

 private:
  Token(std::shared_ptr<store::Vault> vault, const Config& config);
  void read_label_again();

  const Config config_;
  const std::shared_ptr<store::Vault> vault_;
  mutable std::mutex identity_mutex_;  // innermost
  Identity identity_;
  const TokenSettings settings_;
  StoreWatch watch_;
  LoginState state_;
  device::Machine machine_;
  Catalogue catalogue_;
  Login login_;
};

}  // namespace vtpm::pkcs11
