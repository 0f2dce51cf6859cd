// SPDX-License-Identifier: Apache-2.0
#include "crypto/certificate/certificate_authority.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "crypto/hash/digest.h"
#include "crypto/library/openssl.h"
#include "crypto/library/random.h"

namespace vtpm::crypto {

namespace {

using Certificate = Owned<X509, X509_free>;
using Memory = Owned<BIO, BIO_free_all>;
using Extension = Owned<X509_EXTENSION, X509_EXTENSION_free>;
using Name = Owned<X509_NAME, X509_NAME_free>;
using GeneralNames = Owned<GENERAL_NAMES, GENERAL_NAMES_free>;
using Object = Owned<ASN1_OBJECT, ASN1_OBJECT_free>;

// The validity does not depend on the clock: at a host's first start it may be in 1970, and certificates from then
// would have expired. The lifetime of the TPM and of the authority's key has no end (RFC 5280, 4.1.2.5).
constexpr const char* kNotBefore = "20200101000000Z";
constexpr const char* kNotAfter = "99991231235959Z";

// TCG EK Credential Profile, 3.1.2: TPMManufacturer ("id:" and the vendor id of libtpms, "IBM\0"), TPMModel,
// TPMVersion.
constexpr const char* kManufacturerOid = "2.23.133.2.1";
constexpr const char* kModelOid = "2.23.133.2.2";
constexpr const char* kVersionOid = "2.23.133.2.3";
constexpr const char* kManufacturer = "id:49424D00";
constexpr const char* kModel = "libtpms";
constexpr const char* kVersion = "id:00020000";

Memory reader(ByteView pem) {
  Memory memory(BIO_new_mem_buf(pem.empty() ? "" : static_cast<const void*>(pem.data()), static_cast<int>(pem.size())));
  require_openssl(memory != nullptr, "PEM");
  return memory;
}

Certificate new_certificate() {
  ensure_openssl();
  Certificate certificate(X509_new());
  require_openssl(certificate && X509_set_version(certificate.get(), X509_VERSION_3) == 1, "X.509");
  // RFC 5280, 4.1.2.2: positive, at most 20 bytes.
  Bytes serial = random_bytes(16);
  serial[0] = static_cast<uint8_t>((serial[0] & 0x7F) | 0x40);
  const BigNumber number(BN_bin2bn(serial.data(), static_cast<int>(serial.size()), nullptr));
  require_openssl(number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate.get())) != nullptr,
                  "X.509");
  // This function writes UTCTime until 2049 and GeneralizedTime later.
  require_openssl(ASN1_TIME_set_string_X509(X509_getm_notBefore(certificate.get()), kNotBefore) == 1 &&
                      ASN1_TIME_set_string_X509(X509_getm_notAfter(certificate.get()), kNotAfter) == 1,
                  "X.509 dates");
  return certificate;
}

void add(X509* certificate, const X509* issuer, int type, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, const_cast<X509*>(issuer), certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, type, value));
  require_openssl(extension && X509_add_ext(certificate, extension.get(), -1) == 1, "X.509 extension");
}

void add_entry(X509_NAME* name, const char* oid, const char* value) {
  const Object type(OBJ_txt2obj(oid, 1));
  require_openssl(type && X509_NAME_add_entry_by_OBJ(name, type.get(), MBSTRING_UTF8,
                                                     reinterpret_cast<const unsigned char*>(value), -1, -1, 0) == 1,
                  "X.509 name");
}

/// Critical, because the subject is empty (RFC 5280, 4.2.1.6).
void add_tpm_name(X509* certificate) {
  Name name(X509_NAME_new());
  require_openssl(name != nullptr, "X.509 name");
  add_entry(name.get(), kManufacturerOid, kManufacturer);
  add_entry(name.get(), kModelOid, kModel);
  add_entry(name.get(), kVersionOid, kVersion);
  const GeneralNames names(GENERAL_NAMES_new());
  GENERAL_NAME* entry = GENERAL_NAME_new();
  require_openssl(names && entry, "X.509 name");
  GENERAL_NAME_set0_value(entry, GEN_DIRNAME, name.release());
  require_openssl(sk_GENERAL_NAME_push(names.get(), entry) > 0, "X.509 name");
  require_openssl(X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 1, X509V3_ADD_DEFAULT) == 1,
                  "X.509 name");
}

}  // namespace

namespace {

Bytes der_of(X509* certificate) {
  uint8_t* der = nullptr;
  const int size = i2d_X509(certificate, &der);
  require_openssl(size > 0, "X.509");
  const EncodedBytes owner(der);
  return Bytes(der, der + size);
}

}  // namespace

struct CertificateAuthority::Impl {
  Key key;
  Certificate certificate;

  /// A certificate of `key` with everything but a name and the signature.
  Certificate begin(const PublicKey& subject, const char* usage, const char* purpose) const {
    Certificate made = new_certificate();
    require_openssl(X509_set_issuer_name(made.get(), X509_get_subject_name(certificate.get())) == 1 &&
                        X509_set_pubkey(made.get(), subject.native()) == 1,
                    "X.509");
    add(made.get(), certificate.get(), NID_basic_constraints, "critical,CA:FALSE");
    add(made.get(), certificate.get(), NID_key_usage, usage);
    add(made.get(), certificate.get(), NID_ext_key_usage, purpose);
    add(made.get(), certificate.get(), NID_authority_key_identifier, "keyid,issuer");
    return made;
  }
  Bytes sign(X509* made) const;
};

CertificateAuthority::Made CertificateAuthority::create(const std::string& common_name) {
  ensure_openssl();
  const Key key(EVP_EC_gen("P-256"));
  require_openssl(key != nullptr, "EC key");
  const Certificate certificate = new_certificate();
  X509_NAME* name = X509_get_subject_name(certificate.get());
  require_openssl(
      X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(common_name.data()),
                                 static_cast<int>(common_name.size()), -1, 0) == 1,
      "X.509 name");
  require_openssl(
      X509_set_issuer_name(certificate.get(), name) == 1 && X509_set_pubkey(certificate.get(), key.get()) == 1,
      "X.509");
  add(certificate.get(), certificate.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
  add(certificate.get(), certificate.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
  add(certificate.get(), certificate.get(), NID_subject_key_identifier, "hash");
  require_openssl(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0, "X.509 signature");

  Made made;
  const Memory key_out(BIO_new(BIO_s_secmem())), certificate_out(BIO_new(BIO_s_mem()));
  require_openssl(
      key_out && PEM_write_bio_PKCS8PrivateKey(key_out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1,
      "PEM");
  require_openssl(certificate_out && PEM_write_bio_X509(certificate_out.get(), certificate.get()) == 1, "PEM");
  char* bytes = nullptr;
  long size = BIO_get_mem_data(key_out.get(), &bytes);
  made.key = SecretBytes(ByteView(reinterpret_cast<uint8_t*>(bytes), static_cast<size_t>(size)));
  size = BIO_get_mem_data(certificate_out.get(), &bytes);
  made.certificate.assign(bytes, bytes + size);
  return made;
}

CertificateAuthority::CertificateAuthority(ByteView key, ByteView certificate) : impl_(std::make_unique<Impl>()) {
  ensure_openssl();
  // Without this, libcrypto would ask for the passphrase of an encrypted key at the terminal.
  const auto no_password = [](char*, int, int, void*) { return -1; };
  impl_->key.reset(PEM_read_bio_PrivateKey(reader(key).get(), nullptr, no_password, nullptr));
  impl_->certificate.reset(PEM_read_bio_X509(reader(certificate).get(), nullptr, no_password, nullptr));
  const bool sound = impl_->key && impl_->certificate &&
                     X509_check_private_key(impl_->certificate.get(), impl_->key.get()) == 1 &&
                     X509_check_ca(impl_->certificate.get()) == 1;
  ERR_clear_error();
  if (!sound) {
    throw Error(ErrorCode::kInvalidArgument,
                "the certificate authority's key and certificate are not PEM, not a pair, or not an authority's");
  }
}

CertificateAuthority::~CertificateAuthority() = default;
CertificateAuthority::CertificateAuthority(CertificateAuthority&&) noexcept = default;

Bytes CertificateAuthority::Impl::sign(X509* made) const {
  // An Ed25519 or Ed448 authority signs without a digest of its own.
  const int type = EVP_PKEY_get_id(key.get());
  const bool digestless = type == EVP_PKEY_ED25519 || type == EVP_PKEY_ED448;
  require_openssl(X509_sign(made, key.get(), digestless ? nullptr : EVP_sha256()) > 0, "X.509 signature");
  return der_of(made);
}

Bytes CertificateAuthority::certificate() const { return der_of(impl_->certificate.get()); }

Bytes CertificateAuthority::certify_endorsement_key(const PublicKey& key) const {
  const char* usage = key.type() == KeyType::kRsa ? "critical,keyEncipherment" : "critical,keyAgreement";
  const Certificate certificate = impl_->begin(key, usage, kEndorsementPurpose);
  add_tpm_name(certificate.get());
  return impl_->sign(certificate.get());
}

Bytes CertificateAuthority::certify_attestation_key(const PublicKey& key, const PublicKey& endorsement_key) const {
  const Certificate certificate = impl_->begin(key, "critical,digitalSignature", kAttestationPurpose);
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  add_entry(subject, "2.5.4.3", "vtpm-pkcs11 attestation key");
  add_entry(subject, "2.5.4.5", key_fingerprint(endorsement_key).c_str());
  return impl_->sign(certificate.get());
}

std::string key_fingerprint(const PublicKey& key) { return to_hex(digest(Hash::kSha256, key.spki())); }

}  // namespace vtpm::crypto
