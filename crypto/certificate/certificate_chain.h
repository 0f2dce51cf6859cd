// SPDX-License-Identifier: Apache-2.0
// Whether certificates come from an authority that somebody trusts.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"

namespace vtpm::crypto {

class CertificateChain {
 public:
  /// PEM with one certificate or more; each of them is trusted, whether it is a root or not. Throws kInvalidArgument
  /// when there is none.
  explicit CertificateChain(ByteView trusted);
  ~CertificateChain();

  /// Why `certificate` (DER) is not good now for `purpose`, an extended key usage (dotted OID): not issued by a trusted
  /// authority, expired, of another purpose. Nothing when it is good.
  std::optional<std::string> refuses(ByteView certificate, const char* purpose) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The subject's serialNumber (2.5.4.5) of a certificate; empty when there is none, or more than one.
std::string subject_serial(ByteView certificate);

}  // namespace vtpm::crypto
