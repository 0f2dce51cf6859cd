// SPDX-License-Identifier: Apache-2.0
// The constant-time decoders and MGF1 of libcrypto are deprecated since OpenSSL 3.0, which applies paddings inside its
// own keys, but a key may live in a TPM. They are stable, documented and have no successor.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "crypto/key/rsa_padding.h"

#include <openssl/rsa.h>

#include <algorithm>

#include "crypto/library/openssl.h"
#include "crypto/library/random.h"

namespace vtpm::crypto {
namespace {

constexpr size_t kPkcs1Overhead = 11;  // 00 BT, at least eight bytes of padding, 00

int length(size_t size) { return static_cast<int>(size); }

// A message of the length that a decoder reported. Which of its checks failed stays unknown to the caller.
std::optional<SecretBytes> decoded(SecretBytes message, int size) {
  ERR_clear_error();
  if (size < 0) return std::nullopt;
  message.resize(static_cast<size_t>(size));
  return message;
}

void mask(MutableByteView data, ByteView seed, Hash hash) {
  Bytes stream(data.size());
  require_openssl(PKCS1_MGF1(stream.data(), static_cast<long>(stream.size()), seed.data(),
                             static_cast<long>(seed.size()), native_hash(hash)) == 0,
                  "MGF1");
  for (size_t i = 0; i < data.size(); ++i) data[i] ^= stream[i];
}

// RFC 8017, 9.1: the layout of a PSS block.
struct PssLayout {
  size_t
      leading;  // zero bytes before EM: 1 when modBits - 1 is a multiple of 8, because a block has the modulus's size
  size_t encoded;   // emLen
  size_t database;  // bytes of DB
  uint8_t top;      // the bits of the first byte of EM that are used
};
std::optional<PssLayout> pss_layout(size_t modulus_bits, const PssParameters& parameters) {
  size_t bits = modulus_bits - 1, encoded = (bits + 7) / 8, hash = hash_bytes(parameters.hash);
  if (modulus_bits < 9 || encoded < hash + 2 || parameters.salt_bytes > encoded - hash - 2) return std::nullopt;
  return PssLayout{(modulus_bits + 7) / 8 - encoded, encoded, encoded - hash - 1,
                   static_cast<uint8_t>(0xff >> (8 * encoded - bits))};
}

Bytes pss_hash(ByteView digest, ByteView salt, const PssParameters& parameters) {
  const uint8_t zeros[8] = {};
  return Digest(parameters.hash).update(zeros).update(digest).update(salt).finish();
}

// The last arc of the hashes below 2.16.840.1.101.3.4.2 (NIST, Computer Security Objects Register).
struct NistHash {
  Hash hash;
  uint8_t arc;
};
constexpr NistHash kNistHashes[] = {
    {Hash::kSha256, 1},     {Hash::kSha384, 2},   {Hash::kSha512, 3},   {Hash::kSha224, 4},   {Hash::kSha512_224, 5},
    {Hash::kSha512_256, 6}, {Hash::kSha3_224, 7}, {Hash::kSha3_256, 8}, {Hash::kSha3_384, 9}, {Hash::kSha3_512, 10},
};

constexpr uint8_t kPssTrailer = 0xbc;

// The contents of the OBJECT IDENTIFIER that names the hash in a DigestInfo.
Bytes digest_oid(Hash hash) {
  if (hash == Hash::kSha1) return {0x2b, 0x0e, 0x03, 0x02, 0x1a};
  for (const NistHash& row : kNistHashes) {
    if (row.hash == hash) return {0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, row.arc};
  }
  throw Error(ErrorCode::kUnsupported, "no DigestInfo is defined for this hash");
}

}  // namespace

std::optional<Bytes> pkcs1_sign_encode(ByteView payload, size_t size) {
  if (size < kPkcs1Overhead || payload.size() > size - kPkcs1Overhead) return std::nullopt;
  Bytes block(size, 0xff);
  block[0] = 0;
  block[1] = 1;
  block[size - payload.size() - 1] = 0;
  std::ranges::copy(payload, block.end() - static_cast<ptrdiff_t>(payload.size()));
  return block;
}

std::optional<Bytes> pkcs1_sign_decode(ByteView block) {
  if (block.size() < kPkcs1Overhead || block[0] != 0 || block[1] != 1) return std::nullopt;
  auto end = std::find_if(block.begin() + 2, block.end(), [](uint8_t byte) { return byte != 0xff; });
  if (end == block.end() || *end != 0 || end - block.begin() < 10) return std::nullopt;
  return Bytes(end + 1, block.end());
}

Bytes digest_info(Hash hash, ByteView digest) {
  // SEQUENCE { SEQUENCE { OBJECT IDENTIFIER, NULL }, OCTET STRING }
  if (digest.size() != hash_bytes(hash)) {
    throw Error(ErrorCode::kInvalidArgument, "the digest does not have the size of its hash");
  }
  Bytes oid = digest_oid(hash);
  auto bytes = [](size_t size) { return static_cast<uint8_t>(size); };
  Bytes info = {0x30, bytes(oid.size() + digest.size() + 8), 0x30, bytes(oid.size() + 4), 0x06, bytes(oid.size())};
  append(info, oid);
  append(info, Bytes{0x05, 0x00, 0x04, bytes(digest.size())});
  append(info, digest);
  return info;
}

std::optional<SecretBytes> pkcs1_encrypt_encode(ByteView message, size_t size) {
  if (size < kPkcs1Overhead || message.size() > size - kPkcs1Overhead) return std::nullopt;
  ensure_openssl();
  SecretBytes block(size);
  const uint8_t none = 0;
  require_openssl(RSA_padding_add_PKCS1_type_2(block.data(), length(size), message.empty() ? &none : message.data(),
                                               length(message.size())) == 1,
                  "PKCS #1 padding");
  return block;
}

std::optional<SecretBytes> pkcs1_encrypt_decode(ByteView block) {
  if (block.size() < kPkcs1Overhead) return std::nullopt;
  ensure_openssl();
  SecretBytes message(block.size());
  int size = RSA_padding_check_PKCS1_type_2(message.data(), length(message.size()), block.data(), length(block.size()),
                                            length(block.size()));
  return decoded(std::move(message), size);
}

std::optional<SecretBytes> oaep_encode(ByteView message, size_t size, const OaepParameters& parameters) {
  size_t overhead = 2 * hash_bytes(parameters.hash) + 2;
  if (size < overhead || message.size() > size - overhead) return std::nullopt;
  SecretBytes block(size);
  const uint8_t none = 0;
  require_openssl(
      RSA_padding_add_PKCS1_OAEP_mgf1(block.data(), length(size), message.empty() ? &none : message.data(),
                                      length(message.size()), parameters.label.data(), length(parameters.label.size()),
                                      native_hash(parameters.hash), native_hash(parameters.mgf)) == 1,
      "OAEP padding");
  return block;
}

std::optional<SecretBytes> oaep_decode(ByteView block, const OaepParameters& parameters) {
  if (block.size() < 2 * hash_bytes(parameters.hash) + 2) return std::nullopt;
  SecretBytes message(block.size());
  int size =
      RSA_padding_check_PKCS1_OAEP_mgf1(message.data(), length(message.size()), block.data(), length(block.size()),
                                        length(block.size()), parameters.label.data(), length(parameters.label.size()),
                                        native_hash(parameters.hash), native_hash(parameters.mgf));
  return decoded(std::move(message), size);
}

std::optional<Bytes> pss_encode(ByteView digest, size_t modulus_bits, const PssParameters& parameters) {
  std::optional<PssLayout> layout = pss_layout(modulus_bits, parameters);
  if (!layout || digest.size() != hash_bytes(parameters.hash)) return std::nullopt;
  Bytes salt = random_bytes(parameters.salt_bytes);
  Bytes hash = pss_hash(digest, salt, parameters);

  // EM = maskedDB || H || bc, where DB = 00… 01 salt
  Bytes block(layout->leading + layout->encoded);
  MutableByteView database = MutableByteView(block).subspan(layout->leading, layout->database);
  database[database.size() - salt.size() - 1] = 1;
  std::ranges::copy(salt, database.end() - static_cast<ptrdiff_t>(salt.size()));
  mask(database, hash, parameters.mgf);
  database[0] &= layout->top;
  std::ranges::copy(hash, database.end());
  block.back() = kPssTrailer;
  return block;
}

bool pss_verify(ByteView digest, ByteView block, size_t modulus_bits, const PssParameters& parameters) {
  std::optional<PssLayout> layout = pss_layout(modulus_bits, parameters);
  if (!layout || digest.size() != hash_bytes(parameters.hash) || block.size() != layout->leading + layout->encoded) {
    return false;
  }
  if (layout->leading != 0 && block[0] != 0) return false;
  ByteView encoded = block.subspan(layout->leading);
  Bytes database = to_bytes(encoded.first(layout->database));
  ByteView hash = encoded.subspan(layout->database, digest.size());
  if (encoded.back() != kPssTrailer || (database[0] & ~layout->top) != 0) return false;
  mask(database, hash, parameters.mgf);
  database[0] &= layout->top;
  size_t zeros = database.size() - parameters.salt_bytes - 1;
  if (database[zeros] != 1 || std::any_of(database.begin(), database.begin() + static_cast<ptrdiff_t>(zeros),
                                          [](uint8_t byte) { return byte != 0; })) {
    return false;
  }
  return equal(hash, pss_hash(digest, ByteView(database).last(parameters.salt_bytes), parameters));
}

}  // namespace vtpm::crypto
