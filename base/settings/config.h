// SPDX-License-Identifier: Apache-2.0
// The configuration: one TOML file, read at C_Initialize (docs/man/vtpm-pkcs11.toml.5).
//
// The first that exists of $VTPM_PKCS11_CONF, $XDG_CONFIG_HOME/vtpm-pkcs11/vtpm-pkcs11.toml (or ~/.config/…) and
// /etc/vtpm-pkcs11/vtpm-pkcs11.toml; nothing is merged. Environment variables are ignored in set-uid programs.
//
// A configuration in which anything is wrong is not used at all: whoever wrote `placement = "tpm-only"` must not get
// software keys because of a spelling mistake in another line. The module then serves no token, the tool refuses. Only
// where there is no file and no variable do the defaults hold.
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
/// When the slot that the next C_InitToken takes is listed as one with a token in it, which is not initialised.
/// kUntilAStore: while there is no store; afterwards as a slot without a token.
enum class FreeSlot { kNever, kUntilAStore, kAlways };

/// Something that is wrong with the configuration.
struct ConfigProblem {
  std::string source;   // the path of a file, or an environment variable with its "$"
  uint32_t line = 0;    // from 1; 0: not one place of the file
  uint32_t column = 0;  // from 1, in characters
  std::string reason;   // the end of a sentence

  /// "SOURCE:LINE:COLUMN: reason" or "SOURCE: reason".
  std::string sentence() const;
};

/// A setting that is in force, for a person who wants to know what the module does.
struct Setting {
  std::string table;  // "", "kdf", "[token]" …, as in the header of the table
  std::string key;
  std::variant<bool, int64_t, std::string, std::vector<std::string>> value;
  std::string origin;  // "FILE:LINE", "$VARIABLE", or "default" and what it was made of
};

struct Config {
  std::string file;                     // where it was read from; empty: there is none
  std::vector<ConfigProblem> problems;  // with any of them all that follows has its default, and store_dir is empty
  std::string store_dir;                // absolute; empty: nothing yields a directory
  std::string log;                      // what log_open takes
  LogLevel log_level = LogLevel::kError;
  Placement placement = Placement::kAuto;
  bool public_writes = true;  // token objects by sessions that are not logged in
  FreeSlot free_slot = FreeSlot::kUntilAStore;
  bool list_tpm_objects = false;  // the TPM's own objects too, behind the user's
  uint32_t max_sessions = 4096;
  uint32_t tpm_instances = 8;
  uint32_t lock_timeout = 30;  // seconds that one call waits for locks, all of them together
  bool endorse = true;         // C_InitToken gives the TPM endorsement keys and certificates …
  std::string authority;       // … of the authority in this directory; "": a self-made one, whose key nobody keeps
  bool keep_identity = true;   // C_InitToken on an initialised token keeps the TPM's identity
  Argon2Parameters kdf;
  uint32_t user_limit = 10;         // failed PINs before a lock; 0 = never
  uint32_t so_limit = 0;            // the SO is slowed, never locked: nobody could unlock the token then
  bool empty_pin = false;           // C_InitPIN and C_SetPIN take an empty user PIN: the token then needs no login
  bool change_initial_pin = false;  // a user PIN that the SO sets must be changed by the user
  std::vector<std::string> hidden_mechanisms;  // their names
  std::vector<TokenSettings> tokens;           // one that names a token, else one without a name

  bool broken() const { return !problems.empty(); }
};

/// Reads the configuration that holds for this process now. Never throws because of what is in it: see `problems`.
/// Appends to `settings`, unless it is null, every setting with its value and origin, in the order of the manual page;
/// what they are is meaningful only for a configuration that is not broken.
///
/// `is_mechanism` knows the names that `mechanisms.hidden` may hold. Null: whoever asks has nothing to do with
/// mechanisms, and takes any name.
using MechanismNames = bool (*)(std::string_view name);
Config load_config(MechanismNames is_mechanism, std::vector<Setting>* settings = nullptr);

}  // namespace vtpm
