// The configuration: one TOML file, read at C_Initialize (docs/man/vtpm-pkcs11.toml.5).
//
// The first that exists of $VTPM_PKCS11_CONF, $XDG_CONFIG_HOME/vtpm-pkcs11/vtpm-pkcs11.toml (or ~/.config/…) and
// /etc/vtpm-pkcs11/vtpm-pkcs11.toml; nothing is merged. Environment variables are ignored in set-uid programs. A file
// that does not parse never breaks the host application: the defaults hold, and `problem` says what is wrong.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "crypto/kdf.h"
#include "pkcs11/log.h"
#include "pkcs11/pin_source.h"

namespace vtpm::pkcs11 {

enum class Placement { kAuto, kTpmOnly, kSoftware };

struct Config {
  std::string file;       // where it was read from; empty: defaults
  std::string problem;    // a sentence when something in it is wrong
  std::string store_dir;  // absolute
  std::string log;        // what log_open takes
  LogLevel log_level = LogLevel::kError;
  Placement placement = Placement::kAuto;
  bool public_writes = true;  // token objects by sessions that are not logged in
  bool free_slot = true;      // show an uninitialised slot for C_InitToken
  uint32_t max_sessions = 4096;
  uint32_t tpm_instances = 8;
  uint32_t lock_timeout = 30;  // seconds that one call waits for locks, all of them together
  bool endorse = true;         // C_InitToken gives the TPM endorsement keys and certificates …
  std::string authority;       // … of the authority in this directory; "": a self-made one, whose key nobody keeps
  bool keep_identity = true;   // C_InitToken on an initialised token keeps the TPM's identity
  crypto::Argon2Parameters kdf;
  uint32_t user_limit = 10;           // failed PINs before a lock; 0 = never
  uint32_t so_limit = 0;              // the SO is slowed, never locked: nobody could unlock the token then
  bool empty_pin = false;             // C_InitPIN and C_SetPIN take an empty user PIN: the token then needs no login
  bool change_initial_pin = false;    // a user PIN that the SO sets must be changed by the user
  std::vector<TokenSettings> tokens;  // one that names a token, else one without a name
};

Config load_config();

}  // namespace vtpm::pkcs11
