// SPDX-License-Identifier: Apache-2.0
// Who certifies the TPM of a token that is being made (vtpm-pkcs11.toml(5), table identity).
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

/// The authority whose ca-key.pem and ca.pem lie in `directory`. The module is a guest: it reads at most 64 KiB of
/// regular files and never waits. Throws Error kIo that names the file and what is wrong.
crypto::CertificateAuthority read_authority(const std::string& directory);

/// The TPM of a token that is being made.
struct NewTpm {
  SecretBytes state;              // permanent
  std::vector<Attributes> shown;  // its public objects (pkcs11/object/tpm_object.h)
};

/// Makes TPMs and gives them their identity as the configuration wants it: by the authority that it names; without one,
/// by an authority that is made here and whose key is forgotten with this object, so that nobody can certify anything
/// in its name later. Its certificate stays in the TPM, for verifiers to remember.
class Endorser {
 public:
  /// Throws what read_authority throws.
  explicit Endorser(const Config& config);
  /// A new TPM with its identity; or the one whose permanent state `predecessor` is, cleared for a new owner, with the
  /// identity that it has or gets. Without an identity where the configuration wants none.
  NewTpm make(ByteView predecessor) const;

 private:
  void endorse(tpm::BootedTpm& tpm) const;

  std::unique_ptr<crypto::CertificateAuthority> authority_;
  bool self_made_ = false;
};

}  // namespace vtpm::pkcs11
