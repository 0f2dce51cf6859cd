// SPDX-License-Identifier: Apache-2.0
// The computation of a Cipher, which maps bytes to the same number of bytes, without padding. Private to crypto/.
#pragma once

#include "crypto/library/openssl.h"
#include "crypto/symmetric/cipher.h"

namespace vtpm::crypto {

using NativeCipher = Owned<EVP_CIPHER, EVP_CIPHER_free>;
using CipherContext = Owned<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;

/// "AES-128-<suffix>" and so on, by the size of the key. Throws kInvalidArgument for other sizes than 16, 24 and 32.
NativeCipher native_block_cipher(BlockCipher cipher, size_t key_bytes, const char* suffix);
NativeCipher native_aes(size_t key_bytes, const char* suffix);
NativeCipher native_cipher(const char* name);
/// A keyed context without padding. `iv` may be null.
CipherContext start_cipher(const EVP_CIPHER* cipher, const uint8_t* key, const uint8_t* iv, Direction direction);
/// Starts again with the same key and direction and another vector of 16 bytes.
void restart_cipher(EVP_CIPHER_CTX* context, const uint8_t* iv);
CipherContext copy_cipher(const EVP_CIPHER_CTX* context);
/// Writes as many bytes as it reads; block modes need whole blocks. `in` and `out` must be equal or not overlap.
void run_cipher(EVP_CIPHER_CTX* context, ByteView in, uint8_t* out);

class CipherEngine {
 public:
  virtual ~CipherEngine() = default;
  virtual std::unique_ptr<CipherEngine> clone() const = 0;
  virtual void run(ByteView in, uint8_t* out) = 0;
  /// CBC: the block to which the next one is chained.
  virtual void chained(uint8_t (&block)[16]) const = 0;
  /// The running computation, without the key. `load` into a new engine with the same parameters throws
  /// kInvalidArgument for bytes that cannot be a state of it.
  virtual SecretBytes save() const = 0;
  virtual void load(ByteView saved) = 0;
};

/// For parameters whose sizes have been checked.
std::unique_ptr<CipherEngine> make_engine(const CipherParameters& parameters, ByteView key, Direction direction);

}  // namespace vtpm::crypto
