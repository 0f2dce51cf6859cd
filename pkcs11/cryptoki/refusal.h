// SPDX-License-Identifier: Apache-2.0
// How the PKCS#11 layer refuses a call: one exception with the CK_RV that the standard wants and a sentence for the
// log. Any code below the C functions may throw it; the guard in pkcs11/api/entry.h turns it into the return value.
#pragma once

#include <exception>
#include <span>
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

// The one family of functions by which this layer throws a Refusal. `reason` is a sentence for the log, in lower case,
// without a full stop.
[[noreturn]] inline void refuse(CK_RV rv, std::string reason) { throw Refusal(rv, std::move(reason)); }
inline void refuse_if(bool condition, CK_RV rv, const char* reason) {
  if (condition) throw Refusal(rv, reason);
}
/// CKR_MECHANISM_PARAM_INVALID, which most checks of a mechanism's parameter end with.
inline void refuse_parameter_if(bool condition, const char* reason) {
  refuse_if(condition, CKR_MECHANISM_PARAM_INVALID, reason);
}

/// Runs `body` and returns its result. An Error of this code that it throws becomes a Refusal with `rv` and the error's
/// sentence; every other exception passes.
template <typename F>
auto refusing(ErrorCode code, CK_RV rv, F&& body) {
  try {
    return body();
  } catch (const Error& error) {
    if (error.code() != code) throw;
    refuse(rv, error.sentence());
  }
}
/// The same for kInvalidArgument: values of a caller that the layers below do not take.
template <typename F>
auto refusing_invalid(CK_RV rv, F&& body) {
  return refusing(ErrorCode::kInvalidArgument, rv, std::forward<F>(body));
}

/// A pair of codes: what a step of an operation throws, and what the C function returns for it.
struct Translation {
  CK_RV from, to;
};
/// Runs `body` and returns its result. A Refusal whose code the table has on its left gets the code on the right.
template <typename F>
auto translated(std::span<const Translation> table, F&& body) {
  try {
    return body();
  } catch (const Refusal& refusal) {
    for (const Translation& row : table) {
      if (row.from == refusal.rv()) refuse(row.to, refusal.what());
    }
    throw;
  }
}

/// What a fault from below is called in PKCS#11.
CK_RV rv_of(ErrorCode code);
/// "CKR_PIN_INCORRECT"; for unknown values the hexadecimal number.
std::string rv_name(CK_RV rv);

}  // namespace vtpm::pkcs11
