// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/token/token.h"

#include "base/locks_after_fork.h"
#include "base/settings/log.h"
#include "crypto/library/want_of_memory.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/token/endorser.h"
#include "pkcs11/token/records.h"

namespace vtpm::pkcs11 {

using store::Role;

// --- making and opening ---

void Token::initialize(const std::string& path, const Config& config, const Identity& identity, ByteView so_pin,
                       bool replace, ByteView predecessor) {
  if (!replace) check_pin_length(so_pin);  // the PIN of an existing token is the one that opened it
  store::CreateOptions options;
  options.kdf = config.kdf;
  options.replace = replace;
  options.created = identity.created;
  options.attempt_limits = {{Role::kUser, config.user_limit}, {Role::kSo, config.so_limit}};
  const Endorser endorser(config);  // reads the authority's files before anything is created
  const NewTpm tpm = endorser.make(predecessor);
  store::Vault::create(path, options, {{Role::kSo, so_pin}}, [&](store::Transaction& transaction) {
    put_identity(transaction, identity);
    device::Machine::place(transaction, device::kFirstMachine, tpm.state);
    for (const Attributes& object : tpm.shown) put_tpm_object(transaction, object);
  });
}

store::StoreName Token::name_of(const store::Vault& vault) {
  const Identity identity = read_identity(vault);
  return {identity.serial, trimmed(identity.label), identity.slot};
}

std::shared_ptr<Token> Token::open(const std::string& path, const Config& config) {
  return open(store::Vault::open(path), config);
}

std::shared_ptr<Token> Token::open(std::shared_ptr<store::Vault> vault, const Config& config) {
  vault->expect_cost(config.kdf);
  vault->report_to([](const std::string& sentence) { log_line_or_syslog(LogLevel::kWarning, sentence); });
  std::shared_ptr<Token> token(new Token(std::move(vault), config));
  for (const std::string& finding : token->vault_->findings())
    log_line(LogLevel::kWarning, token->path() + ": " + finding);
  return token;
}

Token::Token(std::shared_ptr<store::Vault> vault, const Config& config)
    : config_(config),
      vault_(std::move(vault)),
      identity_(read_identity(*vault_)),
      settings_(settings_for(config_.tokens, identity_.label, identity_.serial)),
      watch_(vault_),
      machine_(vault_),
      catalogue_({*vault_, watch_, state_, machine_, [this] { read_label_again(); }}),
      login_({*vault_, state_, machine_, catalogue_, config_, settings_}) {}

Token::~Token() = default;

Identity Token::identity() const {
  std::lock_guard lock(identity_mutex_);
  return identity_;
}

// Of the identity only the label can change. The settings of the configuration for the token stay those of the time
// when it was opened.
void Token::read_label_again() {
  try {
    std::string label = read_identity(*vault_).label;
    std::lock_guard lock(identity_mutex_);
    identity_.label = std::move(label);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kNoMemory || crypto::wanted_memory()) throw;
    log_line(LogLevel::kWarning, path() + ": the label is shown as it was: " + error.sentence());
  }
}

bool Token::present() {
  try {
    catalogue_.refresh();
    return true;
  } catch (const Refusal&) {
    return false;
  } catch (const Error& error) {  // a file that cannot be read now still exists
    const bool is_there =
        error.code() == ErrorCode::kIo || error.code() == ErrorCode::kCorrupt || error.code() == ErrorCode::kNotAStore;
    if (!is_there) throw;
    log_line(LogLevel::kError, error.sentence());
    return true;
  }
}

// --- fork ---

void Token::make_locks_anew() {
  login_.make_locks_anew();
  catalogue_.make_locks_anew();
}

void Token::after_fork_reopen() {
  make_locks_anew();
  vault_->after_fork_reopen();
  machine_.after_fork();
}

}  // namespace vtpm::pkcs11
