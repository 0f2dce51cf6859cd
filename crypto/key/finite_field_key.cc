// SPDX-License-Identifier: Apache-2.0
// DSA and Diffie-Hellman private keys.
#include <openssl/core_names.h>
#include <openssl/dh.h>
#include <openssl/dsa.h>

#include "crypto/key/ecdsa_signature.h"
#include "crypto/key/finite_field.h"
#include "crypto/key/native_key.h"
#include "crypto/key/software_key.h"

namespace vtpm::crypto {
namespace {

[[noreturn]] void refuse(const char* sentence) {
  ERR_clear_error();
  throw Error(ErrorCode::kInvalidArgument, sentence);
}

const char* name_of(KeyType type) { return type == KeyType::kDsa ? "DSA" : "DH"; }

PublicKey public_half(KeyType type, const DomainParameters& domain, ByteView value) {
  return type == KeyType::kDsa ? PublicKey::dsa(domain, value) : PublicKey::dh(domain, value);
}

DomainParameters domain_of(const EVP_PKEY* key) {
  return {big_endian_bytes(number_of(key, OSSL_PKEY_PARAM_FFC_P).get()),
          big_endian_bytes(number_of(key, OSSL_PKEY_PARAM_FFC_Q).get()),
          big_endian_bytes(number_of(key, OSSL_PKEY_PARAM_FFC_G).get())};
}

}  // namespace

std::unique_ptr<SoftwareKey> SoftwareKey::generate_finite(KeyType type, const DomainParameters& domain, unsigned bits) {
  ensure_openssl();
  const DomainParameters numbers = normalised(domain);
  if (bits != 0 && (bits < 160 || bits >= 8 * numbers.prime.size()))
    refuse("size of the private value out of range (160 bits to that of the prime)");
  Key parameters = finite_field_key(name_of(type), numbers, {}, nullptr, bits);
  KeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, parameters.get(), nullptr));
  EVP_PKEY* made = nullptr;
  if (!context || EVP_PKEY_keygen_init(context.get()) != 1 || EVP_PKEY_generate(context.get(), &made) != 1) {
    refuse("the domain parameters cannot be used for a key");
  }
  auto native = std::make_shared<NativeKey>(Key(made));
  PublicKey half = public_half(type, numbers, big_endian_bytes(number_of(made, OSSL_PKEY_PARAM_PUB_KEY).get()));
  return std::unique_ptr<SoftwareKey>(new SoftwareKey(std::move(half), std::move(native)));
}

std::unique_ptr<SoftwareKey> SoftwareKey::import_finite(KeyType type, const DomainParameters& domain, ByteView value) {
  ensure_openssl();
  const DomainParameters numbers = normalised(domain);
  BigNumber secret = secret_number(value),
            limit =
                public_number(type == KeyType::kDsa || !numbers.subprime.empty() ? numbers.subprime : numbers.prime);
  if (BN_is_zero(secret.get()) || BN_cmp(secret.get(), limit.get()) >= 0) {
    refuse("the private value is not between 0 and the order of the group");
  }
  finite_field_key(name_of(type), numbers, {}, nullptr);  // throws for parameters that libcrypto cannot use
  const Bytes power = finite_field_power(numbers, secret.get());
  PublicKey half = public_half(type, numbers, power);
  auto native = std::make_shared<NativeKey>(finite_field_key(name_of(type), numbers, power, secret.get()));
  return std::unique_ptr<SoftwareKey>(new SoftwareKey(std::move(half), std::move(native)));
}

std::unique_ptr<SoftwareKey> SoftwareKey::generate_dsa(const DomainParameters& domain) {
  return tested(generate_finite(KeyType::kDsa, domain, 0));
}
std::unique_ptr<SoftwareKey> SoftwareKey::generate_dh(const DomainParameters& domain, unsigned private_bits) {
  return tested(generate_finite(KeyType::kDh, domain, private_bits));
}
std::unique_ptr<SoftwareKey> SoftwareKey::import_dsa(const DomainParameters& domain, ByteView private_value) {
  auto key = import_finite(KeyType::kDsa, domain, private_value);
  if (!works(*key)) refuse("the numbers of the DSA key are inconsistent");
  return key;
}
std::unique_ptr<SoftwareKey> SoftwareKey::import_dh(const DomainParameters& domain, ByteView private_value) {
  return tested(import_finite(KeyType::kDh, domain, private_value));
}

SecretBytes SoftwareKey::private_value() const {
  if (public_.type() != KeyType::kDsa && public_.type() != KeyType::kDh) refuse("a DSA or DH key is needed");
  return secret_big_endian_bytes(number_of(native_->get(), OSSL_PKEY_PARAM_PRIV_KEY).get());
}

Bytes SoftwareKey::dsa_sign(ByteView digest) {
  if (public_.type() != KeyType::kDsa) refuse("DSA needs a DSA key");
  NativeKey::Lease context = native_->context(NativeKey::Operation::kSign);
  const size_t bytes = public_.domain().subprime.size();
  Bytes der(2 * bytes + 16);
  size_t size = der.size();
  const uint8_t none = 0;
  require_openssl(
      EVP_PKEY_sign(context.get(), der.data(), &size, digest.empty() ? &none : digest.data(), digest.size()) == 1,
      "signing with DSA");
  return ecdsa_signature_from_der(ByteView(der).first(size), bytes);
}

SecretBytes SoftwareKey::dh(ByteView value) {
  if (public_.type() != KeyType::kDh) refuse("Diffie-Hellman needs a DH key");
  const PublicKey peer = PublicKey::dh(public_.domain(), value);
  return derive(peer.native(), public_.domain().prime.size(), "the peer's value is not in the group");
}

DomainParameters generate_dsa_domain(unsigned prime_bits, unsigned subprime_bits) {
  ensure_openssl();
  const bool known = (prime_bits == 1024 && subprime_bits == 160) || (prime_bits == 2048 && subprime_bits == 224) ||
                     ((prime_bits == 2048 || prime_bits == 3072) && subprime_bits == 256);
  if (!known) refuse("DSA primes must have 1024/160, 2048/224, 2048/256 or 3072/256 bits");
  KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "DSA", nullptr));
  EVP_PKEY* made = nullptr;
  require_openssl(context != nullptr && EVP_PKEY_paramgen_init(context.get()) == 1 &&
                      EVP_PKEY_CTX_set_dsa_paramgen_bits(context.get(), static_cast<int>(prime_bits)) == 1 &&
                      EVP_PKEY_CTX_set_dsa_paramgen_q_bits(context.get(), static_cast<int>(subprime_bits)) == 1 &&
                      EVP_PKEY_generate(context.get(), &made) == 1,
                  "generating DSA domain parameters");
  return domain_of(Key(made).get());
}

std::optional<DomainParameters> dh_group(const char* name) {
  ensure_openssl();
  KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "DH", nullptr));
  OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, const_cast<char*>(name), 0),
                             OSSL_PARAM_construct_end()};
  EVP_PKEY* made = nullptr;
  require_openssl(context != nullptr && EVP_PKEY_fromdata_init(context.get()) == 1, "preparing a DH group");
  if (EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_KEY_PARAMETERS, parameters) != 1) {
    ERR_clear_error();
    return std::nullopt;
  }
  return domain_of(Key(made).get());
}

}  // namespace vtpm::crypto
