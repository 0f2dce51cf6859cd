// SPDX-License-Identifier: Apache-2.0
#include "crypto/key/big_number.h"

#include <climits>

namespace vtpm::crypto {
namespace {

BigNumber filled(BigNumber number, ByteView octets) {
  if (octets.size() > INT_MAX)
    throw Error(ErrorCode::kInvalidArgument, "length of a number out of range (at most 2 GiB)");
  require(number != nullptr && BN_bin2bn(octets.data(), static_cast<int>(octets.size()), number.get()) != nullptr,
          "reading a number");
  return number;
}

}  // namespace

BigNumber public_number(ByteView octets) { return filled(BigNumber(BN_new()), octets); }

BigNumber secret_number(ByteView octets) {
  BigNumber number = filled(BigNumber(BN_secure_new()), octets);
  BN_set_flags(number.get(), BN_FLG_CONSTTIME);
  return number;
}

Bytes to_octets(const BIGNUM* number) {
  Bytes octets(static_cast<size_t>(BN_num_bytes(number)));
  BN_bn2bin(number, octets.data());
  return octets;
}

SecretBytes to_secret_octets(const BIGNUM* number, size_t size) {
  SecretBytes octets(size != 0 ? size : static_cast<size_t>(BN_num_bytes(number)));
  require(BN_bn2binpad(number, octets.data(), static_cast<int>(octets.size())) >= 0, "writing a number");
  return octets;
}

Key key_from_parameters(const char* type, int selection, OSSL_PARAM_BLD* builder) {
  Parameters parameters(OSSL_PARAM_BLD_to_param(builder));
  KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  require(parameters != nullptr && context != nullptr && EVP_PKEY_fromdata_init(context.get()) == 1,
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
  require(EVP_PKEY_get_bn_param(key, name, &number) == 1, "reading a key");
  return BigNumber(number);
}

}  // namespace vtpm::crypto
