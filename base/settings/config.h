// SPDX-License-Identifier: Apache-2.0
// The configuration: one TOML file, read at C_Initialize (docs/man/vtpm-pkcs11.toml.5).
//
// The first that exists of $VTPM_PKCS11_CONF, $XDG_CONFIG_HOME/vtpm-pkcs11/vtpm-pkcs11.toml (or ~/.config/…) and
// /etc/vtpm-pkcs11/vtpm-pkcs11.toml; nothing is merged. Environment variables are ignored in set-uid programs.
//
// A configuration with any error is not used at all: a spelling mistake in one line must not turn off
// `placement = "tpm-only"` in another. The module then serves no token, and the tool fails. The defaults apply only
// where there is neither a file nor a variable.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/argon2_parameters.h"
#include "base/settings/log.h"
#include "base/settings/pin_source.h"

namespace vtpm {

enum class Placement { kAuto, kTpmOnly, kSoftware };
/// When the slot that the next C_InitToken uses is listed with an uninitialized token. kUntilAStore: while there is no
/// store; afterwards it is listed without a token.
enum class FreeSlot { kNever, kUntilAStore, kAlways };

/// An error in the configuration.
struct ConfigProblem {
  std::string source;   // the path of a file, or an environment variable with its "$"
  uint32_t line = 0;    // from 1; 0: not at one place of the file
  uint32_t column = 0;  // from 1, in characters
  std::string reason;   // the end of a sentence

  /// "SOURCE:LINE:COLUMN: reason" or "SOURCE: reason".
  std::string sentence() const;
};

/// A setting in force, to be shown to a person.
struct Setting {
  std::string table;  // "", "kdf", "[token]" …, as in the header of the table
  std::string key;
  std::variant<bool, int64_t, std::string, std::vector<std::string>> value;
  std::string origin;  // "FILE:LINE", "$VARIABLE", or "default" and its source
};

struct Config {
  std::string file;  // where it was read from; empty: there is none
  std::vector<ConfigProblem>
      problems;           // if there are any, all other members have their defaults and store_dir is empty
  std::string store_dir;  // absolute; empty: no directory could be determined
  std::string log;        // the argument of log_open
  LogLevel log_level = LogLevel::kError;
  Placement placement = Placement::kAuto;
  bool public_writes = true;  // sessions without login may write token objects
  FreeSlot free_slot = FreeSlot::kUntilAStore;
  bool list_tpm_objects = false;  // listings contain the TPM's own objects, after the user's
  uint32_t max_sessions = 4096;
  uint32_t tpm_instances = 8;
  uint32_t lock_timeout = 30;  // seconds that one call waits in total for locks
  bool endorse = true;         // C_InitToken gives the TPM endorsement keys and certificates …
  std::string authority;       // … of the authority in this directory; "": a self-made one, whose key is deleted
  bool keep_identity = true;   // C_InitToken on an initialized token keeps the TPM's identity
  Argon2Parameters kdf;
  uint32_t user_limit = 10;         // failed PINs before a lock; 0 = never
  uint32_t so_limit = 0;            // 0: the SO is delayed, not locked, since a locked SO cannot be unlocked
  bool empty_pin = false;           // C_InitPIN and C_SetPIN accept an empty user PIN: the token then needs no login
  bool change_initial_pin = false;  // a user PIN that the SO sets must be changed by the user
  std::vector<std::string> hidden_mechanisms;  // their names
  std::vector<TokenSettings> tokens;           // see settings_for

  bool broken() const { return !problems.empty(); }
};

/// Reads the configuration that applies to this process now. Errors in it do not throw: see `problems`. Appends to
/// `settings`, unless it is null, every setting with its value and origin, in the order of the manual page; they are
/// meaningful only if the configuration is not broken.
///
/// `is_mechanism` returns whether `mechanisms.hidden` may contain a name. Null: any name is accepted.
using MechanismNames = bool (*)(std::string_view name);
Config load_config(MechanismNames is_mechanism, std::vector<Setting>* settings = nullptr);

}  // namespace vtpm
