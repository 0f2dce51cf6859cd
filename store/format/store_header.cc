// SPDX-License-Identifier: Apache-2.0
// Finding the header: at the beginning of the file, or its second copy, or with one bit corrected.
#include <algorithm>

#include "base/der.h"
#include "base/error.h"
#include "store/file/log_reader.h"
#include "store/format/scan.h"

namespace vtpm::store {
namespace {

constexpr size_t kHeadBytes = 64;
constexpr uint64_t kHeaderSearchBytes = 1 << 16;  // the second copy stands well before
constexpr uint64_t kFixedSearchBytes = 64 << 20;  // … in a log; in the fixed layout, in the middle of the file

// Rejects a header that requires what this build does not have.
struct Demands {
  bool too_new = false;
  std::string cipher;
};

std::string cipher_of_header(const EntryView& entry) {
  auto values = entry.find(entry.mandatory, attribute::kCipher);
  auto text = values ? DerReader(*values).next(DerTag::kIa5String) : std::nullopt;
  if (!values) return std::string(kCipherSiv);
  return text ? std::string(as_text(text->contents)) : std::string();
}

// Takes the salt from the header itself. The CRC then shows whether it is one.
std::optional<StoreHeader> as_header(ByteView bytes, Demands& demands) {
  auto entry = parse_entry(bytes);
  if (!entry || entry->type != type::kHeader || entry->data_bytes < kUuidBytes) return std::nullopt;
  auto salt = entry->find_bytes(entry->mandatory, attribute::kSalt, kSaltBytes);
  if (!salt) return std::nullopt;
  StoreHeader header;
  std::copy(salt->begin(), salt->end(), header.salt.begin());
  if (!crc_matches(header.salt, *entry)) return std::nullopt;
  std::copy_n(entry->data().begin(), kUuidBytes, header.uuid.begin());
  header.base = entry->find_integer(entry->optional, attribute::kBase).value_or(0);
  header.created = entry->find_integer(entry->optional, attribute::kCreated).value_or(0);
  header.fixed = entry->find(entry->mandatory, attribute::kFixed).has_value();
  demands.cipher = cipher_of_header(*entry);
  header.cipher = cipher_of(demands.cipher).value_or(Cipher::kNone);
  demands.too_new =
      !entry->unknown.empty() || entry->find_integer(entry->mandatory, attribute::kFormat) != kFormatNumber;
  return header;
}

std::optional<StoreHeader> header_with_a_flip(ByteView bytes, Demands& demands) {
  Bytes scratch = to_bytes(bytes);
  for (size_t at = 0; at < scratch.size(); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      scratch[at] ^= static_cast<uint8_t>(1u << bit);
      auto element = DerReader(scratch).next(DerTag::kSequence);
      if (element) {
        if (auto header = as_header(element->bytes, demands)) return header;
      }
      scratch[at] = bytes[at];
    }
  }
  return std::nullopt;
}

std::optional<StoreHeader> find_header(LogReader& reader, uint64_t search_bytes, Demands& demands) {
  ByteView front = reader.view(0, search_bytes);
  for (size_t at = kLogStart; at < front.size(); ++at) {
    if (front[at] != static_cast<uint8_t>(DerTag::kSequence)) continue;
    auto element = DerReader(front.subspan(at)).next(DerTag::kSequence);
    if (!element || element->bytes.size() > kCopyDistance) continue;
    auto header = as_header(element->bytes, demands);
    if (!header) continue;
    // The first copy stands at the beginning and nowhere else: an archive that holds a store is not one.
    bool is_first = parse_entry(element->bytes)->sequence.index == 0;
    if (is_first == (at == kLogStart)) return header;
    break;
  }
  return std::nullopt;
}

StoreHeader header_of(const File& file, const std::string& path, uint64_t search_bytes) {
  LogReader reader(file);
  if (reader.size() == 0) throw Error(ErrorCode::kNotAStore, path + " is empty: it is not a store");
  Demands demands;
  auto header = find_header(reader, kCopyDistance, demands);  // nearly always; others' commits cost one of these each
  if (!header) header = find_header(reader, search_bytes, demands);
  if (!header && reader.size() > kLogStart) {
    header = header_with_a_flip(to_bytes(reader.view(kLogStart, kCopyDistance / 8)), demands);
  }
  if (header && demands.too_new) {
    throw Error(
        ErrorCode::kTooNew,
        path + " was written by a newer version: its header has a mandatory attribute that this version does not know");
  }
  if (header && !cipher_of(demands.cipher)) {
    throw Error(ErrorCode::kUnsupported, path + " uses the encryption type '" + demands.cipher +
                                             "', which this version does not have (it has none, aes-cbc, aes-256-siv)");
  }
  if (header) return *header;
  ByteView begin = reader.view(0, kHeadBytes);
  bool begins_right = begin.size() >= kStoreBegin.size() && equal(begin.first(kStoreBegin.size()), kStoreBegin);
  if (begins_right && reader.size() > kCopyDistance) {
    throw Error(ErrorCode::kCorrupt, path + " is damaged: neither copy of its header is readable");
  }
  throw Error(ErrorCode::kNotAStore,
              path + (begins_right ? " is cut off inside its header"
                                   : " is not a store: its first bytes are those of another kind of file"));
}

}  // namespace

StoreHeader read_header(const File& file, const std::string& path) {
  StoreHeader header = header_of(file, path, kHeaderSearchBytes);
  if (!header.fixed) return header;
  throw Error(ErrorCode::kUnsupported,
              path + " is in the fixed-capacity layout, in which stores cannot be used: make a store of it with " +
                  "vtpm-token store import " + path + " STORE");
}

StoreHeader read_fixed_header(const File& file, const std::string& path) {
  StoreHeader header = header_of(file, path, kFixedSearchBytes);
  if (header.fixed) return header;
  throw Error(ErrorCode::kUnsupported, path + " is not in the fixed-capacity layout: it is a store already");
}

}  // namespace vtpm::store
