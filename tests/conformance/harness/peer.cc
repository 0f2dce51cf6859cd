// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/harness/peer.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <stdexcept>

namespace vtpm::conformance::peer {
namespace {

template <auto free_function>
struct Free {
  template <typename T>
  void operator()(T* thing) const {
    free_function(thing);
  }
};
using Context = std::unique_ptr<EVP_PKEY_CTX, Free<EVP_PKEY_CTX_free>>;
using Number = std::unique_ptr<BIGNUM, Free<BN_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, Free<OSSL_PARAM_BLD_free>>;
using Parameters = std::unique_ptr<OSSL_PARAM, Free<OSSL_PARAM_free>>;
using Signature = std::unique_ptr<ECDSA_SIG, Free<ECDSA_SIG_free>>;
using X509Holder = std::unique_ptr<X509, Free<X509_free>>;

void check(bool good, const char* what) {
  if (good) return;
  char reason[256] = "";
  ERR_error_string_n(ERR_get_error(), reason, sizeof reason);
  throw std::runtime_error(std::string(what) + ": " + reason);
}

/// The two-call convention of i2d functions.
template <typename Encode>
Bytes der(Encode encode) {
  const int size = encode(nullptr);
  check(size > 0, "DER encoding");
  Bytes out(static_cast<size_t>(size));
  unsigned char* to = out.data();
  encode(&to);
  return out;
}

/// The two-call convention of EVP: size, then bytes.
template <typename Call>
Bytes produce(const char* what, Call call) {
  size_t size = 0;
  check(call(nullptr, &size) > 0, what);
  Bytes out(size);
  check(call(out.data(), &size) > 0, what);
  out.resize(size);
  return out;
}

Number number_of(const Bytes& bytes) {
  return Number(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
}

struct NamedNumber {
  const char* name;
  const Bytes& value;
};

EVP_PKEY* from_numbers(const char* type, int selection, const std::vector<NamedNumber>& numbers,
                       const std::string& group = {}, const Bytes& point = {}) {
  const Builder builder(OSSL_PARAM_BLD_new());
  std::vector<Number> kept;
  for (const NamedNumber& named : numbers) {
    kept.push_back(number_of(named.value));
    check(OSSL_PARAM_BLD_push_BN(builder.get(), named.name, kept.back().get()), named.name);
  }
  if (!group.empty()) {
    OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, group.c_str(), 0);
    OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
  }
  const Parameters parameters(OSSL_PARAM_BLD_to_param(builder.get()));
  const Context context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  check(EVP_PKEY_fromdata_init(context.get()) > 0, "EVP_PKEY_fromdata_init");
  EVP_PKEY* key = nullptr;
  check(EVP_PKEY_fromdata(context.get(), &key, selection, parameters.get()) > 0, "EVP_PKEY_fromdata");
  return key;
}

size_t field_bytes(EVP_PKEY* key) { return static_cast<size_t>(EVP_PKEY_get_bits(key) + 7) / 8; }

Bytes ecdsa_to_der(const Bytes& signature) {
  const auto half = static_cast<ptrdiff_t>(signature.size() / 2);
  const Signature both(ECDSA_SIG_new());
  ECDSA_SIG_set0(both.get(), number_of({signature.begin(), signature.begin() + half}).release(),
                 number_of({signature.begin() + half, signature.end()}).release());
  return der([&](unsigned char** to) { return i2d_ECDSA_SIG(both.get(), to); });
}

Bytes ecdsa_from_der(const Bytes& encoded, size_t bytes) {
  const unsigned char* from = encoded.data();
  const Signature both(d2i_ECDSA_SIG(nullptr, &from, static_cast<long>(encoded.size())));
  check(both != nullptr, "d2i_ECDSA_SIG");
  Bytes signature(2 * bytes);
  BN_bn2binpad(ECDSA_SIG_get0_r(both.get()), signature.data(), static_cast<int>(bytes));
  BN_bn2binpad(ECDSA_SIG_get0_s(both.get()), signature.data() + bytes, static_cast<int>(bytes));
  return signature;
}

/// Sets padding, hashes and salt of an operation that has been initialized.
void prepare(EVP_PKEY_CTX* context, const Scheme& scheme) {
  if (scheme.kind == Scheme::kPkcs1) check(EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) > 0, "padding");
  if (scheme.kind == Scheme::kRaw) check(EVP_PKEY_CTX_set_rsa_padding(context, RSA_NO_PADDING) > 0, "padding");
  if (scheme.kind == Scheme::kPss) check(EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) > 0, "padding");
  if (!scheme.hash.empty())
    check(EVP_PKEY_CTX_set_signature_md(context, EVP_get_digestbyname(scheme.hash.c_str())) > 0, "hash");
  if (scheme.kind == Scheme::kPss) {
    check(EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_get_digestbyname(scheme.mgf_hash.c_str())) > 0, "MGF hash");
    check(EVP_PKEY_CTX_set_rsa_pss_saltlen(context, scheme.salt) > 0, "salt length");
  }
}

Bytes to_be_signed(const Scheme& scheme, const Bytes& data) {
  return !scheme.hash.empty() && scheme.hash_the_data ? digest(scheme.hash, data) : data;
}

void prepare(EVP_PKEY_CTX* context, int padding, const std::string& hash, const std::string& mgf_hash,
             const Bytes& label) {
  check(EVP_PKEY_CTX_set_rsa_padding(context, padding) > 0, "padding");
  if (padding != RSA_PKCS1_OAEP_PADDING) return;
  check(EVP_PKEY_CTX_set_rsa_oaep_md(context, EVP_get_digestbyname(hash.c_str())) > 0, "hash");
  check(EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_get_digestbyname(mgf_hash.c_str())) > 0, "MGF hash");
  if (label.empty()) return;
  void* copy = OPENSSL_memdup(label.data(), label.size());  // the context takes it
  check(EVP_PKEY_CTX_set0_rsa_oaep_label(context, copy, static_cast<int>(label.size())) > 0, "label");
}

}  // namespace

Key Key::generate_rsa(unsigned bits) { return Key(EVP_RSA_gen(bits)); }
Key Key::generate_ec(const std::string& group) { return Key(EVP_EC_gen(group.c_str())); }

Key Key::rsa_public(const Bytes& modulus, const Bytes& exponent) {
  return Key(
      from_numbers("RSA", EVP_PKEY_PUBLIC_KEY, {{OSSL_PKEY_PARAM_RSA_N, modulus}, {OSSL_PKEY_PARAM_RSA_E, exponent}}));
}

Key Key::ec_public(const std::string& group, const Bytes& point) {
  return Key(from_numbers("EC", EVP_PKEY_PUBLIC_KEY, {}, group, point));
}

Key Key::rsa_private(const Bytes& n, const Bytes& e, const Bytes& d, const Bytes& p, const Bytes& q, const Bytes& dp,
                     const Bytes& dq, const Bytes& qinv) {
  return Key(from_numbers("RSA", EVP_PKEY_KEYPAIR,
                          {{OSSL_PKEY_PARAM_RSA_N, n},
                           {OSSL_PKEY_PARAM_RSA_E, e},
                           {OSSL_PKEY_PARAM_RSA_D, d},
                           {OSSL_PKEY_PARAM_RSA_FACTOR1, p},
                           {OSSL_PKEY_PARAM_RSA_FACTOR2, q},
                           {OSSL_PKEY_PARAM_RSA_EXPONENT1, dp},
                           {OSSL_PKEY_PARAM_RSA_EXPONENT2, dq},
                           {OSSL_PKEY_PARAM_RSA_COEFFICIENT1, qinv}}));
}

Key Key::ec_private(const std::string& group, const Bytes& point, const Bytes& scalar) {
  return Key(from_numbers("EC", EVP_PKEY_KEYPAIR, {{OSSL_PKEY_PARAM_PRIV_KEY, scalar}}, group, point));
}

Key Key::from_spki(const Bytes& encoded) {
  const unsigned char* from = encoded.data();
  EVP_PKEY* key = d2i_PUBKEY(nullptr, &from, static_cast<long>(encoded.size()));
  check(key && from == encoded.data() + encoded.size(), "SubjectPublicKeyInfo");
  return Key(key);
}

Bytes Key::number(const char* parameter, size_t size) const {
  BIGNUM* value = nullptr;
  check(EVP_PKEY_get_bn_param(get(), parameter, &value), parameter);
  const Number holder(value);
  Bytes out(size ? size : static_cast<size_t>(BN_num_bytes(value)));
  BN_bn2binpad(value, out.data(), static_cast<int>(out.size()));
  return out;
}

Bytes Key::ec_point() const {
  return produce("public key", [&](unsigned char* out, size_t* size) {
    return EVP_PKEY_get_octet_string_param(get(), OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, out, out ? *size : 0, size);
  });
}

Bytes Key::spki() const {
  return der([&](unsigned char** to) { return i2d_PUBKEY(get(), to); });
}

bool Key::consistent() const {
  const Context context(EVP_PKEY_CTX_new(get(), nullptr));
  return EVP_PKEY_check(context.get()) == 1;
}

bool Key::same_public_key(const Key& other) const { return EVP_PKEY_eq(get(), other.get()) == 1; }

bool Key::verifies(const Scheme& scheme, const Bytes& data, const Bytes& signature) const {
  const Context context(EVP_PKEY_CTX_new(get(), nullptr));
  const Bytes input = to_be_signed(scheme, data);
  if (scheme.kind == Scheme::kRaw) {
    check(EVP_PKEY_verify_recover_init(context.get()) > 0, "EVP_PKEY_verify_recover_init");
    prepare(context.get(), scheme);
    const Bytes block = produce("EVP_PKEY_verify_recover", [&](unsigned char* out, size_t* size) {
      return EVP_PKEY_verify_recover(context.get(), out, size, signature.data(), signature.size());
    });
    return Bytes(block.size() - input.size(), 0) + input == block;  // short input is padded on the left with zeros
  }
  check(EVP_PKEY_verify_init(context.get()) > 0, "EVP_PKEY_verify_init");
  prepare(context.get(), scheme);
  const Bytes encoded = scheme.kind == Scheme::kEcdsa ? ecdsa_to_der(signature) : signature;
  const bool good = EVP_PKEY_verify(context.get(), encoded.data(), encoded.size(), input.data(), input.size()) == 1;
  ERR_clear_error();
  return good;
}

Bytes Key::sign(const Scheme& scheme, const Bytes& data) const {
  const Context context(EVP_PKEY_CTX_new(get(), nullptr));
  check(EVP_PKEY_sign_init(context.get()) > 0, "EVP_PKEY_sign_init");
  prepare(context.get(), scheme);
  const Bytes input = to_be_signed(scheme, data);
  const Bytes signature = produce("EVP_PKEY_sign", [&](unsigned char* out, size_t* size) {
    return EVP_PKEY_sign(context.get(), out, size, input.data(), input.size());
  });
  return scheme.kind == Scheme::kEcdsa ? ecdsa_from_der(signature, field_bytes(get())) : signature;
}

Bytes Key::encrypt(int padding, const Bytes& data, const std::string& hash, const std::string& mgf_hash,
                   const Bytes& label) const {
  const Context context(EVP_PKEY_CTX_new(get(), nullptr));
  check(EVP_PKEY_encrypt_init(context.get()) > 0, "EVP_PKEY_encrypt_init");
  prepare(context.get(), padding, hash, mgf_hash, label);
  return produce("EVP_PKEY_encrypt", [&](unsigned char* out, size_t* size) {
    return EVP_PKEY_encrypt(context.get(), out, size, data.data(), data.size());
  });
}

Bytes Key::decrypt(int padding, const Bytes& data, const std::string& hash, const std::string& mgf_hash,
                   const Bytes& label) const {
  const Context context(EVP_PKEY_CTX_new(get(), nullptr));
  check(EVP_PKEY_decrypt_init(context.get()) > 0, "EVP_PKEY_decrypt_init");
  prepare(context.get(), padding, hash, mgf_hash, label);
  return produce("EVP_PKEY_decrypt", [&](unsigned char* out, size_t* size) {
    return EVP_PKEY_decrypt(context.get(), out, size, data.data(), data.size());
  });
}

Bytes digest(const std::string& hash, const Bytes& data) {
  Bytes out(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  check(EVP_Digest(data.data(), data.size(), out.data(), &size, EVP_get_digestbyname(hash.c_str()), nullptr),
        "EVP_Digest");
  out.resize(size);
  return out;
}

Bytes octet_string(const Bytes& contents) {
  Bytes out = {0x04};
  if (contents.size() >= 0x80) out.push_back(0x81);  // the length of a curve point fits in one byte
  out.push_back(static_cast<uint8_t>(contents.size()));
  return out + contents;
}

Bytes octet_string_contents(const Bytes& encoded) {
  const unsigned char* from = encoded.data();
  ASN1_OCTET_STRING* string = d2i_ASN1_OCTET_STRING(nullptr, &from, static_cast<long>(encoded.size()));
  check(string && from == encoded.data() + encoded.size(), "OCTET STRING");
  const Bytes contents(string->data, string->data + string->length);
  ASN1_OCTET_STRING_free(string);
  return contents;
}

Certificate self_signed(const Key& key, const std::string& common_name) {
  const X509Holder x509(X509_new());
  X509_set_version(x509.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(x509.get()), 0x1234567);
  ASN1_TIME_set_string_X509(X509_getm_notBefore(x509.get()), "240101000000Z");
  ASN1_TIME_set_string_X509(X509_getm_notAfter(x509.get()), "340101000000Z");
  X509_set_pubkey(x509.get(), key.get());
  X509_NAME* name = X509_get_subject_name(x509.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(common_name.c_str()), -1,
                             -1, 0);
  X509_set_issuer_name(x509.get(), name);
  check(X509_sign(x509.get(), key.get(), EVP_sha256()) > 0, "X509_sign");
  Certificate certificate;
  certificate.der = der([&](unsigned char** to) { return i2d_X509(x509.get(), to); });
  certificate.subject = der([&](unsigned char** to) { return i2d_X509_NAME(X509_get_subject_name(x509.get()), to); });
  certificate.issuer = der([&](unsigned char** to) { return i2d_X509_NAME(X509_get_issuer_name(x509.get()), to); });
  certificate.serial = der([&](unsigned char** to) { return i2d_ASN1_INTEGER(X509_get_serialNumber(x509.get()), to); });
  return certificate;
}

}  // namespace vtpm::conformance::peer
