// SPDX-License-Identifier: Apache-2.0
// One kind of fault for the whole house.
//
// A fault (a torn file, a failing TPM, a hostile length) throws `Error`: a code that a caller can act on and one
// sentence, written for a person, that names the thing and what to do. Expected answers (wrong PIN, not found, bad
// signature) are values and never come through here. Errors are caught only at a door: the PKCS#11 guard
// (pkcs11/api/entry.h), the command-line tool's main, a libtpms callback.
#pragma once

#include <exception>
#include <string>
#include <utility>

namespace vtpm {

enum class ErrorCode {
  kInternal,         // a bug of ours, or a library call that can not fail has failed
  kInvalidArgument,  // the caller's value is outside what the function accepts
  kNotFound,         // the named thing does not exist
  kExists,           // the named thing exists already
  kIo,               // the operating system refused or failed (errno is in the sentence)
  kNoSpace,          // disk full, quota, file-size limit, store limit
  kReadOnly,         // the store (medium, mode, or open mode) can not be written
  kNoMemory,
  kNotAStore,    // the file is empty, truncated before its header, or not a store at all
  kCorrupt,      // stored octets are damaged (CRC, structure): rot
  kTampered,     // octets are intact by CRC, yet seal or MAC is wrong
  kTooNew,       // written by something newer: unknown mandatory attribute or format
  kLocked,       // the key is needed and has not been given (late key)
  kReplaced,     // the store was removed, or re-initialised with another UUID, by someone else
  kNoPin,        // the configured source of a PIN gives none
  kUnsupported,  // valid, but not something that this build can do
  kTpm,          // the TPM answered with an unexpected response code (it is in the sentence)
  kTpmFailure,   // the TPM instance is dead or in failure mode; it is re-booted at the next use
  kNvFull,       // TPM_RC_NV_SPACE
  kNvExists,     // TPM_RC_NV_DEFINED
  kAuthFailed,   // TPM_RC_AUTH_FAIL / BAD_AUTH / NV_AUTHORIZATION
};

class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string sentence) : code_(code), sentence_(std::move(sentence)) {}

  ErrorCode code() const { return code_; }
  const std::string& sentence() const { return sentence_; }
  const char* what() const noexcept override { return sentence_.c_str(); }

 private:
  ErrorCode code_;
  std::string sentence_;
};

}  // namespace vtpm
