// SPDX-License-Identifier: Apache-2.0
// A token: one store and what this process makes of it.
//
// It composes who is logged in (Login), the objects (Catalogue) and the TPM whose state lives in the store
// (device::Machine), and knows itself only what the store is called. Many processes and threads use one token.
//
// Locks, outermost first: the login's (login, logout, changes of PINs), the catalogue's (the table in memory; held for
// short), the login state's. A thread inside a change of the store takes neither of the first two. Private-key
// operations hold none of them.
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
  /// What C_InitToken does: creates the store (or replaces it), with a new TPM inside, or with the one whose state
  /// `predecessor` is, cleared for a new owner (tpm/use/identity.h). Throws Refusal CKR_PIN_LEN_RANGE, Error.
  static void initialize(const std::string& path, const Config& config, const Identity& identity, ByteView so_pin,
                         bool replace, ByteView predecessor = {});
  /// Throws Error: kNotAStore, kCorrupt, kTooNew, kIo …
  static std::shared_ptr<Token> open(const std::string& path, const Config& config);
  static std::shared_ptr<Token> open(std::shared_ptr<store::Vault> vault, const Config& config);
  /// What a store says of the token in it, for a StoreDirectory. Throws Error: kNotAStore, kCorrupt …
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
  /// What the configuration says about this token.
  const TokenSettings& settings() const { return settings_; }
  Identity identity() const;
  ByteView uuid() const { return vault_->uuid(); }  // of the store: another one after C_InitToken
  bool read_only() const { return vault_->read_only(); }
  /// This process is the child of a fork, and may not open the store: see store::Vault::inherited.
  bool inherited() const { return vault_->inherited(); }
  /// False once the store was removed or initialized anew; all sessions then answer CKR_DEVICE_REMOVED.
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
