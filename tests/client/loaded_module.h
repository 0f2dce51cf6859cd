// SPDX-License-Identifier: Apache-2.0
// A PKCS#11 module as an application uses it: loaded at run time, called through its function list.
//
// The small programs of the client tests use it, which shell scripts start and kill: on an unexpected result it prints
// a sentence and exits with status 2. The user PIN comes from the environment variable PIN.
#pragma once

#include <string>
#include <vector>

#include "pkcs11/cryptoki/functions.h"

namespace vtpm::client {

[[noreturn]] void give_up(const std::string& sentence);
/// "CKR_TOKEN_NOT_RECOGNIZED".
std::string result_name(CK_RV result);
/// Prints a sentence and exits unless `result` is CKR_OK.
void must(CK_RV result, const char* function);

class LoadedModule {
 public:
  /// Loads and initializes the module.
  explicit LoadedModule(const char* path);
  /// C_Finalize; the library stays mapped, as with every real client that exits.
  ~LoadedModule();
  LoadedModule(const LoadedModule&) = delete;
  LoadedModule& operator=(const LoadedModule&) = delete;

  CK_FUNCTION_LIST* operator->() const { return functions_; }

  std::vector<CK_SLOT_ID> slots() const;
  /// A read/write session with the initialized token of that label.
  CK_SESSION_HANDLE open(const std::string& token_label) const;
  void log_in(CK_SESSION_HANDLE session) const;

 private:
  CK_FUNCTION_LIST* functions_ = nullptr;
};

/// Every object that matches; each C_FindObjects asks for several.
std::vector<CK_OBJECT_HANDLE> find(const LoadedModule& module, CK_SESSION_HANDLE session,
                                   std::vector<CK_ATTRIBUTE> pattern);

/// Generates a P-256 key pair on the token under a CKA_ID.
struct KeyPair {
  CK_OBJECT_HANDLE public_key = 0, private_key = 0;
};
KeyPair generate_ec(const LoadedModule& module, CK_SESSION_HANDLE session, std::string id);
/// Signs 32 bytes with CKM_ECDSA and verifies with the public half.
void sign_and_verify(const LoadedModule& module, CK_SESSION_HANDLE session, const KeyPair& keys);

}  // namespace vtpm::client
