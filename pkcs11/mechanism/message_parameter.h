// SPDX-License-Identifier: Apache-2.0
// The parameter of one message of the message-based functions: a nonce, given or to be made, and where its tag is.
//
// PKCS#11 3.2, 6.13 (AES-GCM, AES-CCM) and 6.66 (ChaCha20-Poly1305). The structure is the caller's, and so is the
// memory that it points to: nonces that are made and tags are written there.
#pragma once

#include <optional>

#include "pkcs11/mechanism/mechanism.h"

namespace vtpm::pkcs11 {

struct MessageParameter {
  MutableByteView nonce;
  size_t fixed_bits = 0;  // of the nonce, from its beginning; the rest is the generator's
  CK_GENERATOR_FUNCTION generator = CKG_NO_GENERATE;
  CK_BYTE* tag_memory = nullptr;
  size_t tag_bytes = 0;
  std::optional<size_t> data_bytes = {};  // CCM: how long the message is

  /// Where it lies, which the end of a message has to say. Throws Refusal CKR_MECHANISM_PARAM_INVALID for a null
  /// pointer.
  MutableByteView tag() const;
};

/// Throws Refusal CKR_MECHANISM_PARAM_INVALID for anything that is not a parameter for `row`, which is an AEAD. Fixed
/// bits and generator are for encryption only: decryption ignores them.
MessageParameter message_parameter(const Mechanism& row, void* parameter, CK_ULONG bytes, crypto::Direction direction);
/// The half of it for the nonce and its generator.
void require_nonce(const Mechanism& row, const MessageParameter& message);
/// C_Message…Init takes a parameter of that kind or none; the one of each message counts.
void require_message_mechanism(const Mechanism& row, const CK_MECHANISM& mechanism);

/// Makes the nonces of one C_MessageEncryptInit … C_MessageEncryptFinal.
class NonceGenerator {
 public:
  /// Fills what is not fixed of the nonce (nothing with CKG_NO_GENERATE). No nonce comes twice from one generator
  /// function with the same fixed bits. Throws Refusal CKR_MECHANISM_PARAM_INVALID when too little is left to it: for
  /// another counter, or (CKG_GENERATE, CKG_GENERATE_RANDOM) less than 64 bits, 56 when nothing is fixed.
  void fill(const MessageParameter& message);

 private:
  uint64_t counter_ = 0;
  Bytes start_;          // CKG_GENERATE: where it began
  Bytes mask_, latest_;  // CKG_GENERATE_COUNTER_XOR: what the caller gave first, what came back last
};

}  // namespace vtpm::pkcs11
