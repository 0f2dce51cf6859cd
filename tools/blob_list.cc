// SPDX-License-Identifier: Apache-2.0
#include "tools/blob_list.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "tools/secret_source.h"
#include "tpm/use/foreign_state.h"
#include "tpm/use/swtpm_state.h"

namespace vtpm::tools {
namespace {

constexpr size_t kMostOfABlob = 16 << 20;
constexpr size_t kMostOfADescription = 16 << 20;
constexpr const char* kPermanent = "tpm2-permall";

/// Types by the last part of a name.
constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kTypes = {{
    {"/permall", kPermanent},
    {"/volatile", "tpm2-volatile"},
    {"/savestate", "tpm2-savestate"},
}};

[[noreturn]] void refuse(const std::string& sentence) { throw Error(ErrorCode::kInvalidArgument, sentence); }

std::string device_of(const std::string& name) { return name.substr(0, name.rfind('/')); }

bool is_suspended(const Blob& blob) { return blob.type == "tpm2-volatile" || blob.type == "tpm2-savestate"; }

// --- descriptions ---

using Json = nlohmann::json;

std::string text_of(const Json& value, const std::string& what) {
  if (!value.is_string()) refuse(what + " must be a string");
  return value.get<std::string>();
}

size_t capacity_of(const Json& value, const std::string& what) {
  if (value.is_number_unsigned()) return value.get<size_t>();
  if (value.is_string()) return parse_bytes(value.get<std::string>(), what);
  refuse(what + " must be a number of bytes, such as 10240 or \"10k\"");
}

Blob blob_of(const Json& object, const std::string& where) {
  if (!object.is_object()) refuse(where + " must be an object with a name and a file");
  Blob blob;
  for (const auto& [key, value] : object.items()) {
    const std::string what = where + "." + key;
    if (key == "name") {
      blob.name = text_of(value, what);
    } else if (key == "type") {
      blob.type = text_of(value, what);
    } else if (key == "file") {
      blob.file = text_of(value, what);
    } else if (key == "capacity") {
      blob.capacity = capacity_of(value, what);
      if (blob.capacity == 0) refuse(what + " must be at least 1");
    } else if (key == "sealed" && value.is_boolean()) {
      blob.sealed = value.get<bool>();
    } else {
      refuse(what + (key == "sealed" ? " must be true or false"
                                     : " is not known: a blob has name, type, capacity, file, sealed"));
    }
  }
  if (blob.name.empty() || blob.file.empty()) refuse(where + " needs a name and a file");
  return blob;
}

// --- contents ---

void take_tpm_state(Blob& blob) {
  try {
    SecretBytes state = tpm::unwrap_swtpm(blob.contents, {});
    tpm::examine_foreign_state(state);
    blob.contents = std::move(state);
  } catch (const Error& error) {
    throw Error(error.code(), blob.file + " cannot be '" + blob.name + "': " + error.sentence());
  }
}

void load(Blob& blob) {
  blob.contents = read_bytes(blob.file, -1, kMostOfABlob);
  if (blob.type == kPermanent) take_tpm_state(blob);
  if (blob.capacity == 0 || blob.contents.size() <= blob.capacity) return;
  refuse(blob.file + " has " + std::to_string(blob.contents.size()) + " bytes, which exceeds the capacity of '" +
         blob.name + "' (" + std::to_string(blob.capacity) + " bytes)");
}

// A volatile state belongs to one permanent state. Resumed with another one, the TPM would repeat random numbers.
void refuse_orphans(const std::vector<Blob>& blobs) {
  for (const Blob& blob : blobs) {
    if (!is_suspended(blob)) continue;
    const bool has_permanent = std::any_of(blobs.begin(), blobs.end(), [&](const Blob& other) {
      return other.type == kPermanent && device_of(other.name) == device_of(blob.name);
    });
    if (!has_permanent) {
      refuse("'" + blob.name + "' is the state of a suspended TPM, which belongs to one permanent state: give '" +
             device_of(blob.name) + "/permall' with it");
    }
  }
}

}  // namespace

size_t parse_bytes(const std::string& text, const std::string& what) {
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string unit = text.substr(digits);
  const size_t factor = unit.empty() ? 1 : unit == "k" || unit == "K" ? 1024 : unit == "M" ? 1 << 20 : 0;
  if (digits == 0 || digits > 9 || factor == 0)
    refuse(what + " must be a number of bytes, such as 10240, 10k or 1M, not \"" + text + "\"");
  return std::stoul(text.substr(0, digits)) * factor;
}

std::string default_type(const std::string& name) {
  for (const auto& [ending, type] : kTypes) {
    if (name.ends_with(ending)) return std::string(type);
  }
  return "blob";
}

Blob parse_blob(const std::string& text, bool sealed) {
  const size_t equals = text.find('=');
  Blob blob;
  blob.sealed = sealed;
  if (equals != std::string::npos) blob.file = text.substr(equals + 1);
  const std::string head = text.substr(0, equals);
  const size_t type = head.find(':');
  blob.name = head.substr(0, type);
  if (blob.name.empty() || blob.file.empty()) {
    refuse("a blob must be given as NAME[:TYPE[:CAPACITY]]=FILE, not \"" + text + "\"");
  }
  if (type == std::string::npos) return blob;
  const size_t capacity = head.find(':', type + 1);
  blob.type = head.substr(type + 1, capacity == std::string::npos ? capacity : capacity - type - 1);
  if (capacity == std::string::npos) return blob;
  blob.capacity = parse_bytes(head.substr(capacity + 1), "the capacity of '" + blob.name + "'");
  if (blob.capacity == 0) refuse("the capacity of '" + blob.name + "' must be at least one byte");
  return blob;
}

std::vector<Blob> read_description(const std::string& file) {
  const SecretBytes text = read_bytes(file == "-" ? "" : file, STDIN_FILENO, kMostOfADescription);
  const Json json = Json::parse(text.data(), text.data() + text.size(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || json.size() != 1 || !json.contains("blobs") || !json["blobs"].is_array()) {
    refuse(file + " is not a description of blobs: {\"blobs\": [{\"name\": …, \"file\": …}]}");
  }
  const size_t slash = file.rfind('/');
  const std::string directory = slash == std::string::npos ? "" : file.substr(0, slash + 1);
  std::vector<Blob> blobs;
  for (const Json& object : json["blobs"]) {
    blobs.push_back(blob_of(object, file + ": blobs[" + std::to_string(blobs.size()) + "]"));
    if (blobs.back().file[0] != '/') blobs.back().file.insert(0, directory);
  }
  return blobs;
}

void load_blobs(std::vector<Blob>& blobs, const Progress& progress) {
  std::set<std::string> names;
  for (Blob& blob : blobs) {
    if (!names.insert(blob.name).second) refuse("the name '" + blob.name + "' is given twice");
    if (blob.type.empty()) blob.type = default_type(blob.name);
  }
  refuse_orphans(blobs);
  for (size_t i = 0; i < blobs.size(); ++i) {
    progress(i, 2 * blobs.size());
    load(blobs[i]);
  }
}

void put_blob(store::Transaction& transaction, const Blob& blob, store::Cipher cipher) {
  const auto protection =
      blob.sealed && cipher != store::Cipher::kNone ? store::Protection::kSealed : store::Protection::kClear;
  if (blob.capacity != 0) {
    transaction.put_registered(blob.name, blob.type, protection, blob.capacity, blob.contents);
  } else {
    transaction.put(blob.name, blob.type, protection, blob.contents);
  }
}

}  // namespace vtpm::tools
