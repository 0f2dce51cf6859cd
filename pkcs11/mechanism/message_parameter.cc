// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/mechanism/message_parameter.h"

#include "crypto/library/random.h"
#include "pkcs11/cryptoki/refusal.h"

namespace vtpm::pkcs11 {
namespace {

constexpr size_t kChaChaTag = 16;
// With fewer random bits nonces repeat too soon: with 64 bits the probability is one half after 2^32 messages (SP
// 800-38D, 8.2.2). A nonce without fixed bits must be acceptable (PKCS#11 3.2, 6.13), and nonces of CCM can have 56
// bits.
constexpr size_t kLeastRandomBits = 64, kLeastWithNothingFixed = 56;

template <typename T>
T read(void* parameter, CK_ULONG bytes) {
  const CK_MECHANISM as_mechanism = {0, parameter, bytes};
  return mechanism_parameter<T>(as_mechanism);
}

MutableByteView memory(CK_BYTE* first, CK_ULONG bytes) {
  refuse_parameter_if(first == nullptr, "the mechanism's parameter has a null pointer");
  return {first, bytes};
}

MessageParameter read_gcm(void* parameter, CK_ULONG bytes) {
  const auto given = read<CK_GCM_MESSAGE_PARAMS>(parameter, bytes);
  refuse_parameter_if(given.ulTagBits % 8 != 0, "the length of the tag must be a multiple of 8 bits");
  return {memory(given.pIv, given.ulIvLen), given.ulIvFixedBits, given.ivGenerator, given.pTag, given.ulTagBits / 8};
}

MessageParameter read_ccm(void* parameter, CK_ULONG bytes) {
  const auto given = read<CK_CCM_MESSAGE_PARAMS>(parameter, bytes);
  return {memory(given.pNonce, given.ulNonceLen),
          given.ulNonceFixedBits,
          given.nonceGenerator,
          given.pMAC,
          given.ulMACLen,
          given.ulDataLen};
}

/// ChaCha20-Poly1305 has no generator of nonces.
MessageParameter read_chacha(void* parameter, CK_ULONG bytes) {
  const auto given = read<CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS>(parameter, bytes);
  return {memory(given.pNonce, poly1305_nonce_bytes(given.ulNonceLen)), 0, CKG_NO_GENERATE, given.pTag, kChaChaTag};
}

size_t parameter_size(const Mechanism& row) {
  switch (row.parameter) {
    case Parameter::kGcm:
      return sizeof(CK_GCM_MESSAGE_PARAMS);
    case Parameter::kCcm:
      return sizeof(CK_CCM_MESSAGE_PARAMS);
    default:
      return sizeof(CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS);
  }
}

// --- nonces ---

size_t free_bits(const MessageParameter& message) { return 8 * message.nonce.size() - message.fixed_bits; }

/// The bits of byte `i` of the nonce that the generator makes.
uint8_t free_mask(const MessageParameter& message, size_t i) {
  if (8 * i >= message.fixed_bits) return 0xff;
  const size_t fixed_here = message.fixed_bits - 8 * i;
  return fixed_here >= 8 ? 0 : static_cast<uint8_t>(0xff >> fixed_here);
}

bool same_where_free(const MessageParameter& message, ByteView other) {
  if (message.nonce.size() != other.size()) return false;
  unsigned difference = 0;
  for (size_t i = 0; i < other.size(); ++i) difference |= free_mask(message, i) & (message.nonce[i] ^ other[i]);
  return difference == 0;
}

/// Byte `i` of a counter whose last byte is the last byte of the nonce.
uint8_t counter_byte(uint64_t counter, size_t size, size_t i) {
  const size_t shift = 8 * (size - 1 - i);
  return shift < 64 ? static_cast<uint8_t>(counter >> shift) : 0;
}

}  // namespace

MutableByteView MessageParameter::tag() const { return memory(tag_memory, tag_bytes); }

MessageParameter message_parameter(const Mechanism& row, void* parameter, CK_ULONG bytes, crypto::Direction direction) {
  MessageParameter message = row.parameter == Parameter::kGcm   ? read_gcm(parameter, bytes)
                             : row.parameter == Parameter::kCcm ? read_ccm(parameter, bytes)
                                                                : read_chacha(parameter, bytes);
  if (direction == crypto::Direction::kDecrypt) message.fixed_bits = 0, message.generator = CKG_NO_GENERATE;
  require_nonce(row, message);
  refuse_parameter_if(!crypto::aead_takes_tag(*row.aead, message.tag_bytes),
                      "the mechanism does not support a tag of this length");
  return message;
}

void require_nonce(const Mechanism& row, const MessageParameter& message) {
  refuse_parameter_if(!crypto::aead_takes_nonce(*row.aead, message.nonce.size()),
                      "the mechanism does not support a nonce of this length");
  refuse_parameter_if(message.generator > CKG_GENERATE_COUNTER_XOR, "the generator of nonces is not supported");
  refuse_parameter_if(message.fixed_bits > 8 * message.nonce.size(),
                      "number of fixed bits out of range: the nonce has fewer bits");
}

void require_message_mechanism(const Mechanism& row, const CK_MECHANISM& mechanism) {
  refuse_parameter_if(mechanism.ulParameterLen != 0 && mechanism.ulParameterLen != parameter_size(row),
                      "the mechanism's parameter does not have the size of one for messages");
}

void NonceGenerator::fill(const MessageParameter& message) {
  const MutableByteView nonce = message.nonce;
  const CK_GENERATOR_FUNCTION generator = message.generator;
  if (generator == CKG_NO_GENERATE) return;
  const bool random = generator == CKG_GENERATE || generator == CKG_GENERATE_RANDOM;
  const size_t least = message.fixed_bits == 0 ? kLeastWithNothingFixed : kLeastRandomBits;
  refuse_parameter_if(random && free_bits(message) < least, "too few bits of the nonce are free for a random value");
  refuse_parameter_if(free_bits(message) < 64 && counter_ >> free_bits(message) != 0,
                      "the counter of nonces is exhausted");
  if (generator == CKG_GENERATE && start_.size() != nonce.size()) start_ = crypto::random_bytes(nonce.size());
  if (generator == CKG_GENERATE_COUNTER_XOR) {
    // The generated nonce is returned in the caller's memory, so that the next call may have it or the original nonce
    // there.
    const bool first = mask_.empty();
    refuse_parameter_if(!first && !same_where_free(message, mask_) && !same_where_free(message, latest_),
                        "the part of the nonce that the counter is xored with must not change");
    if (first) mask_ = to_bytes(nonce);
  }
  const Bytes fresh = generator == CKG_GENERATE_RANDOM ? crypto::random_bytes(nonce.size()) : Bytes();
  const Bytes& other = generator == CKG_GENERATE ? start_ : generator == CKG_GENERATE_COUNTER_XOR ? mask_ : fresh;
  for (size_t i = 0; i < nonce.size(); ++i) {
    const uint8_t mask = free_mask(message, i);
    uint8_t value = other.empty() ? uint8_t{0} : other[i];
    if (generator != CKG_GENERATE_RANDOM) value ^= counter_byte(counter_, nonce.size(), i);
    nonce[i] = static_cast<uint8_t>((nonce[i] & ~mask) | (value & mask));
  }
  if (generator == CKG_GENERATE_COUNTER_XOR) latest_ = to_bytes(nonce);
  ++counter_;
}

}  // namespace vtpm::pkcs11
