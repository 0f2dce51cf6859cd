// SPDX-License-Identifier: Apache-2.0
// Symmetric ciphers without authentication, as streams: one class for block ciphers in every mode and for ChaCha20.
//
// Data may come in pieces of any size, and the size of every output is known before the call (`update_octets`,
// `finish_octets`), so that PKCS#11's question "how much room do I need?" changes nothing. Input and output may be the
// same memory, or overlap in any way. Copying clones the running state.
#pragma once

#include <memory>

#include "base/bytes.h"

namespace vtpm::crypto {

enum class Direction { kEncrypt, kDecrypt };

/// Blocks of 16 octets, keys of 16, 24 or 32 octets: FIPS 197, RFC 3713, RFC 5794.
enum class BlockCipher { kAes, kCamellia, kAria };

/// Key octets: those of the block cipher; 32 or 64 (two keys, which must differ) for XTS; 32 for ChaCha20.
enum class CipherMode {
  kEcb,
  kCbc,
  kCbcPad,    // PKCS #7 padding
  kCtr,       // SP 800-38A with a counter of `counter_bits`
  kCts,       // CBC-CS1 (addendum to SP 800-38A): at least one block; whole blocks are plain CBC
  kOfb,       // full blocks
  kCfb1,      // a piece is octets all the same, eight bits each
  kCfb8,      //
  kCfb64,     // OpenSSL has none: written here over single blocks
  kCfb128,    //
  kXts,       // IEEE 1619, of AES: all the data are one data unit of 16 octets to 16 MiB; comes out at the end
  kChaCha20,  // RFC 8439, or the original with a counter of 64 bits
};

struct CipherParameters {
  CipherMode mode;
  /// ECB: empty. ChaCha20: counter (little-endian) || nonce, together 16 octets. Otherwise 16 octets: initialisation
  /// vector, counter block (big-endian counter in the last bits) or tweak.
  ByteView iv;
  /// CTR: 1..128. ChaCha20: 32 (RFC 8439, nonce of 96 bits) or 64 (nonce of 64). Others ignore it.
  unsigned counter_bits = 128;
  /// ChaCha20 and XTS ignore it.
  BlockCipher block_cipher = BlockCipher::kAes;
};

enum class CipherStatus {
  kDone,
  kLength,   // the number of octets is not one that the mode takes, or the counter would begin again
  kPadding,  // decryption: the padding is wrong (or the key)
};
struct CipherResult {
  CipherStatus status;
  size_t octets;  // that were put out
};

class CipherEngine;

class Cipher {
 public:
  /// Throws kInvalidArgument for a key, vector or counter of another size, and for equal halves of an XTS key.
  Cipher(const CipherParameters& parameters, ByteView key, Direction direction);
  ~Cipher();
  Cipher(const Cipher& other);
  Cipher& operator=(const Cipher& other);
  Cipher(Cipher&&) noexcept;
  Cipher& operator=(Cipher&&) noexcept;

  /// What an update with `in` octets puts out, exactly.
  size_t update_octets(size_t in) const;
  /// What `finish` puts out, exactly (16 when it will say kPadding). CBC_PAD decryption: costs a block.
  size_t finish_octets() const;

  /// `out` has at least `update_octets`. kLength: nothing was done.
  CipherResult update(ByteView in, MutableByteView out);
  /// `out` has at least `finish_octets`. Ends the message whatever the result.
  CipherResult finish(MutableByteView out);

  /// The message as far as it has come, without the key and the parameters.
  SecretBytes save() const;
  /// What `save` gave, into a cipher that was just begun with the same parameters, key and direction. Throws
  /// kInvalidArgument for what no state of this mode can be.
  void load(ByteView saved);

 private:
  // How much of the data must stay back because it may be the end.
  enum class Keeping { kNothing, kPartOfABlock, kLastBlock, kMoreThanABlock, kEverything };

  size_t released(size_t total) const;
  size_t most_held() const;
  CipherResult steal(MutableByteView out);
  SecretBytes open_last_block() const;

  Keeping keeping_;
  bool padded_;
  Direction direction_;
  uint64_t octets_left_;  // before the counter would begin again, or an XTS data unit would be too long
  std::unique_ptr<CipherEngine> engine_;
  SecretBytes held_;
};

}  // namespace vtpm::crypto
