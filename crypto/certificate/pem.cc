// SPDX-License-Identifier: Apache-2.0
#include "crypto/certificate/pem.h"

#include <openssl/pem.h>

#include <cstring>

#include "crypto/library/openssl.h"

namespace vtpm::crypto {

namespace {

using Memory = Owned<BIO, BIO_free_all>;
void free_text(char* text) { OPENSSL_free(text); }
void free_bytes(unsigned char* bytes) { OPENSSL_free(bytes); }

}  // namespace

std::string to_pem(const char* label, ByteView der) {
  ensure_openssl();
  const Memory out(BIO_new(BIO_s_mem()));
  require_openssl(out && PEM_write_bio(out.get(), label, "", der.data(), static_cast<long>(der.size())) > 0, "PEM");
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<size_t>(size)};
}

std::optional<Bytes> from_pem(const char* label, ByteView text) {
  ensure_openssl();
  const Memory in(
      BIO_new_mem_buf(text.empty() ? "" : static_cast<const void*>(text.data()), static_cast<int>(text.size())));
  require_openssl(in != nullptr, "PEM");
  std::optional<Bytes> found;
  char *name = nullptr, *header = nullptr;
  unsigned char* bytes = nullptr;
  long size = 0;
  while (!found && PEM_read_bio(in.get(), &name, &header, &bytes, &size) == 1) {
    const Owned<char, free_text> owned_name(name), owned_header(header);
    const Owned<unsigned char, free_bytes> owned_bytes(bytes);
    if (std::strcmp(name, label) == 0) found = Bytes(bytes, bytes + size);
  }
  ERR_clear_error();
  return found;
}

}  // namespace vtpm::crypto
