// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/harness/symmetric.h"

#include "pkcs11/cryptoki/types.h"

#include <openssl/evp.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "tests/conformance/harness/recorder.h"

namespace vtpm::conformance {

Line::Line(const std::string& text) {
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const size_t sign = word.find('=');
    fields_[word.substr(0, sign)] = word.substr(sign + 1);
  }
}

void for_each_line(const std::string& file, const std::function<void(const Line&)>& check) {
  std::ifstream in(std::string(VTPM_TEST_DATA) + "/crypto/" + file);
  int number = 0, cases = 0;
  for (std::string text; std::getline(in, text);) {
    ++number;
    if (text.empty() || text[0] == '#') continue;
    SCOPED_TRACE(file + ":" + std::to_string(number));
    const CheckingVectors checking("crypto/" + file);
    check(Line(text));
    ++cases;
  }
  EXPECT_GT(cases, 0) << file;
}

#define HASH(name, openssl, bytes, stem, derivation)                                                      \
  {                                                                                                       \
    name, openssl, bytes, CKM_##stem, CKM_##stem##_HMAC, CKM_##stem##_HMAC_GENERAL, CKM_##stem##_KEY_GEN, \
        CKM_##derivation, CKK_##stem##_HMAC                                                               \
  }
const std::vector<HashRow> kEveryHash = {
    HASH("sha1", "SHA1", 20, SHA_1, SHA1_KEY_DERIVATION),
    HASH("sha224", "SHA224", 28, SHA224, SHA224_KEY_DERIVATION),
    HASH("sha256", "SHA256", 32, SHA256, SHA256_KEY_DERIVATION),
    HASH("sha384", "SHA384", 48, SHA384, SHA384_KEY_DERIVATION),
    HASH("sha512", "SHA512", 64, SHA512, SHA512_KEY_DERIVATION),
    HASH("sha512/224", "SHA512-224", 28, SHA512_224, SHA512_224_KEY_DERIVATION),
    HASH("sha512/256", "SHA512-256", 32, SHA512_256, SHA512_256_KEY_DERIVATION),
    HASH("sha3-224", "SHA3-224", 28, SHA3_224, SHA3_224_KEY_DERIVATION),
    HASH("sha3-256", "SHA3-256", 32, SHA3_256, SHA3_256_KEY_DERIVATION),
    HASH("sha3-384", "SHA3-384", 48, SHA3_384, SHA3_384_KEY_DERIVATION),
    HASH("sha3-512", "SHA3-512", 64, SHA3_512, SHA3_512_KEY_DERIVATION),
    HASH("blake2b-160", "", 20, BLAKE2B_160, BLAKE2B_160_KEY_DERIVE),
    HASH("blake2b-256", "", 32, BLAKE2B_256, BLAKE2B_256_KEY_DERIVE),
    HASH("blake2b-384", "", 48, BLAKE2B_384, BLAKE2B_384_KEY_DERIVE),
    HASH("blake2b-512", "BLAKE2B-512", 64, BLAKE2B_512, BLAKE2B_512_KEY_DERIVE),
};
#undef HASH

void for_each_sha512_t(const std::function<void(CK_ULONG, const Line&)>& check) {
  for_each_line("sha512_t.txt", [&](const Line& line) { check(std::stoul(line.text("t")), line); });
  for (const char* file : {"digest.txt", "hmac.txt"}) {
    for_each_line(file, [&](const Line& line) {
      const std::string& hash = line.text("hash");
      if (hash != "sha512/224" && hash != "sha512/256") return;
      // The vectors of HMAC include truncated codes, which CKM_SHA512_T_HMAC does not support.
      const CK_ULONG bits = hash == "sha512/224" ? 224 : 256;
      if (line.text(line.has("mac") ? "mac" : "digest").size() == bits / 4) check(bits, line);
    });
  }
}

const HashRow& hash_row(const std::string& name) {
  for (const HashRow& row : kEveryHash)
    if (row.name == name) return row;
  throw std::runtime_error("no such hash: " + name);
}

CK_OBJECT_HANDLE secret_key(Session& session, CK_KEY_TYPE type, const Bytes& value) {
  return session.create({{CKA_CLASS, CKO_SECRET_KEY},
                         {CKA_KEY_TYPE, type},
                         {CKA_VALUE, value},
                         {CKA_EXTRACTABLE, true},
                         {CKA_SENSITIVE, false}});
}

CK_RV try_generate_key(Session& session, Mechanism mechanism, Template wanted, CK_OBJECT_HANDLE* key) {
  CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
  return p11->C_GenerateKey(session, mechanism.get(), wanted.data(), wanted.size(), key ? key : &made);
}

namespace {

/// The mode, behind the name of the block cipher when that is not AES.
std::string cipher_name(const Line& line) {
  return (line.has("algorithm") ? line.text("algorithm") + " " : "") + line.text("mode");
}

Mechanism cipher_mechanism(const Line& line, Bytes& iv) {
  static const std::map<std::string, CK_MECHANISM_TYPE> kTypes = {{"ecb", CKM_AES_ECB},
                                                                  {"cbc", CKM_AES_CBC},
                                                                  {"cbc-pad", CKM_AES_CBC_PAD},
                                                                  {"ctr", CKM_AES_CTR},
                                                                  {"cts", CKM_AES_CTS},
                                                                  {"ofb", CKM_AES_OFB},
                                                                  {"cfb1", CKM_AES_CFB1},
                                                                  {"cfb8", CKM_AES_CFB8},
                                                                  {"cfb64", CKM_AES_CFB64},
                                                                  {"cfb128", CKM_AES_CFB128},
                                                                  {"xts", CKM_AES_XTS},
                                                                  {"chacha20", CKM_CHACHA20},
                                                                  {"camellia ecb", CKM_CAMELLIA_ECB},
                                                                  {"camellia cbc", CKM_CAMELLIA_CBC},
                                                                  {"camellia cbc-pad", CKM_CAMELLIA_CBC_PAD},
                                                                  {"camellia ctr", CKM_CAMELLIA_CTR},
                                                                  {"aria ecb", CKM_ARIA_ECB},
                                                                  {"aria cbc", CKM_ARIA_CBC},
                                                                  {"aria cbc-pad", CKM_ARIA_CBC_PAD}};
  const std::string& mode = line.text("mode");
  const CK_MECHANISM_TYPE type = kTypes.at(cipher_name(line));
  if (mode == "ecb") return type;
  if (mode == "chacha20") {
    const CK_ULONG bits = std::stoul(line.text("bits"));
    const CK_CHACHA20_PARAMS parameters = {iv.data(), bits, iv.data() + bits / 8, 8 * iv.size() - bits};
    return Mechanism::with_parameter(type, bytes_of(parameters));
  }
  if (mode == "ctr") {  // CK_CAMELLIA_CTR_PARAMS is the same structure
    CK_AES_CTR_PARAMS parameters = {std::stoul(line.text("bits")), {}};
    std::copy(iv.begin(), iv.end(), parameters.cb);
    return Mechanism::with_parameter(type, bytes_of(parameters));
  }
  return Mechanism::with_parameter(type, iv);
}

CK_KEY_TYPE cipher_key_type(const Line& line) {
  static const std::map<std::string, CK_KEY_TYPE> kTypes = {
      {"xts", CKK_AES_XTS}, {"chacha20", CKK_CHACHA20}, {"camellia", CKK_CAMELLIA}, {"aria", CKK_ARIA}};
  const auto found = kTypes.find(line.text(line.has("algorithm") ? "algorithm" : "mode"));
  return found == kTypes.end() ? CKK_AES : found->second;
}

}  // namespace

CipherCase::CipherCase(const Line& line)
    : iv(line.bytes("iv")), key_type(cipher_key_type(line)), mechanism(cipher_mechanism(line, iv)) {}

namespace {

CK_BYTE* raw(const Bytes& bytes) {
  static CK_BYTE nothing = 0;
  return bytes.empty() ? &nothing : const_cast<CK_BYTE*>(bytes.data());
}

CK_RV begin(Session& session, Way way, Mechanism& mechanism, CK_OBJECT_HANDLE key) {
  return way == Way::kEncrypt ? p11->C_EncryptInit(session, mechanism.get(), key)
                              : p11->C_DecryptInit(session, mechanism.get(), key);
}

/// Asks for the size, calls again with a buffer of exactly that size, and appends the output.
template <typename Call>
CK_RV append_output(Bytes& all, Call call) {
  CK_ULONG size = 0;
  CK_RV rv = call(nullptr, &size);
  if (rv != CKR_OK) return rv;
  Bytes out(size + 1, 0xEE);
  rv = call(out.data(), &size);
  if (rv != CKR_OK) return rv;
  EXPECT_EQ(out.back(), 0xEE) << "written beyond the size that was announced";
  all.insert(all.end(), out.begin(), out.begin() + static_cast<ptrdiff_t>(size));
  return CKR_OK;
}

}  // namespace

CK_RV crypt(Session& session, Way way, Mechanism mechanism, CK_OBJECT_HANDLE key, const Bytes& data, Bytes* out) {
  const CK_RV rv = begin(session, way, mechanism, key);
  if (rv != CKR_OK) return rv;
  const auto function = way == Way::kEncrypt ? p11->C_Encrypt : p11->C_Decrypt;
  out->clear();
  return append_output(
      *out, [&](CK_BYTE* to, CK_ULONG* size) { return function(session, raw(data), data.size(), to, size); });
}

CK_RV crypt_in_parts(Session& session, Way way, Mechanism mechanism, CK_OBJECT_HANDLE key, const Bytes& data,
                     Bytes* out) {
  CK_RV rv = begin(session, way, mechanism, key);
  if (rv != CKR_OK) return rv;
  const auto update = way == Way::kEncrypt ? p11->C_EncryptUpdate : p11->C_DecryptUpdate;
  const auto final = way == Way::kEncrypt ? p11->C_EncryptFinal : p11->C_DecryptFinal;
  out->clear();
  for (size_t at = 0, part = 1; at < data.size(); at += part++) {
    const size_t bytes = std::min(part, data.size() - at);
    rv = append_output(*out,
                       [&](CK_BYTE* to, CK_ULONG* size) { return update(session, raw(data) + at, bytes, to, size); });
    if (rv != CKR_OK) return rv;
  }
  return append_output(*out, [&](CK_BYTE* to, CK_ULONG* size) { return final(session, to, size); });
}

CK_RV crypt_in_place(Session& session, Way way, Mechanism mechanism, CK_OBJECT_HANDLE key, const Bytes& data,
                     Bytes* out) {
  CK_RV rv = begin(session, way, mechanism, key);
  if (rv != CKR_OK) return rv;
  *out = data;
  out->resize(data.size() + 64);
  CK_ULONG size = out->size();
  rv = (way == Way::kEncrypt ? p11->C_Encrypt : p11->C_Decrypt)(session, out->data(), data.size(), out->data(), &size);
  if (rv == CKR_OK) out->resize(size);
  return rv;
}

Bytes openssl_encrypt(const char* cipher, const Bytes& key, const Bytes& iv, const Bytes& data, bool padding) {
  EVP_CIPHER* algorithm = EVP_CIPHER_fetch(nullptr, cipher, nullptr);
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  Bytes out(data.size() + 32);
  int first = 0, last = 0;
  const bool good = algorithm && EVP_EncryptInit_ex(context, algorithm, nullptr, key.data(), iv.data()) &&
                    EVP_CIPHER_CTX_set_padding(context, padding) &&
                    EVP_EncryptUpdate(context, out.data(), &first, data.data(), static_cast<int>(data.size())) &&
                    EVP_EncryptFinal_ex(context, out.data() + first, &last);
  EVP_CIPHER_CTX_free(context);
  EVP_CIPHER_free(algorithm);
  if (!good) throw std::runtime_error(std::string("OpenSSL: ") + cipher);
  out.resize(static_cast<size_t>(first + last));
  return out;
}

}  // namespace vtpm::conformance
