// SPDX-License-Identifier: Apache-2.0
// How the PKCS#11 layer says no: one exception with the CK_RV that the standard wants and a sentence for the log.
// Thrown anywhere below the C functions, turned into the return value by the one guard in entry.h.
#pragma once

#include <exception>
#include <string>
#include <utility>

#include "base/error.h"
#include "pkcs11/cryptoki/cryptoki.h"

namespace vtpm::pkcs11 {

class Refusal : public std::exception {
 public:
  Refusal(CK_RV rv, std::string reason) : rv_(rv), reason_(std::move(reason)) {}
  CK_RV rv() const { return rv_; }
  const char* what() const noexcept override { return reason_.c_str(); }

 private:
  CK_RV rv_;
  std::string reason_;
};

/// What a call stood on has gone while it waited: it answers as if it had come afterwards. Not a Refusal, which some
/// callers turn into another answer.
class Superseded : public std::exception {
 public:
  Superseded(CK_RV rv, const char* reason) : rv_(rv), reason_(reason) {}
  CK_RV rv() const { return rv_; }
  const char* what() const noexcept override { return reason_; }

 private:
  CK_RV rv_;
  const char* reason_;
};

[[noreturn]] inline void refuse(CK_RV rv, std::string reason) { throw Refusal(rv, std::move(reason)); }
inline void refuse_if(bool condition, CK_RV rv, const char* reason) {
  if (condition) throw Refusal(rv, reason);
}

/// What a fault from below is called in PKCS#11.
CK_RV rv_of(ErrorCode code);
/// "CKR_PIN_INCORRECT"; for unknown values the hexadecimal number.
std::string rv_name(CK_RV rv);

}  // namespace vtpm::pkcs11
