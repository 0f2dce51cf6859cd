// SPDX-License-Identifier: Apache-2.0
// A fresh TPM with one key, for measuring.
#pragma once

#include "tests/tpm/memory_state.h"
#include "tpm/use/resident_key.h"

namespace vtpm {

struct TpmKey {
  std::shared_ptr<tpm::Engine> engine = std::make_shared<tpm::Engine>(std::make_shared<tpm::MemoryState>());
  tpm::KeyBlob blob;
  std::unique_ptr<tpm::ResidentKey> key;

  static TpmKey ec(crypto::Curve curve) {
    TpmKey made;
    made.finish(create_ec(*made.engine, curve));
    return made;
  }
  static TpmKey rsa(unsigned bits) {
    TpmKey made;
    made.finish(create_rsa(*made.engine, {.bits = bits}));
    return made;
  }
  /// Data to sign that are below every modulus of that size.
  static Bytes block(unsigned bits) {
    Bytes bytes(bits / 8, 0x5A);
    bytes[0] = 0;
    return bytes;
  }

 private:
  void finish(tpm::KeyBlob made) {
    blob = std::move(made);
    key = std::make_unique<tpm::ResidentKey>(engine, blob.clone());
  }
};

}  // namespace vtpm
