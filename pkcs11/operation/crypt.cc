// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/operation/crypt.h"

#include <algorithm>

#include "crypto/symmetric/xchacha.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/mechanism/family_table.h"
#include "pkcs11/operation/aead_crypt.h"
#include "pkcs11/operation/cipher.h"
#include "pkcs11/operation/key_wrap_crypt.h"

namespace vtpm::pkcs11 {
namespace {

using crypto::CipherMode;
using crypto::CipherResult;
using crypto::CipherStatus;
using crypto::Direction;

constexpr size_t kBlock = 16;

// --- RSA: one block ---

class RsaCrypt : public Crypt {
 public:
  explicit RsaCrypt(CipherScheme scheme) : scheme_(std::move(scheme)) {}
  size_t message_bytes(size_t) const override { return scheme_.block_bytes(); }
  bool takes_parts() const override { return false; }
  size_t update_bytes(size_t) const override { return 0; }
  void update(ByteView, MutableByteView) override {}
  size_t finish_bytes() const override { return 0; }
  void finish(MutableByteView) override {}

 protected:
  CipherScheme scheme_;
};

class RsaEncryption : public RsaCrypt {
 public:
  using RsaCrypt::RsaCrypt;
  bool exact() const override { return true; }
  size_t message(ByteView in, MutableByteView out) override {
    const Bytes block = scheme_.encrypt(in);
    std::copy(block.begin(), block.end(), out.begin());
    return block.size();
  }
};

class RsaDecryption : public RsaCrypt {
 public:
  RsaDecryption(CipherScheme scheme, std::shared_ptr<crypto::PrivateKey> key)
      : RsaCrypt(std::move(scheme)), key_(std::move(key)) {}
  bool exact() const override { return false; }
  size_t message(ByteView in, MutableByteView out) override {
    const SecretBytes plain = scheme_.decrypt(*key_, in);
    std::copy(plain.begin(), plain.end(), out.begin());
    return plain.size();
  }

 private:
  std::shared_ptr<crypto::PrivateKey> key_;
};

// --- ciphers without authentication ---

class StreamCrypt : public Crypt {
 public:
  StreamCrypt(crypto::Cipher cipher, CipherMode mode, Direction direction)
      : cipher_(std::move(cipher)), mode_(mode), direction_(direction) {}

  size_t message_bytes(size_t in) const override {
    return padded() && direction_ == Direction::kEncrypt ? (in / kBlock + 1) * kBlock : in;
  }
  bool exact() const override { return !padded() || direction_ == Direction::kEncrypt; }
  size_t message(ByteView in, MutableByteView out) override {
    const size_t begun = check(cipher_.update(in, out));
    return begun + check(cipher_.finish(out.subspan(begun)));
  }
  size_t update_bytes(size_t in) const override { return cipher_.update_bytes(in); }
  void update(ByteView in, MutableByteView out) override { check(cipher_.update(in, out)); }
  size_t finish_bytes() const override { return cipher_.finish_bytes(); }
  void finish(MutableByteView out) override { check(cipher_.finish(out)); }
  std::optional<SecretBytes> save() const override { return cipher_.save(); }
  void load(ByteView saved) override { cipher_.load(saved); }

 private:
  bool padded() const { return mode_ == CipherMode::kCbcPad; }
  size_t check(CipherResult result) const {
    // A counter that would wrap around: CKR_DATA_LEN_RANGE in both directions (PKCS#11 3.2, 6.11).
    const bool of_data = direction_ == Direction::kEncrypt || mode_ == CipherMode::kCtr;
    refuse_if(result.status == CipherStatus::kLength, of_data ? CKR_DATA_LEN_RANGE : CKR_ENCRYPTED_DATA_LEN_RANGE,
              "the mechanism does not support a message of this length");
    refuse_if(result.status == CipherStatus::kPadding, CKR_ENCRYPTED_DATA_INVALID,
              "the encrypted data or its padding is wrong");
    return result.bytes;
  }

  crypto::Cipher cipher_;
  CipherMode mode_;
  Direction direction_;
};

/// The parameter of a cipher, copied from the caller's memory.
struct CipherStart {
  Bytes vector;
  unsigned counter_bits = 128;
  Bytes extension;  // XChaCha20: the input for the derivation of the key
};

CipherStart cipher_start(const Mechanism& row, const CK_MECHANISM& mechanism) {
  CipherStart start;
  switch (row.parameter) {
    case Parameter::kVector: {
      refuse_parameter_if(mechanism.ulParameterLen != kBlock, "the initialization vector must have 16 bytes");
      start.vector = parameter_bytes(mechanism.pParameter, kBlock);
      break;
    }
    case Parameter::kCounterBlock: {
      const auto given = mechanism_parameter<CK_AES_CTR_PARAMS>(mechanism);
      refuse_parameter_if(given.ulCounterBits == 0 || given.ulCounterBits > 8 * kBlock,
                          "number of counter bits out of range (1 to 128)");
      start.vector = parameter_bytes(given.cb, kBlock);
      start.counter_bits = static_cast<unsigned>(given.ulCounterBits);
      break;
    }
    case Parameter::kChaCha20: {
      const auto given = mechanism_parameter<CK_CHACHA20_PARAMS>(mechanism);
      const CK_ULONG counter = given.blockCounterBits, nonce = given.ulNonceBits;
      const bool extended = nonce == 8 * crypto::kXChaChaNonce;
      refuse_parameter_if((counter != 32 && counter != 64) || (counter + nonce != 128 && !extended),
                          "ChaCha20 needs a counter of 32 bits with a nonce of 96 or 192 bits, or a counter of 64 bits "
                          "with a nonce of 64 or 192 bits");
      start.vector = parameter_bytes(given.pBlockCounter, counter / 8);
      Bytes bytes = parameter_bytes(given.pNonce, nonce / 8);
      if (extended) {
        start.extension.assign(bytes.begin(), bytes.begin() + kBlock);
        bytes.erase(bytes.begin(), bytes.begin() + kBlock);
        start.vector.resize(kBlock - bytes.size());
      }
      append(start.vector, bytes);
      start.counter_bits = static_cast<unsigned>(counter);
      break;
    }
    default:
      break;
  }
  return start;
}

// --- which mechanism is made by what ---

using CryptMaker = std::unique_ptr<Crypt> (*)(const Session&, const Mechanism&, const CK_MECHANISM&, const Object&,
                                              Direction);

std::unique_ptr<Crypt> rsa_crypt(const Session& session, const Mechanism& row, const CK_MECHANISM& mechanism,
                                 const Object& key, Direction direction) {
  CipherScheme scheme(row, mechanism, *public_key_of(key));
  if (direction == Direction::kEncrypt) return std::make_unique<RsaEncryption>(std::move(scheme));
  return std::make_unique<RsaDecryption>(std::move(scheme), session.token->catalogue().private_key(key));
}

std::unique_ptr<Crypt> make_stream_crypt(const Mechanism& row, const CK_MECHANISM& mechanism, ByteView key,
                                         Direction direction) {
  const CipherStart start = cipher_start(row, mechanism);
  const SecretBytes by = start.extension.empty() ? SecretBytes(key) : crypto::hchacha20(key, start.extension);
  const crypto::BlockCipher block_cipher = block_cipher_of(row.key_type).value_or(crypto::BlockCipher::kAes);
  return std::make_unique<StreamCrypt>(
      crypto::Cipher({*row.mode, start.vector, start.counter_bits, block_cipher}, by, direction), *row.mode, direction);
}

/// The maker for a mechanism that needs the value of a secret key.
template <auto kMake>
std::unique_ptr<Crypt> by_value(const Session& session, const Mechanism& row, const CK_MECHANISM& mechanism,
                                const Object& key, Direction direction) {
  const SecretAttributes secret = session.token->catalogue().secret_of(key);
  return kMake(row, mechanism, secret.get(CKA_VALUE), direction);
}

constexpr FamilyTable<CryptMaker> kMakers({
    {Family::kRsaPkcs, rsa_crypt},
    {Family::kRsaOaep, rsa_crypt},
    {Family::kRsaX509, rsa_crypt},
    {Family::kCipher, by_value<make_stream_crypt>},
    {Family::kAead, by_value<make_aead_crypt>},
    {Family::kKeyWrap, by_value<make_key_wrap_crypt>},
});
static_assert(kMakers.covers(CKF_ENCRYPT | CKF_DECRYPT));

}  // namespace

void Crypt::load(ByteView) {
  throw Error(ErrorCode::kInvalidArgument, "the state of an operation of this kind cannot be saved");
}

void require_parts(const Crypt& crypt) {
  refuse_if(!crypt.takes_parts(), CKR_FUNCTION_NOT_SUPPORTED, "the mechanism supports data in one part only");
}

std::unique_ptr<Crypt> make_crypt(const Session& session, const Mechanism& row, const CK_MECHANISM& mechanism,
                                  const Object& key, Direction direction) {
  return kMakers[row.family](session, row, mechanism, key, direction);
}

}  // namespace vtpm::pkcs11
