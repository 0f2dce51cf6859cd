// SPDX-License-Identifier: Apache-2.0
// Message-based encryption or decryption: one key, any number of messages (PKCS#11 3.2, 5.9 and 5.11).
//
// A cipher text is as long as its message; the tag is in the parameter. Decryption returns no plain text before it has
// checked the tag, so that a message in parts comes out with its last part as a whole.
//
// Not thread-safe; the mutex of the session guards it.
#pragma once

#include <memory>

#include "crypto/symmetric/cipher.h"
#include "pkcs11/mechanism/message_parameter.h"

namespace vtpm::pkcs11 {

class MessageCrypt {
 public:
  virtual ~MessageCrypt() = default;

  /// Processes a whole message. `out` is as long as `in`, and may overlap it. Throws Refusal: CKR_DATA_LEN_RANGE,
  /// CKR_ENCRYPTED_DATA_LEN_RANGE, CKR_AEAD_DECRYPT_FAILED, CKR_MECHANISM_PARAM_INVALID.
  virtual void message(const MessageParameter& parameter, ByteView associated, ByteView in, MutableByteView out) = 0;

  // A message in parts: `begin`, then `next` for each part, with `last` for the last one. After an exception the caller
  // must call `drop`.
  virtual bool in_message() const = 0;
  virtual void begin(const MessageParameter& parameter, ByteView associated) = 0;
  virtual size_t next_bytes(size_t in, bool last) const = 0;
  /// Processes a part. `out` has `next_bytes` bytes. The last part needs `parameter` for its tag; for other parts it
  /// may be null. Throws as `message`.
  virtual void next(const MessageParameter* parameter, ByteView in, MutableByteView out, bool last) = 0;
  virtual void drop() = 0;
};

/// `row` is an AEAD; `key` is the value of a key that fits it.
std::unique_ptr<MessageCrypt> make_message_crypt(const Mechanism& row, ByteView key, crypto::Direction direction);

}  // namespace vtpm::pkcs11
