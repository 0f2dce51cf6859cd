// SPDX-License-Identifier: Apache-2.0
// Symmetric ciphers without authentication, as streams: one class for block ciphers in every mode and for ChaCha20.
//
// Data may come in pieces of any size, and the size of every output is known before the call (`update_bytes`,
// `finish_bytes`), so that a size query of PKCS#11 changes nothing. Input and output may be the same memory or overlap
// in any way. A copy continues independently. An object belongs to one thread at a time.
#pragma once

#include <memory>

#include "base/bytes.h"

namespace vtpm::crypto {

enum class Direction { kEncrypt, kDecrypt };

/// Blocks of 16 bytes, keys of 16, 24 or 32 bytes: FIPS 197, RFC 3713, RFC 5794.
enum class BlockCipher { kAes, kCamellia, kAria };

/// Size of the key in bytes: that of the block cipher; 32 or 64 (two keys, which must differ) for XTS; 32 for ChaCha20.
enum class CipherMode {
  kEcb,
  kCbc,
  kCbcPad,    // PKCS #7 padding
  kCtr,       // SP 800-38A with a counter of `counter_bits`
  kCts,       // CBC-CS1 (addendum to SP 800-38A): at least one block; whole blocks are plain CBC
  kOfb,       // full blocks
  kCfb1,      // pieces still have whole bytes, of eight bits each
  kCfb8,      //
  kCfb64,     // implemented here over single blocks, since OpenSSL lacks it
  kCfb128,    //
  kXts,       // IEEE 1619 with AES: all data are one data unit of 16 bytes to 16 MiB; output at the end only
  kChaCha20,  // RFC 8439, or the original with a counter of 64 bits
};

struct CipherParameters {
  CipherMode mode;
  /// ECB: empty. ChaCha20: counter (little-endian) || nonce, together 16 bytes. Otherwise 16 bytes: initialization
  /// vector, counter block (big-endian counter in the last bits) or tweak.
  ByteView iv;
  /// CTR: 1..128. ChaCha20: 32 (RFC 8439, nonce of 96 bits) or 64 (nonce of 64). Others ignore it.
  unsigned counter_bits = 128;
  /// ChaCha20 and XTS ignore it.
  BlockCipher block_cipher = BlockCipher::kAes;
};

enum class CipherStatus {
  kDone,
  kLength,   // the mode does not support this number of bytes, or the counter would repeat
  kPadding,  // decryption: the padding is wrong (or the key)
};
struct CipherResult {
  CipherStatus status;
  size_t bytes;  // number of bytes written
};

class CipherEngine;

class Cipher {
 public:
  /// Throws kInvalidArgument for a key, vector or counter of an unsupported size, and for equal halves of an XTS key.
  Cipher(const CipherParameters& parameters, ByteView key, Direction direction);
  ~Cipher();
  Cipher(const Cipher& other);
  Cipher& operator=(const Cipher& other);
  Cipher(Cipher&&) noexcept;
  Cipher& operator=(Cipher&&) noexcept;

  /// The exact output size of an update with `in` bytes.
  size_t update_bytes(size_t in) const;
  /// The exact output size of `finish` (16 if it will return kPadding). For CBC_PAD decryption it decrypts a block.
  size_t finish_bytes() const;

  /// `out` must have at least `update_bytes` bytes. If the status is kLength, nothing was done.
  CipherResult update(ByteView in, MutableByteView out);
  /// `out` must have at least `finish_bytes` bytes. Ends the message whatever the result.
  CipherResult finish(MutableByteView out);

  /// The running computation, without the key and the parameters.
  SecretBytes save() const;
  /// Loads the result of `save` into a new cipher with the same parameters, key and direction. Throws kInvalidArgument
  /// for bytes that cannot be a state of this mode.
  void load(ByteView saved);

 private:
  // How much of the data must be kept because it may be the end of the message.
  enum class Keeping { kNothing, kPartOfABlock, kLastBlock, kMoreThanABlock, kEverything };

  size_t released(size_t total) const;
  size_t most_held() const;
  CipherResult steal(MutableByteView out);
  SecretBytes open_last_block() const;

  Keeping keeping_;
  bool padded_;
  Direction direction_;
  uint64_t bytes_left_;  // until the counter would repeat, or an XTS data unit would be too long
  std::unique_ptr<CipherEngine> engine_;
  SecretBytes held_;
};

}  // namespace vtpm::crypto
