// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/token/endorser.h"

#include "base/descriptor.h"
#include "base/error.h"
#include "pkcs11/object/tpm_object.h"
#include "tpm/engine/engine.h"
#include "tpm/use/identity.h"

namespace vtpm::pkcs11 {
namespace {

constexpr size_t kMostBytes = 64 * 1024;

}  // namespace

crypto::CertificateAuthority read_authority(const std::string& directory) {
  const auto read = [&](const char* name) {
    try {
      return read_regular_file(directory + name, kMostBytes);
    } catch (const Error& error) {
      throw Error(ErrorCode::kIo, "the certificate authority is not complete: " + error.sentence());
    }
  };
  const SecretBytes key = read("/ca-key.pem"), certificate = read("/ca.pem");
  try {
    return {key, certificate};
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInvalidArgument) throw;
    throw Error(ErrorCode::kIo, directory + ": " + error.sentence());
  }
}

Endorser::Endorser(const Config& config) {
  if (!config.endorse) return;
  if (!config.authority.empty()) {
    authority_ = std::make_unique<crypto::CertificateAuthority>(read_authority(config.authority));
    return;
  }
  self_made_ = true;
  const auto made = crypto::CertificateAuthority::create("vtpm-pkcs11 self-made CA");
  authority_ = std::make_unique<crypto::CertificateAuthority>(made.key, made.certificate);
}

NewTpm Endorser::make(ByteView predecessor) const {
  NewTpm made;
  const auto furnish = [&](tpm::BootedTpm& tpm) {
    if (predecessor.empty() || !tpm::renew_owner(tpm)) endorse(tpm);
    made.shown = public_tpm_objects(tpm);
  };
  made.state = predecessor.empty() ? tpm::Engine::manufacture(furnish) : tpm::Engine::visit(predecessor, furnish);
  return made;
}

void Endorser::endorse(tpm::BootedTpm& tpm) const {
  if (!authority_) return;
  tpm::endorse(tpm, *authority_, self_made_ ? tpm::IssuerKept::kInTheTpm : tpm::IssuerKept::kElsewhere);
}

}  // namespace vtpm::pkcs11
