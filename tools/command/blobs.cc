// SPDX-License-Identifier: Apache-2.0
// vtpm-token store build, add and extract: stores of prepared blobs, for devices that are not PKCS#11 tokens.
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <iomanip>
#include <iostream>
#include <memory>

#include "base/error.h"
#include "store/care/report.h"
#include "tools/blob_list.h"
#include "tools/command/commands.h"
#include "tools/configuration.h"
#include "tools/json_text.h"
#include "tools/open_store.h"
#include "tools/output_file.h"
#include "tools/progress_bar.h"
#include "tools/standard_output.h"

namespace vtpm::tools {
namespace {

using store::Cipher;
using store::EntryReport;
using store::Role;

struct BlobOptions {
  OpenOptions open;  // for add and extract; build uses its path and secrets
  SecretSource so_pin{"SO PIN", "", "", -1, SecretSource::Empty::kNever};
  std::vector<std::string> sealed, clear;
  std::string description, cipher, kdf, name, output;
  std::optional<uint32_t> iter_time;
  bool replace = false, json = false;
};

std::vector<Blob> blobs_of(const BlobOptions& options) {
  std::vector<Blob> blobs;
  for (const std::string& text : options.sealed) blobs.push_back(parse_blob(text, true));
  for (const std::string& text : options.clear) blobs.push_back(parse_blob(text, false));
  if (!options.description.empty()) {
    for (Blob& blob : read_description(options.description)) blobs.push_back(std::move(blob));
  }
  if (blobs.empty())
    throw Error(ErrorCode::kInvalidArgument, "no blob is given: --blob, --clear-blob or --description");
  return blobs;
}

// --- sizes ---

bool is_given(const std::vector<Blob>& blobs, const std::string& name) {
  return std::any_of(blobs.begin(), blobs.end(), [&](const Blob& blob) { return blob.name == name; });
}

// The current entries of these blobs in the file.
std::vector<EntryReport> entries_of(const store::StoreReport& report, const std::vector<Blob>& blobs) {
  std::vector<EntryReport> entries;
  for (const EntryReport& entry : report.entries) {
    if (entry.state == store::EntryStatus::kCurrent && is_given(blobs, entry.name)) entries.push_back(entry);
  }
  return entries;
}

nlohmann::json json_of(const EntryReport& entry) {
  const bool registered = entry.capacity != 0;
  return {{"name", entry.name},
          {"type", entry.type},
          {"sealed", entry.sealed},
          {"size", entry.size},
          {"capacity", registered ? nlohmann::json(entry.capacity) : nlohmann::json()},
          {"octets", entry.length},
          {"worst_case", registered ? nlohmann::json(entry.length) : nlohmann::json()}};
}

void print_row(const EntryReport& entry) {
  const std::string capacity = entry.capacity != 0 ? std::to_string(entry.capacity) : "-";
  std::cout << std::right << std::setw(10) << entry.size << std::setw(10) << capacity << std::setw(10) << entry.length
            << "  " << std::left << std::setw(8) << (entry.sealed ? "sealed" : "clear") << std::setw(14)
            << shown(entry.type) << ' ' << shown(entry.name) << '\n';
}

void show_sizes(const BlobOptions& options, const std::string& path, const std::vector<Blob>& blobs) {
  const store::StoreReport report = store::dump(path);
  const auto entries = entries_of(report, blobs);
  uint64_t bytes = 0;
  for (const EntryReport& entry : entries) bytes += entry.length;
  if (options.json) {
    nlohmann::json rows = nlohmann::json::array();
    for (const EntryReport& entry : entries) rows.push_back(json_of(entry));
    std::cout << json_text({{"file", path},
                            {"uuid", report.uuid},
                            {"octets", report.file_bytes},
                            {"free", report.free_bytes},
                            {"blob_octets", bytes},
                            {"blobs", rows}})
              << '\n';
    return;
  }
  std::cout << "      size  capacity   in file  form    type           name\n";
  for (const EntryReport& entry : entries) print_row(entry);
  std::cout << shown(path) << ": " << entries.size() << (entries.size() == 1 ? " blob takes " : " blobs take ") << bytes
            << " bytes of " << report.file_bytes << ", " << report.free_bytes << " are free\n";
  const bool grows = std::any_of(entries.begin(), entries.end(), [](const EntryReport& e) { return e.capacity == 0; });
  if (grows)
    std::cout << "A blob without a capacity takes the space that it needs, and the store grows if necessary.\n";
}

// --- build ---

Cipher cipher_of(const BlobOptions& options) {
  if (!options.cipher.empty()) return *store::cipher_of(options.cipher);
  return options.open.secret.key.given() ? Cipher::kAesCbc : Cipher::kAes256Siv;
}

store::KdfCost cost_of(const BlobOptions& options) {
  store::KdfCost cost = configuration().kdf;
  if (options.kdf == "pbkdf2") cost = crypto::Pbkdf2Parameters{};
  return options.iter_time ? store::cost_taking(*options.iter_time, cost) : cost;
}

using Secrets = std::vector<std::pair<Role, SecretBytes>>;

// The secrets in the order of their key slots, which is that of C_InitToken.
Secrets secrets_of(const BlobOptions& options, Cipher cipher) {
  Secrets secrets;
  if (cipher == Cipher::kNone || options.open.secret.key.given()) return secrets;
  if (!options.so_pin.file.empty() || options.so_pin.descriptor >= 0) {
    secrets.emplace_back(Role::kSo, options.so_pin.read(false).value_or(SecretBytes()));
  }
  RoleSecret user = options.open.secret;
  user.pin.prompt = "User PIN";
  secrets.emplace_back(Role::kUser, user.read(Role::kUser, /*confirm=*/true));
  for (const auto& [role, secret] : secrets) require_pin_length(role, secret);
  return secrets;
}

void build(const BlobOptions& options) {
  const std::string& path = options.open.store;
  if (access(path.c_str(), F_OK) == 0) {
    throw Error(ErrorCode::kExists, path + " exists already: add to it with store add, or give another name");
  }
  ProgressBar bar("building");
  const auto progress = [&](size_t done, size_t all) { bar.show(done, all); };
  std::vector<Blob> blobs = blobs_of(options);
  store::CreateOptions create;
  create.cipher = cipher_of(options);
  const Secrets secrets = secrets_of(options, create.cipher);
  if (options.open.secret.key.given()) {
    create.raw_key = std::make_shared<const store::RawKey>(options.open.secret.key.raw_key());
  }
  if (!secrets.empty()) create.kdf = cost_of(options);
  load_blobs(blobs, progress);
  std::vector<std::pair<Role, ByteView>> slots;
  for (const auto& [role, secret] : secrets) slots.emplace_back(role, secret);
  store::Vault::create(path, create, slots, [&](store::Transaction& transaction) {
    for (size_t i = 0; i < blobs.size(); ++i) {
      progress(blobs.size() + i, 2 * blobs.size());
      put_blob(transaction, blobs[i], create.cipher);
    }
  });
  bar.clear();
  show_sizes(options, path, blobs);
}

// --- add ---

// A store in clear text needs no key, and neither does a clear blob of an encrypted store.
OpenedStore open_for_blobs(const OpenOptions& options, const std::string& read = "") {
  OpenedStore opened;
  opened.vault = options.open();
  if (opened.vault->cipher() == Cipher::kNone) {
    if (options.secret.key.given()) {
      const store::RawKey key = options.secret.key.raw_key();
      opened.vault->require_raw(&key);
    }
    return opened;
  }
  const auto entry = read.empty() ? std::nullopt : opened.vault->find(read);
  const bool readable = entry && entry->protection == store::Protection::kClear;
  if (!options.secret_given() && (readable || (!read.empty() && !entry))) return opened;
  opened.vault.reset();
  return open_store(options);
}

// The state of a suspended TPM belongs to one permanent state, and must not be kept with another one.
void refuse_stale_states(const store::Vault& vault, const std::vector<Blob>& blobs, const Blob& blob) {
  if (blob.type != "tpm2-permall") return;
  const std::string device = blob.name.substr(0, blob.name.rfind('/'));
  for (const store::EntryInfo& entry : vault.list(device + "/")) {
    if ((entry.type != "tpm2-volatile" && entry.type != "tpm2-savestate") || is_given(blobs, entry.name)) continue;
    throw Error(ErrorCode::kExists, "'" + entry.name + "' in " + vault.path() + " belongs to the '" + blob.name +
                                        "' that is there: give a new version of both");
  }
}

// Checks the entry that the blob would replace, so that no data are lost by mistake.
void refuse_clashes(const BlobOptions& options, const store::Vault& vault, const std::vector<Blob>& blobs) {
  for (const Blob& blob : blobs) {
    refuse_stale_states(vault, blobs, blob);
    const auto there = vault.find(blob.name);
    if (!there || there->deleted) continue;
    if (vault.find("token/info")) {
      throw Error(ErrorCode::kExists, "'" + blob.name + "' belongs to the token in " + vault.path() +
                                          ": its TPM is changed with swtpm import, its objects through PKCS#11");
    }
    if (!options.replace) {
      throw Error(ErrorCode::kExists,
                  "'" + blob.name + "' is in " + vault.path() + " already: give --replace, or another name");
    }
    if (blob.type != there->type) {
      throw Error(ErrorCode::kExists, "'" + blob.name + "' in " + vault.path() + " is of the type " + there->type +
                                          ", not " + blob.type + ": give it as " + blob.name + ":" + there->type + "=" +
                                          blob.file);
    }
  }
}

void add(const BlobOptions& options) {
  ProgressBar bar("adding");
  const auto progress = [&](size_t done, size_t all) { bar.show(done, all); };
  std::vector<Blob> blobs = blobs_of(options);
  load_blobs(blobs, progress);
  const OpenedStore opened = open_for_blobs(options.open);
  store::Vault& vault = *opened.vault;
  vault.change([&](store::Transaction& transaction) {
    refuse_clashes(options, vault, blobs);
    for (size_t i = 0; i < blobs.size(); ++i) {
      progress(blobs.size() + i, 2 * blobs.size());
      put_blob(transaction, blobs[i], vault.cipher());
    }
  });
  bar.clear();
  show_sizes(options, vault.path(), blobs);
}

// --- extract ---

void extract(const BlobOptions& options) {
  const OpenedStore opened = open_for_blobs(options.open, options.name);
  const auto blob = opened.vault->read(options.name);
  if (!blob) throw Error(ErrorCode::kNotFound, "there is no '" + options.name + "' in " + opened.vault->path());
  if (!options.output.empty()) return write_file(options.output, blob->data, 0600);
  write_bytes(blob->data);
}

void add_blob_options(CLI::App& command, BlobOptions& options) {
  constexpr const char* kBlob = "NAME[:TYPE[:CAPACITY]]=FILE";
  command.add_option("--blob", options.sealed, "A sealed blob; may be given several times")->type_name(kBlob);
  command
      .add_option("--clear-blob", options.clear, "A blob that is readable without a key; may be given several times")
      ->type_name(kBlob);
  command
      .add_option(
          "--description", options.description,
          "JSON: {\"blobs\": [{\"name\", \"type\", \"capacity\", \"file\", \"sealed\"}]}; - is the standard input")
      ->type_name("FILE");
  command.add_flag("--json", options.json, "Answer in JSON");
}

std::shared_ptr<BlobOptions> blob_options() {
  auto options = std::make_shared<BlobOptions>();
  options->open.secret.pin.credential = "vtpm.user-pin";
  return options;
}

constexpr const char* kBlobFooter =
    "CAPACITY is in bytes, or 10k, 1M: the blob always takes that space in the store, and cannot exceed it.\n"
    "Names that end in /permall, /volatile or /savestate are states of a TPM. A permanent state is first booted and\n"
    "examined in a child process. If the command fails, no file is made or changed.";

}  // namespace

void add_store_build(CLI::App& command, ExitStatus&) {
  auto options = blob_options();
  command.add_option("file", options->open.store, "The store to make (….vtpm)")->type_name("FILE")->required();
  add_blob_options(command, *options);
  command
      .add_option("--cipher", options->cipher, "aes-256-siv (a PIN's default), aes-cbc (a raw key's), or none: no key")
      ->type_name("CIPHER")
      ->check(CLI::IsMember({"aes-256-siv", "aes-cbc", "none"}));
  add_secret(command, options->open.secret.pin, "pin", "the user PIN");
  add_secret(command, options->so_pin, "so-pin", "a security officer's PIN, which opens it, too,");
  options->open.secret.key.add_to(command, "key", "Instead of a PIN, a raw key of 16, 24 or 32 bytes opens the store",
                                  true);
  for (const char* key : {"--key-file", "--key-fd"}) {
    command.get_option(key)->excludes(command.get_option("--pin-file"))->excludes(command.get_option("--pin-fd"));
  }
  command.add_option("--kdf", options->kdf, "How the PIN is stretched: argon2id or pbkdf2")
      ->type_name("KDF")
      ->check(CLI::IsMember({"argon2id", "pbkdf2"}));
  command.add_option("--iter-time", options->iter_time, "How long that takes, approximately")
      ->type_name("MILLISECONDS")
      ->check(CLI::Range(1, 60000));
  command.footer(kBlobFooter)->callback([options] { build(*options); });
}

void add_store_add(CLI::App& command, ExitStatus&) {
  auto options = blob_options();
  options->open.add_to(command);
  add_blob_options(command, *options);
  command.add_flag("--replace", options->replace, "Replace blobs of the same name and type");
  command.footer(kBlobFooter)->callback([options] { add(*options); });
}

void add_store_extract(CLI::App& command, ExitStatus&) {
  auto options = blob_options();
  options->open.add_to(command);
  command.add_option("name", options->name, "The blob's name, as store dump shows it")->type_name("NAME")->required();
  command.add_option("--output", options->output, "The file, which is replaced; made readable by its owner only")
      ->type_name("FILE");
  command.callback([options] { extract(*options); });
}

}  // namespace vtpm::tools
