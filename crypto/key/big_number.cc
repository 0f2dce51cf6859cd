// SPDX-License-Identifier: Apache-2.0
#include "crypto/key/big_number.h"

#include <climits>

namespace vtpm::crypto {
namespace {

BigNumber filled(BigNumber number, ByteView bytes) {
  if (bytes.size() > INT_MAX)
    throw Error(ErrorCode::kInvalidArgument, "length of a number out of range (at most 2 GiB)");
  require_openssl(number != nullptr && BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), number.get()) != nullptr,
                  "reading a number");
  return number;
}

}  // namespace

BigNumber public_number(ByteView bytes) { return filled(BigNumber(BN_new()), bytes); }

BigNumber secret_number(ByteView bytes) {
  BigNumber number = filled(BigNumber(BN_secure_new()), bytes);
  BN_set_flags(number.get(), BN_FLG_CONSTTIME);
  return number;
}

Bytes big_endian_bytes(const BIGNUM* number) {
  Bytes bytes(static_cast<size_t>(BN_num_bytes(number)));
  BN_bn2bin(number, bytes.data());
  return bytes;
}

SecretBytes secret_big_endian_bytes(const BIGNUM* number, size_t size) {
  SecretBytes bytes(size != 0 ? size : static_cast<size_t>(BN_num_bytes(number)));
  require_openssl(BN_bn2binpad(number, bytes.data(), static_cast<int>(bytes.size())) >= 0, "writing a number");
  return bytes;
}

Key key_from_parameters(const char* type, int selection, OSSL_PARAM_BLD* builder) {
  Parameters parameters(OSSL_PARAM_BLD_to_param(builder));
  KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  require_openssl(parameters != nullptr && context != nullptr && EVP_PKEY_fromdata_init(context.get()) == 1,
                  "preparing to build a key");
  EVP_PKEY* key = nullptr;
  if (EVP_PKEY_fromdata(context.get(), &key, selection, parameters.get()) != 1) {
    ERR_clear_error();
    return nullptr;
  }
  return Key(key);
}

BigNumber number_of(const EVP_PKEY* key, const char* name) {
  BIGNUM* number = nullptr;
  require_openssl(EVP_PKEY_get_bn_param(key, name, &number) == 1, "reading a key");
  return BigNumber(number);
}

}  // namespace vtpm::crypto
