// SPDX-License-Identifier: Apache-2.0
// counting_engines MODULE TOKEN: an application whose OpenSSL has RSA, EC, cipher, digest and RAND engines as defaults,
// all of which count. The module does a full round (login, key generation, signature, digest, random); the counters,
// the application's error queue and its RAND method must not notice.
//
// First the program uses OpenSSL itself, which shows that the counters count.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/ec.h>
#include <openssl/engine.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>

#include <cstdio>
#include <cstring>

#include "tests/client/loaded_module.h"

using namespace vtpm::client;

namespace {

struct Calls {
  unsigned rsa = 0, ec = 0, ciphers = 0, digests = 0, random = 0;
  unsigned sum() const { return rsa + ec + ciphers + digests + random; }
} calls;

// Each method counts and then does what OpenSSL's own does.
int count_rsa_init(RSA* key) {
  ++calls.rsa;
  int (*own)(RSA*) = RSA_meth_get_init(RSA_PKCS1_OpenSSL());
  return own == nullptr ? 1 : own(key);
}
int count_ec_init(EC_KEY*) {
  ++calls.ec;
  return 1;
}
int count_ciphers(ENGINE*, const EVP_CIPHER** cipher, const int** nids, int nid) {
  static const int kNids[] = {NID_aes_128_cbc, NID_aes_256_cbc, NID_aes_256_ctr, NID_aes_128_ecb, NID_aes_256_ecb};
  if (cipher == nullptr) {
    *nids = kNids;
    return 5;
  }
  ++calls.ciphers;
  *cipher = EVP_get_cipherbynid(nid);
  return *cipher != nullptr;
}
// OpenSSL's own EVP_sha256() cannot run in an engine any more, so this is a digest made of the low-level functions.
SHA256_CTX* state(EVP_MD_CTX* context) { return static_cast<SHA256_CTX*>(EVP_MD_CTX_md_data(context)); }
EVP_MD* make_sha256() {
  EVP_MD* md = EVP_MD_meth_new(NID_sha256, NID_sha256WithRSAEncryption);
  EVP_MD_meth_set_result_size(md, SHA256_DIGEST_LENGTH);
  EVP_MD_meth_set_input_blocksize(md, SHA256_CBLOCK);
  EVP_MD_meth_set_app_datasize(md, sizeof(SHA256_CTX));
  EVP_MD_meth_set_init(md, [](EVP_MD_CTX* context) { return SHA256_Init(state(context)); });
  EVP_MD_meth_set_update(
      md, [](EVP_MD_CTX* context, const void* data, size_t size) { return SHA256_Update(state(context), data, size); });
  EVP_MD_meth_set_final(md, [](EVP_MD_CTX* context, unsigned char* out) { return SHA256_Final(out, state(context)); });
  return md;
}
int count_digests(ENGINE*, const EVP_MD** digest, const int** nids, int) {
  static const int kNids[] = {NID_sha256};
  static EVP_MD* const kSha256 = make_sha256();
  if (digest == nullptr) {
    *nids = kNids;
    return 1;
  }
  ++calls.digests;
  *digest = kSha256;
  return 1;
}
int count_random(unsigned char* out, int size) {
  ++calls.random;
  return RAND_OpenSSL()->bytes(out, size);
}
int random_status() { return 1; }

void install() {
  ENGINE* engine = ENGINE_new();
  RSA_METHOD* rsa = RSA_meth_dup(RSA_PKCS1_OpenSSL());
  RSA_meth_set_init(rsa, count_rsa_init);
  EC_KEY_METHOD* ec = EC_KEY_METHOD_new(EC_KEY_OpenSSL());
  EC_KEY_METHOD_set_init(ec, count_ec_init, nullptr, nullptr, nullptr, nullptr, nullptr);
  static RAND_METHOD random = {nullptr, count_random, nullptr, nullptr, count_random, random_status};
  bool good = ENGINE_set_id(engine, "counting") && ENGINE_set_name(engine, "counts") && ENGINE_set_RSA(engine, rsa) &&
              ENGINE_set_EC(engine, ec) && ENGINE_set_ciphers(engine, count_ciphers) &&
              ENGINE_set_digests(engine, count_digests) && ENGINE_set_RAND(engine, &random) && ENGINE_add(engine) &&
              ENGINE_set_default(engine, ENGINE_METHOD_ALL) && RAND_set_rand_method(&random);
  if (!good) give_up("the engine could not be installed");
  ERR_clear_error();
}

// Uses OpenSSL as an application does: every counter must rise.
void use_openssl() {
  Calls before = calls;
  RSA* rsa = RSA_new();
  EC_KEY* ec = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
  EVP_CIPHER_CTX* cipher = EVP_CIPHER_CTX_new();
  unsigned char bytes[32] = {}, hash[32];
  bool good = rsa != nullptr && ec != nullptr && EC_KEY_generate_key(ec) == 1 &&
              EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, bytes, bytes) == 1 &&
              EVP_Digest(bytes, sizeof bytes, hash, nullptr, EVP_sha256(), nullptr) == 1 &&
              RAND_bytes(bytes, sizeof bytes) == 1;
  EVP_CIPHER_CTX_free(cipher);
  EC_KEY_free(ec);
  RSA_free(rsa);
  if (!good) give_up("the application's own OpenSSL failed");
  if (calls.rsa == before.rsa || calls.ec == before.ec || calls.ciphers == before.ciphers ||
      calls.digests == before.digests || calls.random == before.random) {
    give_up("a counter does not count");
  }
}

void use_module(const char* path, const char* token) {
  LoadedModule module(path);
  CK_SESSION_HANDLE session = module.open(token);
  module.log_in(session);
  sign_and_verify(module, session, generate_ec(module, session, "counted"));

  CK_MECHANISM generate = {CKM_RSA_PKCS_KEY_PAIR_GEN, nullptr, 0};
  CK_ULONG bits = 2048;
  CK_BBOOL yes = CK_TRUE;
  CK_ATTRIBUTE public_template[] = {{CKA_MODULUS_BITS, &bits, sizeof bits}, {CKA_VERIFY, &yes, sizeof yes}};
  CK_ATTRIBUTE private_template[] = {{CKA_SIGN, &yes, sizeof yes}};
  CK_OBJECT_HANDLE public_key = 0, private_key = 0;
  must(
      module->C_GenerateKeyPair(session, &generate, public_template, 2, private_template, 1, &public_key, &private_key),
      "C_GenerateKeyPair");
  CK_MECHANISM sign = {CKM_SHA256_RSA_PKCS, nullptr, 0};
  unsigned char message[] = "message", signature[256];
  CK_ULONG size = sizeof signature;
  must(module->C_SignInit(session, &sign, private_key), "C_SignInit");
  must(module->C_Sign(session, message, sizeof message, signature, &size), "C_Sign");
  must(module->C_VerifyInit(session, &sign, public_key), "C_VerifyInit");
  must(module->C_Verify(session, message, sizeof message, signature, size), "C_Verify");
  // A bad signature must leave nothing in the application's error queue.
  signature[9] ^= 1;
  must(module->C_VerifyInit(session, &sign, public_key), "C_VerifyInit");
  if (module->C_Verify(session, message, sizeof message, signature, size) == CKR_OK)
    give_up("verified a bad signature");
  must(module->C_GenerateRandom(session, signature, sizeof signature), "C_GenerateRandom");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) give_up("usage: counting_engines MODULE TOKEN");
  install();
  use_openssl();
  Calls before = calls;
  const RAND_METHOD* method = RAND_get_rand_method();
  use_module(argv[1], argv[2]);
  std::printf("calls during the module's work: RSA %u, EC %u, ciphers %u, digests %u, random %u; errors queued: %s\n",
              calls.rsa - before.rsa, calls.ec - before.ec, calls.ciphers - before.ciphers,
              calls.digests - before.digests, calls.random - before.random, ERR_peek_error() == 0 ? "none" : "some");
  if (calls.sum() != before.sum()) give_up("the module used the application's engines");
  if (ERR_peek_error() != 0) give_up("the module left errors in the application's queue");
  if (RAND_get_rand_method() != method) give_up("the module replaced the application's RAND method");
  use_openssl();
}
