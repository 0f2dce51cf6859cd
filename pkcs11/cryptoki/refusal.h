// SPDX-License-Identifier: Apache-2.0
// How the PKCS#11 layer rejects a call: one exception with the CK_RV that the standard requires and a sentence for the
// diagnostic log. Any code below the C functions may throw it; the guard in pkcs11/api/entry.h returns its CK_RV.
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

/// The module or session of a call ended while the call waited. The call returns what it would have returned after that
/// end. This is not a Refusal, because some callers translate those into other codes.
class Superseded : public std::exception {
 public:
  Superseded(CK_RV rv, const char* reason) : rv_(rv), reason_(reason) {}
  CK_RV rv() const { return rv_; }
  const char* what() const noexcept override { return reason_; }

 private:
  CK_RV rv_;
  const char* reason_;
};

// The only functions by which this layer throws a Refusal. `reason` is a sentence for the diagnostic log, in lower
// case, without a full stop.
[[noreturn]] inline void refuse(CK_RV rv, std::string reason) { throw Refusal(rv, std::move(reason)); }
inline void refuse_if(bool condition, CK_RV rv, const char* reason) {
  if (condition) throw Refusal(rv, reason);
}
/// The same with CKR_MECHANISM_PARAM_INVALID, the code of most checks of a mechanism's parameter.
inline void refuse_parameter_if(bool condition, const char* reason) {
  refuse_if(condition, CKR_MECHANISM_PARAM_INVALID, reason);
}

/// Runs `body` and returns its result. If `body` throws an Error with this code, throws a Refusal with `rv` and the
/// error's sentence; any other exception passes.
template <typename F>
auto refusing(ErrorCode code, CK_RV rv, F&& body) {
  try {
    return body();
  } catch (const Error& error) {
    if (error.code() != code) throw;
    refuse(rv, error.sentence());
  }
}
/// The same for kInvalidArgument: values of a caller that the layers below reject.
template <typename F>
auto refusing_invalid(CK_RV rv, F&& body) {
  return refusing(ErrorCode::kInvalidArgument, rv, std::forward<F>(body));
}

/// A code that a step of an operation throws, and the code that the C function returns for it.
struct Translation {
  CK_RV from, to;
};
/// Runs `body` and returns its result. If `body` throws a Refusal whose code is a `from` in the table, throws one with
/// the code `to` and the same sentence.
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

/// The CK_RV for a fault of the layers below.
CK_RV rv_of(ErrorCode code);
/// The name of a CK_RV, "CKR_PIN_INCORRECT"; for an unknown value the hexadecimal number.
std::string rv_name(CK_RV rv);

}  // namespace vtpm::pkcs11
