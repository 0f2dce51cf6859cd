#include "pkcs11/endorser.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "crypto/error.h"
#include "tpm/identity.h"

namespace vtpm::pkcs11 {
namespace {

constexpr size_t kMostOctets = 64 * 1024;

[[noreturn]] void unreadable(const std::string& path, const char* reason) {
  throw Error(ErrorCode::kIo, "can not read the certificate authority's " + path + ": " + reason);
}

SecretBytes read_file(const std::string& path) {
  // Not blocking: a pipe in that place must not hang the application.
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file < 0) unreadable(path, std::strerror(errno));
  struct Closed {
    int file;
    ~Closed() { close(file); }
  } closed{file};
  struct stat about {};
  if (fstat(file, &about) != 0 || !S_ISREG(about.st_mode)) unreadable(path, "it is not a regular file");
  SecretBytes contents(kMostOctets);
  size_t size = 0;
  while (size < kMostOctets) {
    const ssize_t got = read(file, contents.data() + size, kMostOctets - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) unreadable(path, std::strerror(errno));
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  if (size == kMostOctets) unreadable(path, "it is too large for a PEM file of one key or certificate");
  contents.resize(size);
  return contents;
}

}  // namespace

crypto::CertificateAuthority read_authority(const std::string& directory) {
  const SecretBytes key = read_file(directory + "/ca-key.pem"), certificate = read_file(directory + "/ca.pem");
  try {
    return {key, certificate};
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInvalidArgument) throw;
    throw Error(ErrorCode::kIo, directory + ": " + error.sentence());
  }
}

Endorser::Endorser(const Config& config) {
  if (!config.endorse) return;
  if (!config.authority.empty()) {
    authority_ = std::make_unique<crypto::CertificateAuthority>(read_authority(config.authority));
    return;
  }
  self_made_ = true;
  const auto made = crypto::CertificateAuthority::create("vtpm-pkcs11 self-made CA");
  authority_ = std::make_unique<crypto::CertificateAuthority>(made.key, made.certificate);
}

void Endorser::operator()(tpm::Commands& commands) const {
  if (!authority_) return;
  tpm::endorse(commands, *authority_, self_made_ ? tpm::IssuerKept::kInTheTpm : tpm::IssuerKept::kElsewhere);
}

}  // namespace vtpm::pkcs11
