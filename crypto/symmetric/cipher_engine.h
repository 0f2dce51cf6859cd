// SPDX-License-Identifier: Apache-2.0
// The computation behind a Cipher: octets to as many octets, without padding. Private to crypto/.
#pragma once

#include "crypto/library/openssl.h"
#include "crypto/symmetric/cipher.h"

namespace vtpm::crypto {

using NativeCipher = Owned<EVP_CIPHER, EVP_CIPHER_free>;
using CipherContext = Owned<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;

/// "AES-128-<suffix>" and its like, by the size of the key. Throws kInvalidArgument for another size than 16, 24, 32.
NativeCipher native_block_cipher(BlockCipher cipher, size_t key_octets, const char* suffix);
NativeCipher native_aes(size_t key_octets, const char* suffix);
NativeCipher native_cipher(const char* name);
/// A keyed context without padding. `iv` may be null.
CipherContext start_cipher(const EVP_CIPHER* cipher, const uint8_t* key, const uint8_t* iv, Direction direction);
/// The same key and direction with another vector of 16 octets.
void restart_cipher(EVP_CIPHER_CTX* context, const uint8_t* iv);
CipherContext copy_cipher(const EVP_CIPHER_CTX* context);
/// As many octets out as in; any number of them. Block modes: whole blocks. `in` and `out` are the same or apart.
void run_cipher(EVP_CIPHER_CTX* context, ByteView in, uint8_t* out);

class CipherEngine {
 public:
  virtual ~CipherEngine() = default;
  virtual std::unique_ptr<CipherEngine> clone() const = 0;
  virtual void run(ByteView in, uint8_t* out) = 0;
  /// CBC: the block that the next one is chained to.
  virtual void chained(uint8_t (&block)[16]) const = 0;
  /// Where it stands, without the key; `load` into a fresh one with the same parameters throws kInvalidArgument for
  /// octets that no engine of its kind saves.
  virtual SecretBytes save() const = 0;
  virtual void load(ByteView saved) = 0;
};

/// For parameters whose sizes have been checked.
std::unique_ptr<CipherEngine> make_engine(const CipherParameters& parameters, ByteView key, Direction direction);

}  // namespace vtpm::crypto
