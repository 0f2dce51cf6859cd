// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/mechanism/mechanism.h"

#include <algorithm>
#include <cstring>

#include "pkcs11/cryptoki/limits.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/mechanism/mechanism_table.h"

namespace vtpm::pkcs11 {
using crypto::Hash;

std::optional<crypto::BlockCipher> block_cipher_of(CK_KEY_TYPE type) {
  switch (type) {
    case CKK_AES:
      return crypto::BlockCipher::kAes;
    case CKK_CAMELLIA:
      return crypto::BlockCipher::kCamellia;
    case CKK_ARIA:
      return crypto::BlockCipher::kAria;
    default:
      return std::nullopt;
  }
}

std::span<const Mechanism> mechanisms() { return kMechanisms; }

const Mechanism* find_mechanism(CK_MECHANISM_TYPE type) {
  for (const Mechanism& row : kMechanisms) {
    if (row.type == type) return &row;
  }
  return nullptr;
}

const Mechanism* find_mechanism(std::string_view name) {
  const auto row =
      std::find_if(std::begin(kMechanisms), std::end(kMechanisms), [&](const Mechanism& m) { return m.name == name; });
  return row == std::end(kMechanisms) ? nullptr : &*row;
}

namespace {

// By the position of the mechanism's row in kMechanisms.
bool hidden_mechanisms[std::size(kMechanisms)] = {};

// --- what the compiler checks of the rows ---

constexpr bool every_type_has_one_row() {
  for (const Mechanism& row : kMechanisms) {
    for (const Mechanism* other = &row + 1; other != std::end(kMechanisms); ++other) {
      if (other->type == row.type) return false;
    }
  }
  return true;
}
static_assert(every_type_has_one_row(), "kMechanisms has two rows for one mechanism");

constexpr bool has_variants(Family family) {
  for (const VariantRow& row : kVariantRows) {
    if (row.family == family) return true;
  }
  return false;
}

constexpr bool is_variant_of(Variant variant, Family family) {
  for (const VariantRow& row : kVariantRows) {
    if (row.variant == variant && row.family == family) return true;
  }
  return false;
}

constexpr bool every_variant_is_of_its_family() {
  for (const Mechanism& row : kMechanisms) {
    const bool fits = has_variants(row.family) ? is_variant_of(row.variant, row.family) : row.variant == Variant::kNone;
    if (!fits) return false;
  }
  return true;
}
static_assert(every_variant_is_of_its_family(),
              "a mechanism has a variant of its family, and Variant::kNone where the family has none");
static_assert(std::size(kVariantRows) + 1 == kVariants, "every Variant except kNone has one row in kVariantRows");

constexpr bool every_family_has_its_columns() {
  for (const Mechanism& row : kMechanisms) {
    const bool digests = row.family == Family::kDigest || row.family == Family::kDigestKey;
    const bool has_hash = row.hash.has_value() || row.parameter == Parameter::kSha512T;
    if (digests && !has_hash) return false;
    if (row.mode.has_value() != (row.family == Family::kCipher || row.family == Family::kEncryptData)) return false;
    if (row.aead.has_value() != (row.family == Family::kAead)) return false;
    if (row.mac.has_value() != (row.family == Family::kMac)) return false;
  }
  return true;
}
static_assert(every_family_has_its_columns(),
              "ciphers have a mode, AEADs an aead, MACs a mac, and digests a hash or SHA-512/t's parameter");

// The makers of these operations are not in a FamilyTable: digest_of makes the digests, and make_message_crypt
// (pkcs11/operation/message_crypt.h) the ciphers of messages.
constexpr bool every_digest_and_message_has_its_family() {
  for (const Mechanism& row : kMechanisms) {
    if ((row.flags & CKF_DIGEST) != 0 && row.family != Family::kDigest) return false;
    if ((row.flags & (CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT)) != 0 && row.family != Family::kAead) return false;
  }
  return true;
}
static_assert(every_digest_and_message_has_its_family(),
              "CKF_DIGEST is for Family::kDigest, CKF_MESSAGE_ENCRYPT and CKF_MESSAGE_DECRYPT are for Family::kAead");

}  // namespace

bool is_mechanism(std::string_view name) { return find_mechanism(name) != nullptr; }

void hide_mechanisms(std::span<const std::string> hidden) {
  for (size_t i = 0; i < std::size(kMechanisms); ++i) {
    hidden_mechanisms[i] = std::find(hidden.begin(), hidden.end(), kMechanisms[i].name) != hidden.end();
  }
}

bool is_offered(const Mechanism& row) { return !hidden_mechanisms[&row - std::begin(kMechanisms)]; }

const Mechanism& require_mechanism(const CK_MECHANISM* mechanism, CK_FLAGS use) {
  refuse_if(!mechanism, CKR_ARGUMENTS_BAD, "the mechanism is a null pointer");
  const Mechanism* row = find_mechanism(mechanism->mechanism);
  if (!row || !(row->flags & use)) {
    refuse(CKR_MECHANISM_INVALID, row ? std::string(row->name) + " does not offer this operation"
                                      : "mechanism " + std::to_string(mechanism->mechanism) + " is not known here");
  }
  if (!is_offered(*row))
    refuse(CKR_MECHANISM_INVALID, std::string(row->name) + " is hidden by the configuration (mechanisms.hidden)");
  refuse_parameter_if(row->has_parameter(use) && !mechanism->pParameter && mechanism->ulParameterLen,
                      "the mechanism's parameter has a length but a null pointer");
  return *row;
}

void copy_parameter(const CK_MECHANISM& mechanism, void* to, size_t size) {
  refuse_parameter_if(!mechanism.pParameter || mechanism.ulParameterLen != size,
                      "the mechanism's parameter is missing or has a wrong size");
  std::memcpy(to, mechanism.pParameter, size);
}

void copy_structure(const void* from, void* to, size_t size) {
  refuse_parameter_if(!from, "the mechanism's parameter has a null pointer");
  std::memcpy(to, from, size);
}

unsigned sha512_t_parameter(const CK_MECHANISM& mechanism) {
  const auto bits = mechanism_parameter<CK_MAC_GENERAL_PARAMS>(mechanism);
  refuse_parameter_if(bits == 0 || bits >= 512 || bits == 384, "SHA-512/t: t out of range (1 to 511, not 384)");
  return static_cast<unsigned>(bits);
}

crypto::Digest digest_of(const Mechanism& row, const CK_MECHANISM& mechanism) {
  if (row.parameter == Parameter::kSha512T) return crypto::Digest::sha512_t(sha512_t_parameter(mechanism));
  return crypto::Digest(*row.hash);
}

size_t poly1305_nonce_bytes(CK_ULONG nonce_length) {
  if (nonce_length == 96 || nonce_length == 12) return 12;
  refuse_parameter_if(nonce_length != 192 && nonce_length != 24, "the nonce must have 96 or 192 bits");
  return 24;
}

Bytes parameter_bytes(const void* from, size_t bytes) { return to_bytes(parameter_view(from, bytes)); }

ByteView parameter_view(const void* from, size_t bytes) {
  refuse_parameter_if(!from && bytes, "the mechanism's parameter has a length but a null pointer");
  refuse_parameter_if(bytes > kMostParameter,
                      "a length in the mechanism's parameter is out of range (at most 16777216)");
  return {static_cast<const uint8_t*>(from), bytes};
}

std::optional<Hash> digest_of_mechanism(CK_MECHANISM_TYPE type) {
  const Mechanism* row = find_mechanism(type);
  return row && row->family == Family::kDigest ? row->hash : std::nullopt;
}

std::optional<Hash> hash_of_mechanism(CK_MECHANISM_TYPE type) {
  const std::optional<Hash> hash = digest_of_mechanism(type);
  return hash && *hash < Hash::kBlake2b160 ? hash : std::nullopt;
}

std::optional<Hash> hash_of_mgf(CK_ULONG mgf) {
  constexpr struct {
    CK_ULONG mgf;
    Hash hash;
  } kMasks[] = {
      {CKG_MGF1_SHA1, Hash::kSha1},         {CKG_MGF1_SHA224, Hash::kSha224},     {CKG_MGF1_SHA256, Hash::kSha256},
      {CKG_MGF1_SHA384, Hash::kSha384},     {CKG_MGF1_SHA512, Hash::kSha512},     {CKG_MGF1_SHA3_224, Hash::kSha3_224},
      {CKG_MGF1_SHA3_256, Hash::kSha3_256}, {CKG_MGF1_SHA3_384, Hash::kSha3_384}, {CKG_MGF1_SHA3_512, Hash::kSha3_512}};
  for (const auto& row : kMasks) {
    if (row.mgf == mgf) return row.hash;
  }
  return std::nullopt;
}

}  // namespace vtpm::pkcs11
