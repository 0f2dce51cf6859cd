// SPDX-License-Identifier: Apache-2.0
// vtpm-token ca: a local certificate authority for the TPMs of tokens.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iomanip>
#include <iostream>
#include <memory>

#include "base/descriptor.h"
#include "base/error.h"
#include "crypto/certificate/certificate_authority.h"
#include "pkcs11/token/endorser.h"
#include "tools/command/commands.h"
#include "tools/key_options.h"
#include "tools/open_token.h"
#include "tools/plausible_clock.h"
#include "tools/secret_source.h"
#include "tools/standard_output.h"
#include "tpm/use/identity.h"

namespace vtpm::tools {
namespace {

struct CaOptions {
  std::string directory, name = "vtpm-token local CA", token;
  SecretSource pin{"User PIN", "vtpm.user-pin", "", -1};
};

std::string key_file(const CaOptions& options) { return options.directory + "/ca-key.pem"; }
std::string certificate_file(const CaOptions& options) { return options.directory + "/ca.pem"; }

/// A new file, which is removed again unless `keep` is called.
class NewFile {
 public:
  NewFile(std::string path, mode_t mode)
      : path_(std::move(path)), file_(open_descriptor(path_, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode)) {
    if (!file_) fail(errno);
  }
  ~NewFile() {
    if (file_ && !kept_) unlink(path_.c_str());
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  void write(ByteView contents) {
    if (!write_all(file_.get(), contents) || fsync(file_.get()) != 0) fail(errno);
  }
  void keep() { kept_ = true; }

 private:
  [[noreturn]] void fail(int reason) const {
    const bool there = reason == EEXIST;
    throw Error(there ? ErrorCode::kExists : ErrorCode::kIo,
                "cannot write " + path_ + ": " + std::strerror(reason) +
                    (there ? " (name another directory, or move the authority that is there away)" : ""));
  }

  const std::string path_;
  const Descriptor file_;
  bool kept_ = false;
};

/// Makes the directory if it does not exist, and removes it again unless it is kept.
class NewDirectory {
 public:
  explicit NewDirectory(std::string path) : path_(std::move(path)), made_(mkdir(path_.c_str(), 0700) == 0) {
    if (!made_ && errno != EEXIST) throw Error(ErrorCode::kIo, "cannot make " + path_ + ": " + std::strerror(errno));
  }
  ~NewDirectory() {
    if (made_) rmdir(path_.c_str());
  }
  NewDirectory(const NewDirectory&) = delete;
  NewDirectory& operator=(const NewDirectory&) = delete;
  void keep() { made_ = false; }

 private:
  const std::string path_;
  bool made_;
};

// Writes both files or none: a key without its certificate would only make the next attempt fail.
void create(const CaOptions& options) {
  require_plausible_clock();
  const auto made = crypto::CertificateAuthority::create(options.name);
  NewDirectory directory(options.directory);
  NewFile key(key_file(options), 0600), certificate(certificate_file(options), 0644);
  key.write(made.key);
  certificate.write(made.certificate);
  key.keep();
  certificate.keep();
  directory.keep();
  std::cout << "The authority is in " << shown(options.directory) << ": give ca.pem to the verifiers.\n";
}

void certify(const CaOptions& options) {
  const crypto::CertificateAuthority authority = pkcs11::read_authority(options.directory);
  const auto token = open_token(options.token, options.pin);
  token->catalogue().change_tpm(
      [&](tpm::BootedTpm& commands) { tpm::endorse(commands, authority, tpm::IssuerKept::kElsewhere); });
  std::cout << "The TPM of token " << token->identity().serial
            << " has endorsement keys (RSA-2048, P-256) and an attestation key, with certificates of this authority.\n";
}

/// Describes the certificates that C_InitToken and `ca certify` write (docs/pkcs11.md, "What the TPM holds").
std::string purpose_of(const pkcs11::Object& object) {
  if (object.object_class() != CKO_CERTIFICATE) return "public key";
  switch (object.nv_index()) {
    case 0x01C00002:
      return "certificate of the RSA endorsement key";
    case 0x01C0000A:
      return "certificate of the P-256 endorsement key";
    case 0x01C00100:
      return "certificate of the authority that was made for this token";
    case 0x01C90010:
      return "certificate of the attestation key";
    default:
      return "certificate";
  }
}

void show_identity(const CaOptions& options) {
  const bool has_pin = !options.pin.file.empty() || options.pin.descriptor >= 0;
  const auto token = has_pin ? open_token(options.token, options.pin) : open_token_without_login(options.token);
  for (const pkcs11::ObjectPtr& object : token->catalogue().objects()) {
    if (!object->hidden) continue;
    std::cout << std::left << std::setw(40) << shown(std::string(as_text(object->shown.get(CKA_LABEL))))
              << purpose_of(*object) << '\n';
  }
}

}  // namespace

void add_ca_create(CLI::App& command, ExitStatus&) {
  auto options = std::make_shared<CaOptions>();
  command.add_option("--directory", options->directory, "The directory for its files")
      ->type_name("DIRECTORY")
      ->required();
  command.add_option("--name", options->name, "The common name of the authority")->type_name("NAME");
  command.callback([options] { create(*options); });
}

void add_ca_certify(CLI::App& command, ExitStatus&) {
  auto options = std::make_shared<CaOptions>();
  command.add_option("--directory", options->directory, "The directory of the authority's files")
      ->type_name("DIRECTORY")
      ->required();
  add_token(command, options->token)->required();
  add_secret(command, options->pin, "pin", "the user PIN");
  command.callback([options] { certify(*options); });
}

void add_ca_show(CLI::App& command, ExitStatus&) {
  auto options = std::make_shared<CaOptions>();
  add_token(command, options->token)->required();
  add_secret(command, options->pin, "pin", "the user PIN");
  command.callback([options] { as_tool([&] { show_identity(*options); }); });
}

}  // namespace vtpm::tools
