// SPDX-License-Identifier: Apache-2.0
#include "tools/open_store.h"

#include <algorithm>

#include "base/error.h"
#include "pkcs11/token/token.h"
#include "store/vault/recovery_phrase.h"
#include "tools/configuration.h"
#include "tools/find_store.h"

namespace vtpm::tools {
namespace {

using store::Role;
using store::UnlockResult;

const char* prompt_of(Role role) {
  return role == Role::kSo ? "SO PIN" : role == Role::kRecovery ? "Recovery phrase" : "User PIN or recovery phrase";
}

bool has_phrases(const store::Vault& vault) {
  const auto slots = vault.slots();
  return std::any_of(slots.begin(), slots.end(), [](const auto& slot) { return slot.role == Role::kRecovery; });
}

// A PIN may look like a mistyped phrase.
std::string hint_at_phrase(const store::Vault& vault, ByteView typed) {
  const bool mistyped = store::read_recovery_phrase(typed).verdict == store::PhraseReading::Verdict::kMistyped;
  return mistyped && has_phrases(vault) ? "; it reads like a recovery phrase with more than one wrong symbol" : "";
}

}  // namespace

void refuse_mistyped(ByteView typed, const std::string& advice) {
  const store::PhraseReading reading = store::read_recovery_phrase(typed);
  if (reading.verdict != store::PhraseReading::Verdict::kMistyped || !reading.group) return;
  throw Error(ErrorCode::kInvalidArgument, "the recovery phrase is mistyped in its group " +
                                               std::to_string(*reading.group) + "; nothing was tried" + advice);
}

SecretBytes RoleSecret::read(Role role, bool confirm) const {
  if (role == Role::kKeyfile) {
    if (key.given()) return key.bytes();
    throw Error(ErrorCode::kInvalidArgument, "a key file is needed: name it, or an open descriptor");
  }
  SecretSource source = pin;
  if (source.prompt.empty()) source.prompt = prompt_of(role);
  if (source.credential.empty()) source.credential = role == Role::kSo ? "vtpm.so-pin" : "vtpm.user-pin";
  if (role != Role::kUser) source.empty = SecretSource::Empty::kNever;
  auto secret = source.read(confirm);
  if (!secret) {
    throw Error(ErrorCode::kInvalidArgument,
                "a secret is needed (" + source.prompt + "): name a file or a descriptor, or use a terminal");
  }
  return std::move(*secret);
}

OpenOptions::OpenOptions() { secret.pin = {"", "", "", -1}; }

void OpenOptions::add_to(CLI::App& command) {
  add_store_to(command);
  add_secrets_to(command);
}

void OpenOptions::add_store_to(CLI::App& command) {
  command.add_option("store", store, "The token (label, serial number, pkcs11: URI) or the store file")
      ->type_name("TOKEN|FILE")
      ->required();
}

void OpenOptions::add_secrets_to(CLI::App& command) {
  command.add_option("--as", as, "Whose secret opens the store: user (or a recovery phrase), so, keyfile")
      ->type_name("ROLE")
      ->check(CLI::IsMember({"user", "so", "keyfile"}));
  add_secret(command, secret.pin, "pin", "that PIN or phrase");
  secret.key.add_to(command, "key", "The key file that opens the store, or a raw-key store's key", true);
}

Role OpenOptions::role() const {
  if (secret.key.given() && as.empty()) return Role::kKeyfile;
  return store::role_of(as).value_or(Role::kUser);
}

std::unique_ptr<store::Vault> OpenOptions::open(const store::OpenOptions& options) const {
  auto vault = is_file ? store::Vault::open(store, options) : open_named(store, options);
  vault->expect_cost(configuration().kdf);
  return vault;
}

bool OpenOptions::secret_given() const {
  return !as.empty() || secret.key.given() || !secret.pin.file.empty() || secret.pin.descriptor >= 0;
}

bool has_raw_key(const store::Vault& vault) {
  for (const store::KeySlotInfo& slot : vault.slots()) {
    if (slot.kdf.compare(0, 3, "raw") == 0) return true;
  }
  return false;
}

void require_unlocked(UnlockResult result, const store::Vault& vault, Role role) {
  const std::string name(store::role_name(role));
  const store::Attempts attempts = vault.attempts(role);
  switch (result) {
    case UnlockResult::kUnlocked:
      return;
    case UnlockResult::kWrongSecret:
      throw Error(ErrorCode::kAuthFailed,
                  "the secret opens no key slot of the role " + name + " in " + vault.path() +
                      (attempts.limit == 0
                           ? ""
                           : "; " + std::to_string(attempts.limit - std::min(attempts.limit, attempts.failures)) +
                                 " more attempts are left"));
    case UnlockResult::kLockedOut:
      throw Error(ErrorCode::kAuthFailed,
                  vault.path() + " is locked for the role " + name +
                      " after too many wrong secrets: the SO can set a new user PIN, or a recovery phrase "
                      "can (vtpm-token pin unblock --recovery)");
    case UnlockResult::kNoSlot:
      throw Error(ErrorCode::kNotFound, vault.path() + " has no key slot of the role " + name);
  }
}

OpenedStore open_store(const OpenOptions& options, bool read_only, bool any_ending) {
  OpenedStore opened;
  opened.vault = options.open({read_only, nullptr, any_ending});
  store::Vault& vault = *opened.vault;
  if (vault.cipher() == store::Cipher::kNone) {
    throw Error(ErrorCode::kUnsupported, vault.path() + " is clear text: it has no key and no key slots");
  }
  if (has_raw_key(vault)) {
    opened.raw = true;
    if (!options.secret.key.given()) vault.require_raw(nullptr);
    const store::RawKey key = options.secret.key.raw_key();
    vault.require_raw(&key);
    return opened;
  }
  opened.role = options.role();
  opened.secret = options.secret.read(opened.role, /*confirm=*/false);
  // A typing error in a phrase is detected before the secret is tried, and costs no attempt.
  if (opened.role == Role::kUser && options.as.empty() && has_phrases(vault))
    refuse_mistyped(opened.secret, " (if it is a PIN: --as user)");
  const store::Attempts before = vault.attempts(opened.role);
  const bool locked = before.limit != 0 && before.failures >= before.limit;
  const UnlockResult result = vault.unlock(opened.role, opened.secret);
  try {
    // If the user is locked, only a recovery phrase is tried, which has a counter of its own.
    const bool by_phrase = locked && opened.role == Role::kUser && result == UnlockResult::kWrongSecret;
    require_unlocked(result, vault, by_phrase ? Role::kRecovery : opened.role);
  } catch (const Error& error) {
    throw Error(error.code(), error.sentence() + hint_at_phrase(vault, opened.secret));
  }
  return opened;
}

void require_pin_length(Role role, ByteView secret) {
  if (role == Role::kKeyfile) return;
  if (secret.size() >= pkcs11::kPinLeast && secret.size() <= pkcs11::kPinMost) return;
  throw Error(ErrorCode::kInvalidArgument,
              "a PIN or phrase must have 4 to 255 bytes; this one has " + std::to_string(secret.size()));
}

}  // namespace vtpm::tools
