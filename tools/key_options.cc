// SPDX-License-Identifier: Apache-2.0
#include "tools/key_options.h"

#include "base/error.h"

namespace vtpm::tools {
namespace {

constexpr size_t kMostOfAKey = 4096;  // the limit exceeds every valid key, so that a key that is too long is detected
constexpr size_t kMostOfAFile = 1 << 20;

}  // namespace

void add_secret(CLI::App& command, SecretSource& source, const std::string& name, const std::string& what) {
  command.add_option("--" + name + "-file", source.file, "Take " + what + " from the first line of a file")
      ->type_name("FILE");
  command.add_option("--" + name + "-fd", source.descriptor, "Take " + what + " from an open descriptor")
      ->type_name("NUMBER");
}

CLI::Option* add_token(CLI::App& command, std::string& token) {
  return command.add_option("--token", token, "The token: label, serial number or pkcs11: URI")->type_name("TOKEN");
}

void KeyOptions::add_to(CLI::App& command, const std::string& what, const std::string& description, bool with_format) {
  auto* named = command.add_option("--" + what + "-file", file, description + ": a file")->type_name("FILE");
  command.add_option("--" + what + "-fd", descriptor, description + ": an open descriptor")
      ->type_name("NUMBER")
      ->excludes(named);
  if (!with_format) return;
  command.add_option("--" + what + "-format", format, "How the key of a raw-key store is written: hex or binary")
      ->type_name("FORMAT")
      ->check(CLI::IsMember({"hex", "binary"}));
}

std::string KeyOptions::name() const { return file.empty() ? "descriptor " + std::to_string(descriptor) : file; }

store::RawKey KeyOptions::raw_key() const {
  const SecretBytes contents = read_bytes(file, descriptor, kMostOfAKey);
  return store::parse_raw_key(contents, format == "binary" ? store::KeyFormat::kBinary : store::KeyFormat::kHex,
                              name());
}

SecretBytes KeyOptions::bytes() const {
  SecretBytes contents = read_bytes(file, descriptor, kMostOfAFile);
  if (contents.empty())
    throw Error(ErrorCode::kInvalidArgument, name() + " is empty: a key file must have at least one byte");
  return contents;
}

}  // namespace vtpm::tools
