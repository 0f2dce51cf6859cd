// vtpm-token ca: a certificate authority of one's own for the TPMs of tokens.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iostream>
#include <memory>

#include "crypto/certificate_authority.h"
#include "crypto/error.h"
#include "pkcs11/endorser.h"
#include "tools/commands.h"
#include "tools/open_token.h"
#include "tools/secret_source.h"
#include "tpm/identity.h"

namespace vtpm::tools {
namespace {

struct CaOptions {
  std::string directory, name = "vtpm-token local CA", token;
  SecretSource pin{"User PIN", "vtpm.user-pin", "", -1};
};

std::string key_file(const CaOptions& options) { return options.directory + "/ca-key.pem"; }
std::string certificate_file(const CaOptions& options) { return options.directory + "/ca.pem"; }

void write_new(const std::string& path, ByteView contents, mode_t mode) {
  const Descriptor file = open_descriptor(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
  const bool written = file &&
                       write(file.get(), contents.data(), contents.size()) == static_cast<ssize_t>(contents.size()) &&
                       fsync(file.get()) == 0;
  if (!written) throw Error(ErrorCode::kIo, "can not write " + path + ": " + std::strerror(errno));
}

void create(const CaOptions& options) {
  if (mkdir(options.directory.c_str(), 0700) != 0 && errno != EEXIST)
    throw Error(ErrorCode::kIo, "can not make " + options.directory + ": " + std::strerror(errno));
  const auto made = crypto::CertificateAuthority::create(options.name);
  write_new(key_file(options), made.key, 0600);
  write_new(certificate_file(options), made.certificate, 0644);
  std::cout << "The authority is in " << options.directory << ": give ca.pem to those who are to trust it.\n";
}

void certify(const CaOptions& options) {
  const crypto::CertificateAuthority authority = pkcs11::read_authority(options.directory);
  const auto token = open_token(options.token, options.pin);
  token->change_tpm([&](tpm::Commands& commands) { tpm::endorse(commands, authority, tpm::IssuerKept::kElsewhere); });
  std::cout << "The TPM of token " << token->identity().serial
            << " has endorsement keys (RSA-2048, P-256) and an attestation key, with certificates of this authority.\n";
}

}  // namespace

void add_ca(CLI::App& app, ExitStatus&) {
  CLI::App* ca = app.add_subcommand("ca", "Give the TPMs of tokens an identity: endorsement keys with certificates");
  ca->require_subcommand(1);
  auto options = std::make_shared<CaOptions>();
  CLI::App* make = ca->add_subcommand("create", "Make a certificate authority: ca-key.pem and ca.pem");
  make->add_option("--directory", options->directory, "Where its files are")->required();
  make->add_option("--name", options->name, "Its common name");
  make->callback([options] { create(*options); });
  CLI::App* issue = ca->add_subcommand("certify", "Make a token's endorsement keys and certify them");
  issue->add_option("--directory", options->directory, "Where the authority's files are")->required();
  issue->add_option("--token", options->token, "The token: label, serial number or pkcs11: URI")->required();
  issue->add_option("--pin-file", options->pin.file, "Take the user PIN from the first line of a file");
  issue->add_option("--pin-fd", options->pin.descriptor, "Take the user PIN from an open descriptor");
  issue->callback([options] { certify(*options); });
}

}  // namespace vtpm::tools
