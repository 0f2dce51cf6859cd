// SPDX-License-Identifier: Apache-2.0
#include "crypto/symmetric/aead.h"

#include <algorithm>
#include <climits>

#include "crypto/library/openssl.h"

namespace vtpm::crypto {
namespace {

using CipherContext = Owned<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;

// Fetched once, kept for the process.
const EVP_CIPHER* siv_cipher() {
  static const EVP_CIPHER* const cipher = [] {
    ensure_openssl();
    EVP_CIPHER* fetched = EVP_CIPHER_fetch(nullptr, "AES-256-SIV", nullptr);
    require_openssl(fetched != nullptr, "fetching AES-256-SIV");
    return fetched;
  }();
  return cipher;
}

CipherContext copy_of(const EVP_CIPHER_CTX* keyed) {
  CipherContext context(EVP_CIPHER_CTX_new());
  require_openssl(context != nullptr && EVP_CIPHER_CTX_copy(context.get(), keyed) == 1, "copying an AES-SIV context");
  return context;
}

int checked_size(ByteView data) {
  if (data.size() > INT_MAX) throw Error(ErrorCode::kInvalidArgument, "AES-SIV: length out of range (at most 2 GiB)");
  return static_cast<int>(data.size());
}

void add_associated(EVP_CIPHER_CTX* context, std::initializer_list<ByteView> associated) {
  for (ByteView part : associated) {
    const uint8_t none = 0;  // an empty component counts, but libcrypto needs an address
    int done = 0;
    require_openssl(
        EVP_CipherUpdate(context, nullptr, &done, part.empty() ? &none : part.data(), checked_size(part)) == 1,
        "AES-SIV associated data");
  }
}

}  // namespace

void Siv::Free::operator()(evp_cipher_ctx_st* context) const noexcept { EVP_CIPHER_CTX_free(context); }

Siv::Siv(ByteView key) {
  if (key.size() != kKeyBytes) throw Error(ErrorCode::kInvalidArgument, "an AES-256-SIV key must have 64 bytes");
  ensure_openssl();
  encrypt_.reset(EVP_CIPHER_CTX_new());
  decrypt_.reset(EVP_CIPHER_CTX_new());
  require_openssl(encrypt_ && EVP_CipherInit_ex2(encrypt_.get(), siv_cipher(), key.data(), nullptr, 1, nullptr) == 1 &&
                      decrypt_ &&
                      EVP_CipherInit_ex2(decrypt_.get(), siv_cipher(), key.data(), nullptr, 0, nullptr) == 1,
                  "keying AES-SIV");
}

Bytes Siv::seal(std::initializer_list<ByteView> associated, ByteView plain) const {
  if (plain.empty()) throw Error(ErrorCode::kInvalidArgument, "AES-SIV: an empty plain text has no tag; pad it");
  CipherContext context = copy_of(encrypt_.get());
  add_associated(context.get(), associated);
  Bytes sealed(kTagBytes + plain.size());
  int done = 0;
  require_openssl(
      EVP_EncryptUpdate(context.get(), sealed.data() + kTagBytes, &done, plain.data(), checked_size(plain)) == 1 &&
          static_cast<size_t>(done) == plain.size() &&
          EVP_EncryptFinal_ex(context.get(), sealed.data() + sealed.size(), &done) == 1 &&
          EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kTagBytes, sealed.data()) == 1,
      "AES-SIV sealing");
  return sealed;
}

std::optional<SecretBytes> Siv::open(std::initializer_list<ByteView> associated, ByteView sealed) const {
  if (sealed.size() <= kTagBytes) return std::nullopt;
  ByteView tag = sealed.first(kTagBytes), cipher_text = sealed.subspan(kTagBytes);
  CipherContext context = copy_of(decrypt_.get());
  require_openssl(
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kTagBytes, const_cast<uint8_t*>(tag.data())) == 1,
      "AES-SIV tag");
  add_associated(context.get(), associated);
  SecretBytes plain(cipher_text.size());
  int done = 0;
  if (EVP_DecryptUpdate(context.get(), plain.data(), &done, cipher_text.data(), checked_size(cipher_text)) != 1 ||
      static_cast<size_t>(done) != plain.size() || EVP_DecryptFinal_ex(context.get(), plain.data(), &done) != 1) {
    ERR_clear_error();
    return std::nullopt;
  }
  return plain;
}

}  // namespace vtpm::crypto
