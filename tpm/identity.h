// The endorsement keys and their certificates: what proves that a TPM is this TPM.
//
// The keys follow the TCG's default templates (EK Credential Profile 2.5, B.3.3 and B.3.4), so they are the same after
// every creation from one endorsement seed; the certificates stand where every tool looks for them (2.2.1.4).
#pragma once

#include <functional>

#include "crypto/key.h"
#include "tpm/engine.h"

namespace vtpm::tpm {

constexpr uint32_t kEndorsementRsa = 0x81010001, kEndorsementEc = 0x81010002;
constexpr uint32_t kCertificateRsa = 0x01C00002, kCertificateEc = 0x01C0000A;

/// Creates and persists both endorsement keys where they are missing, and writes the certificates that `certify` makes
/// for them, in the place of older ones. Stores: runs inside Engine::change, manufacture or visit.
void endorse(Commands& tpm, const std::function<Bytes(const crypto::PublicKey&)>& certify);

}  // namespace vtpm::tpm
