// SPDX-License-Identifier: Apache-2.0
// A token of some PKCS#11 module, for measuring through the C functions as an application calls them.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "tests/client/loaded_module.h"

namespace vtpm::bench {

/// A directory for the stores of both modules, with a configuration for each, which the environment names. It is
/// removed at exit.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

class BenchToken {
 public:
  /// Loads the module, makes a token, logs the user in.
  explicit BenchToken(const char* module_path);

  CK_SESSION_HANDLE open() const { return module_.open(kLabel); }
  void close(CK_SESSION_HANDLE session) const { client::must(module_->C_CloseSession(session), "C_CloseSession"); }
  void login() const { module_.log_in(session_); }
  void logout() const { client::must(module_->C_Logout(session_), "C_Logout"); }
  CK_SESSION_HANDLE session() const { return session_; }
  const client::LoadedModule& module() const { return module_; }

  /// A key pair on the token, as C_GenerateKeyPair makes it.
  void rsa(CK_ULONG bits, std::string label) const;
  void ec(const std::string& parameters, std::string label) const;

  /// C_SignInit and C_Sign.
  void sign(CK_SESSION_HANDLE session, CK_MECHANISM_TYPE mechanism, CK_OBJECT_HANDLE key,
            const std::string& input) const;
  /// CKM_ECDH1_DERIVE without a KDF, with the key's own public point: a session secret, made and destroyed.
  void derive(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, const std::string& point) const;
  /// The public point of that label's key pair, uncompressed.
  std::string point(CK_SESSION_HANDLE session, std::string label) const;
  /// The private key of that label; handles do not outlive a logout.
  CK_OBJECT_HANDLE private_key(CK_SESSION_HANDLE session, std::string label) const;

 private:
  static constexpr const char* kLabel = "bench";
  void generate(CK_MECHANISM_TYPE type, CK_ATTRIBUTE size, CK_ATTRIBUTE_TYPE usage, std::string label) const;
  CK_OBJECT_HANDLE key(CK_SESSION_HANDLE session, CK_OBJECT_CLASS type, std::string label) const;

  client::LoadedModule module_;
  CK_SESSION_HANDLE session_ = 0;
};

/// DER OBJECT IDENTIFIERs (RFC 5480, 2.1.1.1).
inline const std::string kP256("\x06\x08\x2A\x86\x48\xCE\x3D\x03\x01\x07", 10);
inline const std::string kP384("\x06\x05\x2B\x81\x04\x00\x22", 7), kP521("\x06\x05\x2B\x81\x04\x00\x23", 7);

}  // namespace vtpm::bench
