// SPDX-License-Identifier: Apache-2.0
#include "crypto/symmetric/aes_cbc.h"

#include "crypto/library/openssl.h"

namespace vtpm::crypto {

namespace {

using CipherContext = Owned<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;

void run(bool encrypt, ByteView key, ByteView iv, ByteView in, MutableByteView out) {
  ensure_openssl();
  const EVP_CIPHER* cipher = nullptr;
  if (key.size() == 16) cipher = EVP_aes_128_cbc();
  if (key.size() == 24) cipher = EVP_aes_192_cbc();
  if (key.size() == 32) cipher = EVP_aes_256_cbc();
  if (!cipher || iv.size() != kAesBlock || in.size() % kAesBlock != 0 || in.size() > INT32_MAX)
    throw Error(ErrorCode::kInvalidArgument, "AES-CBC: length of key, IV or data out of range");
  const CipherContext context(EVP_CIPHER_CTX_new());
  require_openssl(context != nullptr, "AES-CBC");
  require_openssl(EVP_CipherInit_ex(context.get(), cipher, nullptr, key.data(), iv.data(), encrypt ? 1 : 0) == 1,
                  "AES-CBC");
  require_openssl(EVP_CIPHER_CTX_set_padding(context.get(), 0) == 1, "AES-CBC");
  int first = 0, last = 0;
  require_openssl(EVP_CipherUpdate(context.get(), out.data(), &first, in.data(), static_cast<int>(in.size())) == 1,
                  "AES-CBC");
  require_openssl(EVP_CipherFinal_ex(context.get(), out.data() + first, &last) == 1, "AES-CBC");
}

}  // namespace

Bytes aes_cbc_encrypt(ByteView key, ByteView iv, ByteView blocks) {
  Bytes out(blocks.size());
  run(true, key, iv, blocks, out);
  return out;
}

SecretBytes aes_cbc_decrypt(ByteView key, ByteView iv, ByteView blocks) {
  SecretBytes out(blocks.size());
  run(false, key, iv, blocks, out.span());
  return out;
}

}  // namespace vtpm::crypto
