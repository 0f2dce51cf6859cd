// SPDX-License-Identifier: Apache-2.0
// The exception of the whole project.
//
// A fault (a torn file, a failing TPM, a length out of range) throws `Error`: a code on which the caller can act, and
// one sentence for a person, which names the thing and says what to do. Expected answers (wrong PIN, not found, bad
// signature) are values, not exceptions. Errors are caught only at a boundary: the PKCS#11 guard (pkcs11/api/entry.h),
// the main function of the command-line tool, a callback from libtpms.
#pragma once

#include <exception>
#include <string>
#include <utility>

namespace vtpm {

enum class ErrorCode {
  kInternal,         // a bug in this project, or a library call failed that cannot fail
  kInvalidArgument,  // the caller's value is outside the range that the function accepts
  kNotFound,         // the named thing does not exist
  kExists,           // the named thing exists already
  kIo,               // a system call failed (the sentence contains the reason)
  kNoSpace,          // disk full, quota, file-size limit, limit of the store
  kReadOnly,         // the store cannot be written (medium, permissions, or open mode)
  kNoMemory,
  kNotAStore,    // the file is empty, truncated before its header, or not a store at all
  kCorrupt,      // stored bytes are damaged: wrong CRC or structure
  kTampered,     // the CRC is right, but the seal or MAC is wrong; or an older copy of the store was put in its place
  kTooNew,       // written by a newer version: unknown mandatory attribute or format
  kLocked,       // the key is needed and has not been given (late key)
  kReplaced,     // another process removed the store or initialized it again with another UUID
  kNoPin,        // the configured source provides no PIN
  kUnsupported,  // valid, but not supported by this build
  kTpm,          // the TPM returned an unexpected response code (the sentence contains it)
  kTpmFailure,   // the TPM instance is dead or in failure mode; the next use boots it again
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
