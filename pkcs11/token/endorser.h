// SPDX-License-Identifier: Apache-2.0
// The authority that certifies the TPM of a new token (vtpm-pkcs11.toml(5), table identity).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/settings/config.h"
#include "crypto/certificate/certificate_authority.h"
#include "pkcs11/object/attribute.h"

namespace vtpm::tpm {
class BootedTpm;
}

namespace vtpm::pkcs11 {

/// The authority whose ca-key.pem and ca.pem are in `directory`. The function reads regular files of at most 64 KiB and
/// never waits, because the module is a guest in the application's process. Throws Error kIo, which names the file and
/// the problem.
crypto::CertificateAuthority read_authority(const std::string& directory);

/// The TPM of a new token.
struct NewTpm {
  SecretBytes state;              // permanent
  std::vector<Attributes> shown;  // its public objects (pkcs11/object/tpm_object.h)
};

/// Makes TPMs and gives them the identity that the configuration requires. It is certified by the authority in the
/// configuration; without one, by an authority that this object makes and whose key is destroyed with it, so that no
/// other certificate can be issued in its name. The certificate of that authority stays in the TPM, for verifiers.
class Endorser {
 public:
  /// Reads the authority, or makes one. Throws what read_authority throws.
  explicit Endorser(const Config& config);
  /// A new TPM with an identity. With `predecessor`, a permanent state: that TPM, cleared for a new owner, with the
  /// identity that it has or else a new one. Without an identity if the configuration wants none. Throws Error.
  NewTpm make(ByteView predecessor) const;

 private:
  void endorse(tpm::BootedTpm& tpm) const;

  std::unique_ptr<crypto::CertificateAuthority> authority_;
  bool self_made_ = false;
};

}  // namespace vtpm::pkcs11
