// SPDX-License-Identifier: Apache-2.0
// For every function one call that succeeds: a token with keys of every kind, and calls that work with it. Tests use it
// to show what happens when the host fails in the middle of a call.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/conformance/harness/keys.h"
#include "tests/conformance/harness/message_parameter.h"

namespace vtpm::conformance {

struct Work {
  std::string function;
  std::function<void()> prepare;  // the preparation of the call; throws if it fails
  std::function<CK_RV()> call;    // returns CKR_OK
  size_t makes = 0;               // the number of new objects, which have the label "made"
  bool dear = false;              // the call runs the KDF of a PIN
};

class Workshop : public WithUser {
 protected:
  Workshop();
  /// Entries that could not be synced are written again with the next change, and nothing is read until then
  /// (docs/format.md).
  void heal();
  /// Restores the state before the call: no active operation, no new objects, the user logged in.
  void tidy();
  /// Checks that every object that existed before exists and works.
  void expect_intact();
  std::vector<CK_OBJECT_HANDLE> made() { return session.find({{CKA_LABEL, "made"}}); }
  const std::vector<Work>& all() const { return works_; }

 private:
  void add(const char* function, std::function<void()> prepare, std::function<CK_RV()> call, size_t makes = 0);
  void add_dear(const char* function, std::function<void()> prepare, std::function<CK_RV()> call);
  void add_general();
  void add_objects();
  void add_pins();
  void add_encryption();
  void add_digests();
  void add_signatures();
  void add_messages();
  void add_keys();
  void add_tpm();

  CK_ULONG room() { return size_ = out_.size(); }
  void encrypts();
  void signs(CK_RV (*init)(CK_SESSION_HANDLE, CK_MECHANISM*, CK_OBJECT_HANDLE));

  std::vector<Work> works_;
  CK_OBJECT_HANDLE aes_ = 0, hmac_ = 0, data_ = 0;
  KeyPair ec_, soft_, rsa_;                  // in the TPM, and in software
  CK_OBJECT_HANDLE area_ = 0, counter_ = 0;  // in the TPM
  KeyPair tpm_rsa_;
  Bytes counted_;
  size_t kept_count_ = 0;
  Bytes in_ = Bytes(32, 0x11), out_ = Bytes(4096), kept_, mac_;
  CK_ULONG size_ = 0;
  MessageParameter parameter_{CKM_AES_GCM, Bytes(12, 1), Bytes(16)};
};

}  // namespace vtpm::conformance
