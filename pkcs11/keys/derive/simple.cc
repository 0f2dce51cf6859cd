// SPDX-License-Identifier: Apache-2.0
// Derivation from bytes of the base key and data (PKCS#11 3.2, 6.43), by a digest or SHAKE, and by encryption of data.
#include <algorithm>

#include "crypto/hash/digest.h"
#include "crypto/symmetric/cipher.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/keys/derive/derive.h"
#include "pkcs11/mechanism/family_table.h"

namespace vtpm::pkcs11 {
namespace {

constexpr size_t kBlock = 16;

Bytes string_data(const CK_MECHANISM& mechanism) {
  const auto given = mechanism_parameter<CK_KEY_DERIVATION_STRING_DATA>(mechanism);
  return parameter_bytes(given.pData, given.ulLen);
}

SecretBytes joined(ByteView first, ByteView second) {
  SecretBytes result(first);
  result.append(second);
  return result;
}

}  // namespace

Derivable derive_concatenation(const DeriveCall& call) {
  const auto handle = mechanism_parameter<CK_OBJECT_HANDLE>(call.mechanism);
  ObjectPtr other = require_input_key(call, handle);
  const SecretAttributes secret = call.session.token->catalogue().secret_of(*other);
  Derivable result = beginning_of(joined(call.base_value(), secret.get(CKA_VALUE)));
  result.second_base = other.get();
  result.holder = std::move(other);
  return result;
}

Derivable append_data(const DeriveCall& call) {
  const Bytes data = string_data(call.mechanism);
  return beginning_of(joined(call.base_value(), data));
}

Derivable prepend_data(const DeriveCall& call) {
  const Bytes data = string_data(call.mechanism);
  return beginning_of(joined(data, call.base_value()));
}

Derivable xor_data(const DeriveCall& call) {
  const Bytes data = string_data(call.mechanism);
  SecretBytes key = call.base_value();
  refuse_parameter_if(data.empty(), "the data of the parameter is empty");
  key.resize(std::min(key.size(), data.size()));
  for (size_t i = 0; i < key.size(); ++i) key[i] ^= data[i];
  return beginning_of(std::move(key));
}

Derivable derive_extract(const DeriveCall& call) {
  const auto first_bit = mechanism_parameter<CK_EXTRACT_PARAMS>(call.mechanism);
  auto key = std::make_shared<SecretBytes>(call.base_value());
  const size_t bits = 8 * key->size();
  refuse_parameter_if(first_bit >= bits, "the bit index is out of range for the base key");
  Derivable result;
  // Bit 0 is the most significant bit of the first byte; the first bit follows the last one.
  result.bytes = [key, first_bit, bits](size_t bytes) {
    refuse_if(bytes > key->size(), CKR_TEMPLATE_INCONSISTENT, "key length out of range: the base key has fewer bits");
    SecretBytes extracted(bytes);
    for (size_t i = 0; i < 8 * bytes; ++i) {
      const size_t from = (first_bit + i) % bits;
      const unsigned bit = (*key)[from / 8] >> (7 - from % 8) & 1;
      extracted[i / 8] = static_cast<uint8_t>(extracted[i / 8] | bit << (7 - i % 8));
    }
    return extracted;
  };
  return result;
}

Derivable derive_encryption(const DeriveCall& call) {
  Bytes data, vector;
  if (call.row.mode == crypto::CipherMode::kEcb) {
    data = string_data(call.mechanism);
  } else {
    // The structures of Camellia and ARIA have the same layout.
    const auto given = mechanism_parameter<CK_AES_CBC_ENCRYPT_DATA_PARAMS>(call.mechanism);
    data = parameter_bytes(given.pData, given.length);
    vector = parameter_bytes(given.iv, sizeof given.iv);
  }
  refuse_if(data.empty(), CKR_DATA_LEN_RANGE, "the data of the parameter is empty");
  refuse_parameter_if(data.size() % kBlock != 0, "the length of the data must be a multiple of 16 bytes");
  SecretBytes encrypted(data.size());
  crypto::Cipher({*call.row.mode, vector, 0, *block_cipher_of(call.row.key_type)}, call.base_value(),
                 crypto::Direction::kEncrypt)
      .update(data, encrypted.span());
  return beginning_of(std::move(encrypted), CKR_DATA_LEN_RANGE);
}

Derivable derive_digest(const DeriveCall& call) {
  crypto::Digest digest = digest_of(call.row, call.mechanism);
  SecretBytes value(digest.size());
  digest.update(call.base_value()).finish(value.span());
  return beginning_of(std::move(value));
}

using Shake = crypto::Digest (*)(size_t bytes);
constexpr VariantTable<Shake> kShakes({
    {Variant::kShake128, crypto::Digest::shake128},
    {Variant::kShake256, crypto::Digest::shake256},
});
static_assert(kShakes.covers(Family::kShakeKey));

// SHAKE has no length of its own: the template determines how many bytes are derived (PKCS#11 3.2, 6.29).
Derivable derive_shake(const DeriveCall& call) {
  const Shake shake = kShakes[call.row.variant];
  auto key = std::make_shared<SecretBytes>(call.base_value());
  Derivable result;
  result.bytes = [shake, key](size_t bytes) {
    SecretBytes value(bytes);
    shake(bytes).update(*key).finish(value.span());
    return value;
  };
  return result;
}

}  // namespace vtpm::pkcs11
