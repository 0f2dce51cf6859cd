// SPDX-License-Identifier: Apache-2.0
// Secret keys and their mechanisms, and the vectors of both.
#pragma once

#include <functional>
#include <map>

#include "pkcs11/cryptoki/types.h"
#include "tests/conformance/harness/harness.h"

namespace vtpm::conformance {

/// A vector of tests/data/crypto: "field=value" separated by spaces.
class Line {
 public:
  explicit Line(const std::string& text);
  const std::string& text(const std::string& field) const { return fields_.at(field); }
  bool has(const std::string& field) const { return fields_.contains(field); }
  Bytes bytes(const std::string& field) const { return from_hex(text(field)); }

 private:
  std::map<std::string, std::string> fields_;
};
/// Runs `check` on every line of a file, traced by its number; a file without lines fails.
void for_each_line(const std::string& file, const std::function<void(const Line&)>& check);

/// A parameter structure as the bytes that Mechanism::with_parameter takes.
template <typename T>
Bytes bytes_of(const T& parameter) {
  const auto* first = reinterpret_cast<const uint8_t*>(&parameter);
  return {first, first + sizeof parameter};
}

struct HashRow {
  const char* name;     // in the data files
  const char* openssl;  // empty: OpenSSL 3.0 has none
  size_t bytes;
  CK_MECHANISM_TYPE digest, hmac, hmac_general, key_gen, key_derivation;
  CK_KEY_TYPE key;
};
extern const std::vector<HashRow> kEveryHash;

/// The block ciphers other than AES: their names in OpenSSL (before "-128-ECB"), key types and mechanisms.
struct BlockCipherRow {
  const char* openssl;
  CK_KEY_TYPE key;
  CK_MECHANISM_TYPE key_gen, ecb, cbc, cbc_pad, ecb_encrypt_data, cbc_encrypt_data;
};
constexpr BlockCipherRow kOtherBlockCiphers[] = {
    {"CAMELLIA", CKK_CAMELLIA, CKM_CAMELLIA_KEY_GEN, CKM_CAMELLIA_ECB, CKM_CAMELLIA_CBC, CKM_CAMELLIA_CBC_PAD,
     CKM_CAMELLIA_ECB_ENCRYPT_DATA, CKM_CAMELLIA_CBC_ENCRYPT_DATA},
    {"ARIA", CKK_ARIA, CKM_ARIA_KEY_GEN, CKM_ARIA_ECB, CKM_ARIA_CBC, CKM_ARIA_CBC_PAD, CKM_ARIA_ECB_ENCRYPT_DATA,
     CKM_ARIA_CBC_ENCRYPT_DATA}};
const HashRow& hash_row(const std::string& name);

/// A mechanism of SHA-512/t, with t in bits.
inline Mechanism sha512_t(CK_MECHANISM_TYPE type, CK_ULONG bits) {
  return Mechanism::with_parameter(type, bytes_of(bits));
}
/// Every vector of SHA-512/t: those of sha512_t.txt, and those of the two hashes with their own names.
void for_each_sha512_t(const std::function<void(CK_ULONG bits, const Line&)>& check);

/// A session key that allows every operation of its type and whose value can be read.
CK_OBJECT_HANDLE secret_key(Session& session, CK_KEY_TYPE type, const Bytes& value);
CK_RV try_generate_key(Session& session, Mechanism mechanism, Template wanted, CK_OBJECT_HANDLE* key = nullptr);

/// The mechanism of a line of cipher.txt; the parameter of ChaCha20 points into `iv`.
struct CipherCase {
  explicit CipherCase(const Line& line);
  CipherCase(const CipherCase&) = delete;
  CipherCase& operator=(const CipherCase&) = delete;

  Bytes iv;
  CK_KEY_TYPE key_type;
  Mechanism mechanism;
};

enum class Way { kEncrypt, kDecrypt };
/// The whole message in one call, with a size query before it.
CK_RV crypt(Session& session, Way way, Mechanism mechanism, CK_OBJECT_HANDLE key, const Bytes& data, Bytes* out);
/// The same in parts of 1, 2, 3, … bytes, each into a buffer of exactly the size that was asked for before.
CK_RV crypt_in_parts(Session& session, Way way, Mechanism mechanism, CK_OBJECT_HANDLE key, const Bytes& data,
                     Bytes* out);
/// The same in one part whose output lies where its input was.
CK_RV crypt_in_place(Session& session, Way way, Mechanism mechanism, CK_OBJECT_HANDLE key, const Bytes& data,
                     Bytes* out);

/// The result of OpenSSL for a cipher ("AES-128-CBC"), with or without padding.
Bytes openssl_encrypt(const char* cipher, const Bytes& key, const Bytes& iv, const Bytes& data, bool padding);

}  // namespace vtpm::conformance
