// SPDX-License-Identifier: Apache-2.0
// A running C_MessageEncryptInit … or C_MessageDecryptInit …: one key, any number of messages (PKCS#11 3.2, 5.9, 5.11).
//
// A message is as long as its cipher text; its tag lies in the parameter. Decryption puts nothing out before the tag
// was checked, so in parts everything comes with the last one.
#pragma once

#include <memory>

#include "crypto/symmetric/cipher.h"
#include "pkcs11/mechanism/message_parameter.h"

namespace vtpm::pkcs11 {

class MessageCrypt {
 public:
  virtual ~MessageCrypt() = default;

  /// The whole message; `out` is as long as `in`, and may overlap it. Throws Refusal: CKR_DATA_LEN_RANGE,
  /// CKR_ENCRYPTED_DATA_LEN_RANGE, CKR_AEAD_DECRYPT_FAILED, CKR_MECHANISM_PARAM_INVALID.
  virtual void message(const MessageParameter& parameter, ByteView associated, ByteView in, MutableByteView out) = 0;

  // The message in parts: begin, next …, next with `last`. After an exception it is to be dropped.
  virtual bool in_message() const = 0;
  virtual void begin(const MessageParameter& parameter, ByteView associated) = 0;
  virtual size_t next_bytes(size_t in, bool last) const = 0;
  /// `out` has `next_bytes`. The last part needs `parameter` again, for its tag; others may come without.
  virtual void next(const MessageParameter* parameter, ByteView in, MutableByteView out, bool last) = 0;
  virtual void drop() = 0;
};

/// `key`: the value of a key that fits the row, which is an AEAD.
std::unique_ptr<MessageCrypt> make_message_crypt(const Mechanism& row, ByteView key, crypto::Direction direction);

}  // namespace vtpm::pkcs11
