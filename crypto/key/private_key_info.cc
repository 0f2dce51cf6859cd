// SPDX-License-Identifier: Apache-2.0
#include "crypto/key/private_key_info.h"

#include <openssl/core_names.h>
#include <openssl/x509.h>

#include "crypto/key/big_number.h"
#include "crypto/key/curve_table.h"

namespace vtpm::crypto {
namespace {

using Info = Owned<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free>;

[[noreturn]] void refuse(const char* sentence) {
  ERR_clear_error();
  throw Error(ErrorCode::kInvalidArgument, sentence);
}

/// Nothing when the key has no such number.
Bytes public_number_of(const EVP_PKEY* key, const char* name) {
  BIGNUM* number = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &number) != 1) {
    ERR_clear_error();
    return {};
  }
  return big_endian_bytes(BigNumber(number).get());
}

SecretBytes secret_number_of(const EVP_PKEY* key, const char* name) {
  BIGNUM* number = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &number) != 1) refuse("the private key lacks a number");
  return secret_big_endian_bytes(BigNumber(number).get());
}

std::unique_ptr<SoftwareKey> rsa_key(const EVP_PKEY* key) {
  const auto secret = [&](const char* name) { return secret_number_of(key, name); };
  return SoftwareKey::import_rsa({public_number_of(key, OSSL_PKEY_PARAM_RSA_N),
                                  public_number_of(key, OSSL_PKEY_PARAM_RSA_E), secret(OSSL_PKEY_PARAM_RSA_D),
                                  secret(OSSL_PKEY_PARAM_RSA_FACTOR1), secret(OSSL_PKEY_PARAM_RSA_FACTOR2),
                                  secret(OSSL_PKEY_PARAM_RSA_EXPONENT1), secret(OSSL_PKEY_PARAM_RSA_EXPONENT2),
                                  secret(OSSL_PKEY_PARAM_RSA_COEFFICIENT1)});
}

std::unique_ptr<SoftwareKey> curve_key(const EVP_PKEY* key) {
  const std::optional<Curve> curve = named_curve(key);
  if (!curve) refuse("the private key is not on a supported named curve");
  if (curve_key_type(*curve) == KeyType::kEc) {
    return SoftwareKey::import_ec(*curve, secret_number_of(key, OSSL_PKEY_PARAM_PRIV_KEY));
  }
  SecretBytes raw(curve_bytes(*curve));
  size_t size = raw.size();
  if (EVP_PKEY_get_raw_private_key(key, raw.data(), &size) != 1) refuse("the private key lacks its value");
  return SoftwareKey::import_ec(*curve, raw);
}

std::unique_ptr<SoftwareKey> field_key(const EVP_PKEY* key, bool dsa) {
  const DomainParameters domain{public_number_of(key, OSSL_PKEY_PARAM_FFC_P),
                                public_number_of(key, OSSL_PKEY_PARAM_FFC_Q),
                                public_number_of(key, OSSL_PKEY_PARAM_FFC_G)};
  const SecretBytes value = secret_number_of(key, OSSL_PKEY_PARAM_PRIV_KEY);
  return dsa ? SoftwareKey::import_dsa(domain, value) : SoftwareKey::import_dh(domain, value);
}

}  // namespace

SecretBytes private_key_info(const SoftwareKey& key) {
  Info info(EVP_PKEY2PKCS8(key.native()));
  const int size = info ? i2d_PKCS8_PRIV_KEY_INFO(info.get(), nullptr) : 0;
  require_openssl(size > 0, "writing a PrivateKeyInfo");
  SecretBytes der(static_cast<size_t>(size));
  uint8_t* at = der.data();
  require_openssl(i2d_PKCS8_PRIV_KEY_INFO(info.get(), &at) == size, "writing a PrivateKeyInfo");
  return der;
}

std::unique_ptr<SoftwareKey> from_private_key_info(ByteView der) {
  ensure_openssl();
  const uint8_t* next = der.data();
  Info info(d2i_PKCS8_PRIV_KEY_INFO(nullptr, &next, static_cast<long>(der.size())));
  if (!info || next != der.data() + der.size()) refuse("the bytes are not a PrivateKeyInfo");
  const Key key(EVP_PKCS82PKEY(info.get()));
  if (!key) refuse("the PrivateKeyInfo contains no key of a supported type");
  switch (EVP_PKEY_get_base_id(key.get())) {
    case EVP_PKEY_RSA:
      return rsa_key(key.get());
    case EVP_PKEY_DSA:
      return field_key(key.get(), true);
    case EVP_PKEY_DH:
    case EVP_PKEY_DHX:
      return field_key(key.get(), false);
    default:
      return curve_key(key.get());
  }
}

}  // namespace vtpm::crypto
