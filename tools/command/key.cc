// SPDX-License-Identifier: Apache-2.0
// vtpm-token key: exchanges keys with other programs that use the same TPM.
#include <unistd.h>

#include <iostream>
#include <memory>

#include "base/error.h"
#include "pkcs11/object/tpm_object.h"
#include "tools/command/commands.h"
#include "tools/evidence.h"
#include "tools/find_key.h"
#include "tools/key_options.h"
#include "tools/open_token.h"
#include "tools/output_file.h"
#include "tools/secret_source.h"
#include "tools/tss_key.h"
#include "tpm/use/key_transfer.h"

namespace vtpm::tools {
namespace {

struct TransferOptions {
  std::string uri, token, file, label, id, auth_file;
  SecretSource pin{"User PIN", "vtpm.user-pin", "", -1};
};

/// "-" is the standard input.
SecretBytes read_key_file(const std::string& path) {
  constexpr size_t kMost = 64 * 1024;
  return path == "-" ? read_bytes({}, STDIN_FILENO, kMost) : read_bytes(path, -1, kMost);
}

/// Throws Error kExists if the token has a key with this public area. To the TPM, equal public areas mean the same key,
/// whatever its auth value is.
void refuse_duplicate(pkcs11::Token& token, const Bytes& public_area) {
  for (const pkcs11::ObjectPtr& object : token.catalogue().objects()) {
    if (object->object_class() != CKO_PRIVATE_KEY || !object->shown.flag(CKA_VTPM_RESIDENT)) continue;
    if (object->tpm_handle() != 0 || !equal(token.catalogue().key_blob(*object).public_area, public_area)) continue;
    throw Error(ErrorCode::kExists, "token " + token.identity().serial + " has this key already: label \"" +
                                        std::string(as_text(object->shown.get(CKA_LABEL))) + "\", id " +
                                        to_hex(object->shown.get(CKA_ID)) + allowance_of(*object));
  }
}

void export_tss(const TransferOptions& options) {
  SecretBytes auth;
  if (!options.auth_file.empty())
    auth = SecretSource{"auth value", "", options.auth_file, -1, SecretSource::Empty::kAlways}
               .read(/*confirm=*/false)
               .value_or(SecretBytes());
  const auto token = open_token(options.uri, options.pin);
  const tpm::KeyBlob key = token->catalogue().key_blob(*find_private_key(*token, options.uri));
  const TssKey out{tpm::wrap_for_others(*token->machine().engine(), key, auth), auth.empty()};
  const std::string pem = to_pem(out);
  if (options.file.empty()) {
    std::cout << pem;
  } else {
    write_file(options.file, as_bytes(pem), 0600);
  }
}

/// Loads the key into the token's TPM. Without a file the terminal asks for the auth value if the key has one. The PEM
/// file does not tell, because tpm2_encodeobject 5.4 writes "not empty" for every key.
tpm::KeyBlob take(tpm::Engine& engine, const TssKey& key, const std::string& auth_file) {
  const SecretSource source{"Auth value of the key", "", auth_file, -1, SecretSource::Empty::kAlways};
  if (!auth_file.empty()) return tpm::take_from_others(engine, key.key, source.read(false).value_or(SecretBytes()));
  try {
    return tpm::take_from_others(engine, key.key, {});
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kAuthFailed) throw;
  }
  const auto auth = source.read(/*confirm=*/false);
  if (!auth) throw Error(ErrorCode::kInvalidArgument, "the key has an auth value: give --auth-file, or use a terminal");
  return tpm::take_from_others(engine, key.key, *auth);
}

void import_tss(const TransferOptions& options) {
  const TssKey file = parse_tss_key(read_key_file(options.file));
  const Bytes id = parse_hex(options.id, "--id");
  const auto token = open_token(options.token, options.pin);
  refuse_duplicate(*token, file.key.public_area);
  const tpm::KeyBlob key = take(*token->machine().engine(), file, options.auth_file);
  pkcs11::KeyPairDraft pair = pkcs11::adopt_key(key, options.label, id);
  std::vector<pkcs11::Draft> drafts;
  drafts.push_back(std::move(pair.public_key));
  drafts.push_back(std::move(pair.private_key));
  const auto made = token->catalogue().add(std::move(drafts), 0);
  const auto object = token->catalogue().object(made.at(1));
  std::cout << "Token " << token->identity().serial << " has the key now";
  if (object) std::cout << ", with the id " << to_hex(object->shown.get(CKA_ID));
  std::cout << ".\n";
}

}  // namespace

void add_key_export_tss(CLI::App& command, ExitStatus&) {
  auto options = std::make_shared<TransferOptions>();
  command.add_option("uri", options->uri, "The key: pkcs11:token=…;object=… (or id=…)")->type_name("URI")->required();
  command
      .add_option("--output", options->file,
                  "The file to write, readable by its owner only (default: the standard output)")
      ->type_name("FILE");
  command.add_option("--auth-file", options->auth_file, "Give the copy the auth value in the first line of a file")
      ->type_name("FILE");
  add_secret(command, options->pin, "pin", "the user PIN");
  command.footer(
      "Only this TPM can use the file: after swtpm export, tpm2-tools and other users of TSS2 keys can.\n"
      "Without --auth-file, anyone with the file and the TPM can use the key.");
  command.callback([options] { as_tool([&] { export_tss(*options); }); });
}

void add_key_import_tss(CLI::App& command, ExitStatus&) {
  auto options = std::make_shared<TransferOptions>();
  command
      .add_option("file", options->file,
                  "The file, PEM or DER (- is the standard input): a key of this TPM, or one that was wrapped for it")
      ->type_name("FILE")
      ->required();
  add_token(command, options->token)->required();
  command.add_option("--label", options->label, "The label of the new objects")->type_name("NAME");
  command
      .add_option("--id", options->id,
                  "The CKA_ID of the new objects, hexadecimal (default: derived from the public key)")
      ->type_name("HEX");
  command.add_option("--auth-file", options->auth_file, "The key's auth value: the first line of a file")
      ->type_name("FILE");
  add_secret(command, options->pin, "pin", "the user PIN");
  command.callback([options] { as_tool([&] { import_tss(*options); }); });
}

}  // namespace vtpm::tools
