// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/operation/signature.h"

#include <algorithm>

#include "pkcs11/cryptoki/refusal.h"

namespace vtpm::pkcs11 {
namespace {

using crypto::PublicKey;

// More than any digest; a longer input to raw ECDSA is a mistake of the caller, who meant a hashing mechanism.
constexpr size_t kMostRawEcdsa = 1024;

// EdDSA that is not prehashed needs the whole message twice, so it is kept to the end.
constexpr size_t kMostEddsa = size_t{64} << 20;

/// 3.0, 2.3.14: no parameter is Ed25519, or Ed448 without a context; with one, phFlag tells Ed25519ph from Ed25519ctx,
/// and Ed448ph from Ed448.
crypto::EddsaMode eddsa_mode(const CK_MECHANISM& mechanism, const PublicKey& key) {
  using Form = crypto::EddsaMode::Form;
  if (mechanism.ulParameterLen == 0) return {};
  const auto given = mechanism_parameter<CK_EDDSA_PARAMS>(mechanism);
  refuse_parameter_if(given.phFlag != CK_FALSE && given.phFlag != CK_TRUE,
                      "EdDSA: phFlag is neither CK_TRUE nor CK_FALSE");
  refuse_parameter_if(given.ulContextDataLen > crypto::EddsaMode::kMostContext,
                      "EdDSA: a context has at most 255 octets");
  // Ed448 has one form for no context and an empty one, and that is libcrypto's own.
  const bool pure = key.curve() == crypto::Curve::kEd448 && given.phFlag == CK_FALSE && given.ulContextDataLen == 0;
  if (pure) return {};
  return {given.phFlag == CK_TRUE ? Form::kPrehashed : Form::kContext,
          parameter_octets(given.pContextData, given.ulContextDataLen)};
}

crypto::PssParameters pss_parameters(const Mechanism& row, const CK_MECHANISM& mechanism, const PublicKey& key) {
  auto given = mechanism_parameter<CK_RSA_PKCS_PSS_PARAMS>(mechanism);
  auto hash = hash_of_mechanism(given.hashAlg);
  auto mgf = hash_of_mgf(given.mgf);
  refuse_parameter_if(!hash || !mgf, "PSS: unknown hash or mask generation function");
  refuse_parameter_if(row.hash && row.hash != hash, "PSS: hashAlg is not the mechanism's hash");
  const size_t room = (key.bits() - 1 + 7) / 8;
  const size_t digest = crypto::hash_octets(*hash);
  refuse_if(digest + 2 > room, CKR_KEY_SIZE_RANGE, "PSS: the key is too small for this hash");
  refuse_parameter_if(given.sLen > room - digest - 2, "PSS: the salt is too long for this key");
  return {*hash, *mgf, given.sLen};
}

/// Both halves filled up with leading zeros.
Bytes with_zeros(ByteView signature, size_t octets) {
  Bytes whole(octets);
  const size_t half = signature.size() / 2;
  std::copy_n(signature.begin(), half, whole.begin() + static_cast<ptrdiff_t>(octets / 2 - half));
  std::copy_n(signature.begin() + static_cast<ptrdiff_t>(half), half, whole.end() - static_cast<ptrdiff_t>(half));
  return whole;
}

/// CKM_DSA takes what a hash gives (3.2, 6.2), not any number of octets.
ByteView require_digest(ByteView input) {
  constexpr size_t kDigests[] = {20, 28, 32, 48, 64};
  refuse_if(std::find(std::begin(kDigests), std::end(kDigests), input.size()) == std::end(kDigests), CKR_DATA_LEN_RANGE,
            "the data is not as long as a digest: 20, 28, 32, 48 or 64 octets");
  return input;
}

}  // namespace

SignatureScheme::SignatureScheme(const Mechanism& row, const CK_MECHANISM& mechanism, const PublicKey& key)
    : row_(&row), public_(key) {
  const size_t bits = key.bits();
  refuse_if(bits < row.min_size || bits > row.max_size, CKR_KEY_SIZE_RANGE,
            "the key's size is outside the mechanism's range");
  if (row.family == Family::kRsaPss) {
    pss_ = pss_parameters(row, mechanism, key);
  } else if (row.family == Family::kEddsa) {
    eddsa_ = eddsa_mode(mechanism, key);
  }
}

size_t SignatureScheme::signature_octets() const {
  if (public_.type() == crypto::KeyType::kRsa) return public_.modulus().size();
  if (public_.type() == crypto::KeyType::kDsa) return 2 * public_.domain().subprime.size();
  return 2 * crypto::curve_octets(public_.curve());
}

size_t SignatureScheme::most_input() const {
  switch (row_->family) {
    case Family::kRsaPkcs:
      return signature_octets() - 11;
    case Family::kRsaX509:
      return signature_octets();
    case Family::kRsaPss:
      return crypto::hash_octets(pss_.hash);
    case Family::kEddsa:
      return kMostEddsa;
    default:
      return kMostRawEcdsa;
  }
}

std::optional<crypto::Digest> SignatureScheme::start_digest() const {
  if (row_->hash) return crypto::Digest(*row_->hash);
  if (eddsa_.form == crypto::EddsaMode::Form::kPrehashed) return crypto::EddsaMode::digest(public_.curve());
  return std::nullopt;
}

Bytes SignatureScheme::encode(ByteView input) const {
  const size_t size = public_.modulus().size();
  std::optional<Bytes> block;
  switch (row_->family) {
    case Family::kRsaPkcs:
      block = crypto::pkcs1_sign_encode(row_->hash ? crypto::digest_info(*row_->hash, input) : to_bytes(input), size);
      break;
    case Family::kRsaPss:
      block = crypto::pss_encode(input, public_.bits(), pss_);
      break;
    default:  // CKM_RSA_X_509
      refuse_if(input.size() > size, CKR_DATA_LEN_RANGE, "the data is longer than the modulus");
      block = Bytes(size - input.size());
      append(*block, input);
      refuse_if(!std::lexicographical_compare(block->begin(), block->end(), public_.modulus().begin(),
                                              public_.modulus().end()),
                CKR_DATA_INVALID, "the data is not below the modulus");
  }
  refuse_if(!block, CKR_DATA_LEN_RANGE, "the data does not fit this mechanism and key");
  return *block;
}

Bytes SignatureScheme::sign(crypto::PrivateKey& key, ByteView input) const {
  if (row_->family == Family::kEcdsa) {
    return refusing_invalid(CKR_DATA_LEN_RANGE, [&] { return key.ecdsa_sign(input); });
  }
  if (row_->family == Family::kEddsa) return key.eddsa_sign(input, eddsa_);
  if (row_->family == Family::kDsa) return key.dsa_sign(require_digest(input));
  return to_bytes(key.rsa_private(encode(input)));
}

bool SignatureScheme::takes_signature(size_t octets) const {
  const size_t whole = signature_octets();
  return octets == whole || (row_->family == Family::kEcdsa && octets > 0 && octets < whole && octets % 2 == 0);
}

bool SignatureScheme::verify(ByteView input, ByteView signature) const {
  if (row_->family == Family::kEcdsa) return public_.ecdsa_verify(input, with_zeros(signature, signature_octets()));
  if (row_->family == Family::kEddsa) return public_.eddsa_verify(input, signature, eddsa_);
  if (row_->family == Family::kDsa) return public_.dsa_verify(require_digest(input), signature);
  if (row_->family == Family::kRsaPss && input.size() != crypto::hash_octets(pss_.hash)) {
    refuse(CKR_DATA_LEN_RANGE, "PSS: the data is not a digest of the hash named in the parameter");
  }
  std::optional<Bytes> block = public_.rsa_public(signature);
  if (!block) return false;
  if (row_->family == Family::kRsaPss) return crypto::pss_verify(input, *block, public_.bits(), pss_);
  return equal(*block, encode(input));
}

std::optional<Bytes> SignatureScheme::recover(ByteView signature) const {
  std::optional<Bytes> block = public_.rsa_public(signature);
  return block && row_->family == Family::kRsaPkcs ? crypto::pkcs1_sign_decode(*block) : block;
}

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
