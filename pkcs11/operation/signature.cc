// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/operation/signature.h"

#include <algorithm>

#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/mechanism/family_table.h"

namespace vtpm::pkcs11 {
namespace {

using crypto::PublicKey;

// Longer than any digest. An application that passes a longer input to raw ECDSA meant a hashing mechanism.
constexpr size_t kMostRawEcdsa = 1024;

// EdDSA without prehashing reads the whole message twice; therefore the message is kept until the end.
constexpr size_t kMostEddsa = size_t{64} << 20;

/// PKCS#11 3.2, 6.3, "CK_EDDSA_PARAMS": without a parameter the scheme is Ed25519, or Ed448 without a context. With a
/// parameter, phFlag distinguishes Ed25519ph from Ed25519ctx, and Ed448ph from Ed448.
crypto::EddsaMode eddsa_mode(const CK_MECHANISM& mechanism, const PublicKey& key) {
  using Form = crypto::EddsaMode::Form;
  if (mechanism.ulParameterLen == 0) return {};
  const auto given = mechanism_parameter<CK_EDDSA_PARAMS>(mechanism);
  refuse_parameter_if(given.phFlag != CK_FALSE && given.phFlag != CK_TRUE,
                      "EdDSA: phFlag is neither CK_TRUE nor CK_FALSE");
  refuse_parameter_if(given.ulContextDataLen > crypto::EddsaMode::kMostContext,
                      "EdDSA: context length out of range (at most 255)");
  // Ed448 is the same with no context and with an empty one, which is what libcrypto implements itself.
  const bool pure = key.curve() == crypto::Curve::kEd448 && given.phFlag == CK_FALSE && given.ulContextDataLen == 0;
  if (pure) return {};
  return {given.phFlag == CK_TRUE ? Form::kPrehashed : Form::kContext,
          parameter_bytes(given.pContextData, given.ulContextDataLen)};
}

crypto::PssParameters pss_parameters(const Mechanism& row, const CK_MECHANISM& mechanism, const PublicKey& key) {
  auto given = mechanism_parameter<CK_RSA_PKCS_PSS_PARAMS>(mechanism);
  auto hash = hash_of_mechanism(given.hashAlg);
  auto mgf = hash_of_mgf(given.mgf);
  refuse_parameter_if(!hash || !mgf, "PSS: unknown hash or mask generation function");
  refuse_parameter_if(row.hash && row.hash != hash, "PSS: hashAlg is not the mechanism's hash");
  const size_t room = (key.bits() - 1 + 7) / 8;
  const size_t digest = crypto::hash_bytes(*hash);
  refuse_if(digest + 2 > room, CKR_KEY_SIZE_RANGE, "PSS: the key is too small for this hash");
  refuse_parameter_if(given.sLen > room - digest - 2, "PSS: the salt is too long for this key");
  return {*hash, *mgf, given.sLen};
}

/// The signature with both halves padded with leading zeros.
Bytes with_zeros(ByteView signature, size_t bytes) {
  Bytes whole(bytes);
  const size_t half = signature.size() / 2;
  std::copy_n(signature.begin(), half, whole.begin() + static_cast<ptrdiff_t>(bytes / 2 - half));
  std::copy_n(signature.begin() + static_cast<ptrdiff_t>(half), half, whole.end() - static_cast<ptrdiff_t>(half));
  return whole;
}

/// CKM_DSA accepts a digest (PKCS#11 3.2, 6.2), and data of no other length.
ByteView require_digest(ByteView input) {
  constexpr size_t kDigests[] = {20, 28, 32, 48, 64};
  refuse_if(std::find(std::begin(kDigests), std::end(kDigests), input.size()) == std::end(kDigests), CKR_DATA_LEN_RANGE,
            "data length out of range (that of a digest: 20, 28, 32, 48 or 64 bytes)");
  return input;
}

using Data = SignatureScheme::Data;

// --- RSA: an encoding, and the raw operation ---

using Encode = Bytes (*)(const Data& data, ByteView input);

Bytes fitting(std::optional<Bytes> block) {
  refuse_if(!block, CKR_DATA_LEN_RANGE, "the data does not fit this mechanism and key");
  return std::move(*block);
}

Bytes encode_pkcs1(const Data& data, ByteView input) {
  const auto& hash = data.row->hash;
  return fitting(
      crypto::pkcs1_sign_encode(hash ? crypto::digest_info(*hash, input) : to_bytes(input), data.key.modulus().size()));
}

Bytes encode_pss(const Data& data, ByteView input) {
  return fitting(crypto::pss_encode(input, data.key.bits(), data.pss));
}

Bytes encode_raw(const Data& data, ByteView input) {
  const Bytes& modulus = data.key.modulus();
  refuse_if(input.size() > modulus.size(), CKR_DATA_LEN_RANGE, "the data is longer than the modulus");
  Bytes block(modulus.size() - input.size());
  append(block, input);
  refuse_if(!std::lexicographical_compare(block.begin(), block.end(), modulus.begin(), modulus.end()), CKR_DATA_INVALID,
            "the data is not below the modulus");
  return block;
}

template <Encode kEncode>
Bytes rsa_sign(const Data& data, crypto::PrivateKey& key, ByteView input) {
  return to_bytes(key.rsa_private(kEncode(data, input)));
}

template <Encode kEncode>
bool rsa_verify(const Data& data, ByteView input, ByteView signature) {
  const std::optional<Bytes> block = data.key.rsa_public(signature);
  return block && equal(*block, kEncode(data, input));
}

bool pss_verify(const Data& data, ByteView input, ByteView signature) {
  refuse_if(input.size() != crypto::hash_bytes(data.pss.hash), CKR_DATA_LEN_RANGE,
            "PSS: the data is not a digest of the hash named in the parameter");
  const std::optional<Bytes> block = data.key.rsa_public(signature);
  return block && crypto::pss_verify(input, *block, data.key.bits(), data.pss);
}

std::optional<Bytes> recover_pkcs1(const Data& data, ByteView signature) {
  const std::optional<Bytes> block = data.key.rsa_public(signature);
  return block ? crypto::pkcs1_sign_decode(*block) : std::nullopt;
}

std::optional<Bytes> recover_raw(const Data& data, ByteView signature) { return data.key.rsa_public(signature); }

// --- curves and prime fields ---

Bytes ecdsa_sign(const Data&, crypto::PrivateKey& key, ByteView input) {
  return refusing_invalid(CKR_DATA_LEN_RANGE, [&] { return key.ecdsa_sign(input); });
}

size_t ecdsa_bytes(const Data& data) { return 2 * crypto::curve_bytes(data.key.curve()); }

bool ecdsa_verify(const Data& data, ByteView input, ByteView signature) {
  return data.key.ecdsa_verify(input, with_zeros(signature, ecdsa_bytes(data)));
}

Bytes eddsa_sign(const Data& data, crypto::PrivateKey& key, ByteView input) {
  return key.eddsa_sign(input, data.eddsa);
}

bool eddsa_verify(const Data& data, ByteView input, ByteView signature) {
  return data.key.eddsa_verify(input, signature, data.eddsa);
}

Bytes dsa_sign(const Data&, crypto::PrivateKey& key, ByteView input) { return key.dsa_sign(require_digest(input)); }

bool dsa_verify(const Data& data, ByteView input, ByteView signature) {
  return data.key.dsa_verify(require_digest(input), signature);
}

// --- what else the families differ in ---

void no_parameter(Data&, const CK_MECHANISM&) {}
void read_pss(Data& data, const CK_MECHANISM& mechanism) { data.pss = pss_parameters(*data.row, mechanism, data.key); }
void read_eddsa(Data& data, const CK_MECHANISM& mechanism) { data.eddsa = eddsa_mode(mechanism, data.key); }

size_t rsa_bytes(const Data& data) { return data.key.modulus().size(); }
size_t dsa_bytes(const Data& data) { return 2 * data.key.domain().subprime.size(); }

size_t most_of_pkcs1(const Data& data) { return rsa_bytes(data) - 11; }
size_t most_of_pss(const Data& data) { return crypto::hash_bytes(data.pss.hash); }
size_t most_of_raw_ecdsa(const Data&) { return kMostRawEcdsa; }
size_t most_of_eddsa(const Data&) { return kMostEddsa; }

}  // namespace

/// What SignatureScheme's functions do for a family.
struct SchemeMaker {
  void (*read)(Data& data, const CK_MECHANISM& mechanism) = nullptr;
  size_t (*bytes)(const Data& data) = nullptr;
  size_t (*most_input)(const Data& data) = nullptr;
  Bytes (*sign)(const Data& data, crypto::PrivateKey& key, ByteView input) = nullptr;
  bool (*verify)(const Data& data, ByteView input, ByteView signature) = nullptr;
  std::optional<Bytes> (*recover)(const Data& data, ByteView signature) = nullptr;
  bool halves_may_be_short = false;  // without their leading zeros (PKCS#11 3.2, 6.3)
};

namespace {

constexpr FamilyTable<SchemeMaker> kMakers({
    {Family::kRsaPkcs,
     {no_parameter, rsa_bytes, most_of_pkcs1, rsa_sign<encode_pkcs1>, rsa_verify<encode_pkcs1>, recover_pkcs1}},
    {Family::kRsaX509, {no_parameter, rsa_bytes, rsa_bytes, rsa_sign<encode_raw>, rsa_verify<encode_raw>, recover_raw}},
    {Family::kRsaPss, {read_pss, rsa_bytes, most_of_pss, rsa_sign<encode_pss>, pss_verify}},
    {Family::kEcdsa, {no_parameter, ecdsa_bytes, most_of_raw_ecdsa, ecdsa_sign, ecdsa_verify, nullptr, true}},
    {Family::kEddsa, {read_eddsa, ecdsa_bytes, most_of_eddsa, eddsa_sign, eddsa_verify}},
    {Family::kDsa, {no_parameter, dsa_bytes, most_of_raw_ecdsa, dsa_sign, dsa_verify}},
});
constexpr CK_FLAGS kSigns = CKF_SIGN | CKF_SIGN_RECOVER | CKF_MESSAGE_SIGN;
constexpr CK_FLAGS kVerifies = CKF_VERIFY | CKF_VERIFY_RECOVER | CKF_MESSAGE_VERIFY;
static_assert(kMakers.covers(kSigns | kVerifies, &SchemeMaker::read, &Mechanism::of_pairs));
static_assert(kMakers.covers(kSigns | kVerifies, &SchemeMaker::bytes, &Mechanism::of_pairs));
static_assert(kMakers.covers(kSigns | kVerifies, &SchemeMaker::most_input, &Mechanism::of_pairs));
static_assert(kMakers.covers(kSigns, &SchemeMaker::sign, &Mechanism::of_pairs));
static_assert(kMakers.covers(kVerifies & ~CKF_VERIFY_RECOVER, &SchemeMaker::verify, &Mechanism::of_pairs));
static_assert(kMakers.covers(CKF_VERIFY_RECOVER, &SchemeMaker::recover));

}  // namespace

SignatureScheme::SignatureScheme(const Mechanism& row, const CK_MECHANISM& mechanism, const PublicKey& key)
    : data_{&row, key}, by_(&kMakers[row.family]) {
  const size_t bits = key.bits();
  refuse_if(bits < row.min_size || bits > row.max_size, CKR_KEY_SIZE_RANGE,
            "the key's size is outside the mechanism's range");
  by_->read(data_, mechanism);
}

size_t SignatureScheme::signature_bytes() const { return by_->bytes(data_); }
size_t SignatureScheme::most_input() const { return by_->most_input(data_); }

std::optional<crypto::Digest> SignatureScheme::start_digest() const {
  if (data_.row->hash) return crypto::Digest(*data_.row->hash);
  if (data_.eddsa.form == crypto::EddsaMode::Form::kPrehashed) return crypto::EddsaMode::digest(data_.key.curve());
  return std::nullopt;
}

Bytes SignatureScheme::sign(crypto::PrivateKey& key, ByteView input) const { return by_->sign(data_, key, input); }

bool SignatureScheme::takes_signature(size_t bytes) const {
  const size_t whole = signature_bytes();
  return bytes == whole || (by_->halves_may_be_short && bytes > 0 && bytes < whole && bytes % 2 == 0);
}

bool SignatureScheme::verify(ByteView input, ByteView signature) const { return by_->verify(data_, input, signature); }

std::optional<Bytes> SignatureScheme::recover(ByteView signature) const { return by_->recover(data_, signature); }

SignatureInput::SignatureInput(const SignatureScheme& scheme)
    : digest_(scheme.start_digest()), limit_(scheme.most_input()) {}

void SignatureInput::update(ByteView part) {
  if (digest_) {
    digest_->update(part);
    return;
  }
  refuse_if(part.size() > limit_ - gathered_.size(), CKR_DATA_LEN_RANGE, "the data is too long for this mechanism");
  append(gathered_, part);
}

std::optional<SecretBytes> SignatureInput::save() const { return digest_ ? digest_->save() : SecretBytes(gathered_); }

void SignatureInput::load(ByteView saved) {
  if (digest_) {
    digest_->load(saved);
  } else {
    update(saved);
  }
}

Bytes SignatureInput::finish() { return digest_ ? digest_->finish() : std::move(gathered_); }

}  // namespace vtpm::pkcs11
