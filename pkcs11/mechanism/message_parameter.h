// SPDX-License-Identifier: Apache-2.0
// The parameter of one message of the message-based functions: a nonce, which the caller gives or the module generates,
// and the place of the tag (PKCS#11 3.2, 5.9 and 5.11; 6.13 for AES-GCM and AES-CCM, "ChaCha20/Poly1305" for
// ChaCha20-Poly1305).
//
// The structure, and the memory that it points to, belong to the caller: the module writes generated nonces and tags
// there.
#pragma once

#include <optional>

#include "pkcs11/mechanism/mechanism.h"

namespace vtpm::pkcs11 {

struct MessageParameter {
  MutableByteView nonce;
  size_t fixed_bits = 0;  // the first bits of the nonce; the generator makes the rest
  CK_GENERATOR_FUNCTION generator = CKG_NO_GENERATE;
  CK_BYTE* tag_memory = nullptr;
  size_t tag_bytes = 0;
  std::optional<size_t> data_bytes = {};  // CCM: the length of the message

  /// The memory for the tag, which the last part of a message needs. Throws Refusal CKR_MECHANISM_PARAM_INVALID for a
  /// null pointer.
  MutableByteView tag() const;
};

/// Reads the parameter of `bytes` bytes for `row`, which is an AEAD. Decryption ignores the fixed bits and the
/// generator. Throws Refusal CKR_MECHANISM_PARAM_INVALID for a parameter of another mechanism or with values out of
/// range.
MessageParameter message_parameter(const Mechanism& row, void* parameter, CK_ULONG bytes, crypto::Direction direction);
/// The part of it that checks the nonce and its generator.
void require_nonce(const Mechanism& row, const MessageParameter& message);
/// Checks the parameter of C_Message…Init, which is of that kind or absent; its contents are ignored in favour of those
/// of each message. Throws Refusal CKR_MECHANISM_PARAM_INVALID for another size.
void require_message_mechanism(const Mechanism& row, const CK_MECHANISM& mechanism);

/// Generates the nonces between a C_MessageEncryptInit and its C_MessageEncryptFinal. Not thread-safe; the session's
/// mutex guards it.
class NonceGenerator {
 public:
  /// Generates the bits of the nonce that are not fixed (none with CKG_NO_GENERATE). One generator with the same fixed
  /// bits never makes a nonce twice. Throws Refusal CKR_MECHANISM_PARAM_INVALID if too few bits are left: for the next
  /// value of a counter or, with CKG_GENERATE and CKG_GENERATE_RANDOM, fewer than 64 bits (56 if no bit is fixed).
  void fill(const MessageParameter& message);

 private:
  uint64_t counter_ = 0;
  Bytes start_;          // CKG_GENERATE: the first value
  Bytes mask_, latest_;  // CKG_GENERATE_COUNTER_XOR: the caller's first nonce, the last generated one
};

}  // namespace vtpm::pkcs11
