// SPDX-License-Identifier: Apache-2.0
#include "crypto/certificate/certificate_chain.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <climits>

#include "crypto/library/openssl.h"

namespace vtpm::crypto {

namespace {

using Certificate = Owned<X509, X509_free>;
using Memory = Owned<BIO, BIO_free_all>;
using Store = Owned<X509_STORE, X509_STORE_free>;
using Check = Owned<X509_STORE_CTX, X509_STORE_CTX_free>;
using Object = Owned<ASN1_OBJECT, ASN1_OBJECT_free>;
void free_purposes(EXTENDED_KEY_USAGE* purposes) { EXTENDED_KEY_USAGE_free(purposes); }
using Purposes = Owned<EXTENDED_KEY_USAGE, free_purposes>;

Certificate parse(ByteView der) {
  ensure_openssl();
  const uint8_t* next = der.data();
  Certificate certificate(der.size() > LONG_MAX ? nullptr : d2i_X509(nullptr, &next, static_cast<long>(der.size())));
  if (certificate && next != der.data() + der.size()) certificate.reset();
  ERR_clear_error();
  return certificate;
}

bool has_purpose(const X509* certificate, const char* purpose) {
  const Purposes purposes(
      static_cast<EXTENDED_KEY_USAGE*>(X509_get_ext_d2i(certificate, NID_ext_key_usage, nullptr, nullptr)));
  const Object wanted(OBJ_txt2obj(purpose, 1));
  require_openssl(wanted != nullptr, "an object identifier");
  for (int i = 0; purposes && i < sk_ASN1_OBJECT_num(purposes.get()); ++i) {
    if (OBJ_cmp(sk_ASN1_OBJECT_value(purposes.get(), i), wanted.get()) == 0) return true;
  }
  return false;
}

}  // namespace

struct CertificateChain::Impl {
  Store store;
};

CertificateChain::CertificateChain(ByteView trusted) : impl_(std::make_unique<Impl>()) {
  ensure_openssl();
  impl_->store.reset(X509_STORE_new());
  const Memory pem(BIO_new_mem_buf(trusted.empty() ? "" : static_cast<const void*>(trusted.data()),
                                   static_cast<int>(trusted.size())));
  require_openssl(impl_->store && pem, "X.509");
  size_t count = 0;
  while (const Certificate one{PEM_read_bio_X509(pem.get(), nullptr, nullptr, nullptr)}) {
    require_openssl(X509_STORE_add_cert(impl_->store.get(), one.get()) == 1, "X.509");
    ++count;
  }
  ERR_clear_error();  // the end of the file is one
  if (count == 0) throw Error(ErrorCode::kInvalidArgument, "there is no trusted certificate in PEM");
}

CertificateChain::~CertificateChain() = default;

std::optional<std::string> CertificateChain::refuses(ByteView der, const char* purpose) const {
  const Certificate certificate = parse(der);
  if (!certificate) return "it does not parse";
  const Check check(X509_STORE_CTX_new());
  require_openssl(check && X509_STORE_CTX_init(check.get(), impl_->store.get(), certificate.get(), nullptr) == 1,
                  "X.509");
  X509_STORE_CTX_set_flags(check.get(), X509_V_FLAG_PARTIAL_CHAIN);
  const bool good = X509_verify_cert(check.get()) == 1;
  const int reason = X509_STORE_CTX_get_error(check.get());
  ERR_clear_error();
  if (!good) return X509_verify_cert_error_string(reason);
  // A trusted certificate needs no issuer: an authority's own certificate is not evidence.
  if (X509_check_ca(certificate.get()) != 0) return "it is the certificate of an authority";
  const bool fit = has_purpose(certificate.get(), purpose);
  ERR_clear_error();
  if (!fit) return std::string("it is not made for this purpose (") + purpose + ")";
  return std::nullopt;
}

std::string subject_serial(ByteView der) {
  const Certificate certificate = parse(der);
  if (!certificate) return {};
  const X509_NAME* subject = X509_get_subject_name(certificate.get());
  const int first = X509_NAME_get_index_by_NID(subject, NID_serialNumber, -1);
  if (first < 0 || X509_NAME_get_index_by_NID(subject, NID_serialNumber, first) >= 0) return {};
  const ASN1_STRING* value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, first));
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)), static_cast<size_t>(ASN1_STRING_length(value))};
}

}  // namespace vtpm::crypto
