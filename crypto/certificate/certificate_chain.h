// SPDX-License-Identifier: Apache-2.0
// Verification of certificates against trusted authorities.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"

namespace vtpm::crypto {

class CertificateChain {
 public:
  /// `trusted`: PEM with one or more certificates; each of them is trusted, whether it is a root or not. Throws
  /// kInvalidArgument if there is none.
  explicit CertificateChain(ByteView trusted);
  ~CertificateChain();

  /// The reason why `certificate` (DER) is not valid now for `purpose`, an extended key usage (dotted OID): not issued
  /// by a trusted authority, expired, made for another purpose. Nothing if it is valid.
  std::optional<std::string> refuses(ByteView certificate, const char* purpose) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The serialNumber (2.5.4.5) in the subject of a certificate; empty if there is none or more than one.
std::string subject_serial(ByteView certificate);

}  // namespace vtpm::crypto
