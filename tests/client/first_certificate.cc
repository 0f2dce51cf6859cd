// SPDX-License-Identifier: Apache-2.0
// Does what many users of libp11 do, for instance its examples/auth.c: logs in, takes the first certificate of the
// token and the private key that belongs to it, signs with the key and verifies with the certificate.
//
//   first_certificate MODULE TOKEN PIN CERTIFICATE: writes the certificate, DER.
#include <libp11.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "first_certificate: %s\n", what);
  std::exit(1);
}

void sign_and_verify(PKCS11_KEY* key, X509* certificate) {
  EVP_PKEY* private_key = PKCS11_get_private_key(key);
  const unsigned char message[] = "a message";
  unsigned char signature[1024];
  size_t size = sizeof signature;
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  if (private_key == nullptr || context == nullptr ||
      EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, private_key) != 1 ||
      EVP_DigestSign(context, signature, &size, message, sizeof message) != 1) {
    fail("the key does not sign");
  }
  EVP_MD_CTX_reset(context);
  if (EVP_DigestVerifyInit(context, nullptr, EVP_sha256(), nullptr, X509_get0_pubkey(certificate)) != 1 ||
      EVP_DigestVerify(context, signature, size, message, sizeof message) != 1) {
    fail("the certificate does not verify what the key has signed");
  }
  EVP_MD_CTX_free(context);
  EVP_PKEY_free(private_key);
}

}  // namespace

int main(int count, char** words) {
  if (count != 5) fail("usage: first_certificate MODULE TOKEN PIN CERTIFICATE");
  PKCS11_CTX* context = PKCS11_CTX_new();
  PKCS11_SLOT* slots = nullptr;
  unsigned slot_count = 0;
  if (PKCS11_CTX_load(context, words[1]) != 0) fail("the module does not load");
  if (PKCS11_enumerate_slots(context, &slots, &slot_count) != 0) fail("no slots");
  PKCS11_SLOT* slot = nullptr;
  for (unsigned i = 0; i < slot_count; ++i) {
    if (slots[i].token != nullptr && std::strcmp(slots[i].token->label, words[2]) == 0) slot = &slots[i];
  }
  if (slot == nullptr) fail("no such token");
  if (PKCS11_login(slot, 0, words[3]) != 0) fail("the login failed");
  PKCS11_CERT* certificates = nullptr;
  unsigned found = 0;
  if (PKCS11_enumerate_certs(slot->token, &certificates, &found) != 0 || found == 0) fail("no certificates");
  PKCS11_KEY* key = PKCS11_find_key(&certificates[0]);
  if (key == nullptr) fail("no key matching certificate available");
  sign_and_verify(key, certificates[0].x509);
  std::FILE* file = std::fopen(words[4], "w");
  if (file == nullptr || i2d_X509_fp(file, certificates[0].x509) != 1 || std::fclose(file) != 0) fail("cannot write");
  PKCS11_logout(slot);
  PKCS11_release_all_slots(context, slots, slot_count);
  PKCS11_CTX_unload(context);
  PKCS11_CTX_free(context);
}
