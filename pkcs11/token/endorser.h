// SPDX-License-Identifier: Apache-2.0
// Who certifies the TPM of a token that is being made (vtpm-pkcs11.toml(5), table identity).
#pragma once

#include <memory>
#include <string>

#include "base/settings/config.h"
#include "crypto/certificate/certificate_authority.h"

namespace vtpm::tpm {
class BootedTpm;
}

namespace vtpm::pkcs11 {

/// The authority whose ca-key.pem and ca.pem lie in `directory`. The module is a guest: it reads at most 64 KiB of
/// regular files and never waits. Throws Error kIo that names the file and what is wrong.
crypto::CertificateAuthority read_authority(const std::string& directory);

/// Gives TPMs their identity as the configuration wants it: by the authority that it names; without one, by an
/// authority that is made here and whose key is forgotten with this object, so that nobody can certify anything in its
/// name later. Its certificate stays in the TPM, for verifiers to remember.
class Endorser {
 public:
  /// Throws what read_authority throws.
  explicit Endorser(const Config& config);
  /// Inside Engine::manufacture or visit. Does nothing where the configuration wants TPMs without identity.
  void operator()(tpm::BootedTpm& commands) const;

 private:
  std::unique_ptr<crypto::CertificateAuthority> authority_;
  bool self_made_ = false;
};

}  // namespace vtpm::pkcs11
