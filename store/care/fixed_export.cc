// SPDX-License-Identifier: Apache-2.0
// Export: from a log to the fixed-capacity layout.
#include <algorithm>

#include "base/error.h"
#include "store/care/fixed_layout.h"
#include "store/file/quiet_file.h"
#include "store/log/file_log.h"
#include "store/vault/sealing.h"

namespace vtpm::store {
namespace {

Bytes with_fixed_mark(ByteView bytes, const Salt& salt, uint64_t base) {
  Entry entry = to_entry(parse_entry(bytes).value());
  entry.mandatory.push_back({std::string(attribute::kFixed), {}});
  for (Attribute& attribute : entry.optional) {
    if (attribute.name == attribute::kBase) attribute = integer_attribute(attribute::kBase, base);
  }
  Bytes out = encode(entry);
  store_crc(salt, out, parse_entry(out).value().crc_at);
  return out;
}

bool is_written_twice(const LogEntry& entry) { return entry.type == type::kHeader || entry.type == type::kKeySlot; }

}  // namespace

class FixedExport {
 public:
  FixedExport(const Vault& vault, const std::string& to, const FixedExportOptions& options)
      : options_(options),
        path_(vault.path()),
        to_(to),
        file_system_(options.file_system ? *options.file_system : posix_file_system()),
        key_(vault.master_key()),
        file_(file_system_, path_),
        header_(read_header(*file_, path_)) {}

  void run() {
    if (file_system_.id_of(to_)) throw Error(ErrorCode::kExists, to_ + " exists already");
    read();
    check_room();
    TemporaryStore fresh(file_system_, to_);
    write(fresh.file());
    fresh.file().sync_all();
    file_system_.rename(fresh.path(), to_, /*keep_existing=*/true);
    fresh.renamed();
    file_system_.sync_directory_of(to_);
  }

 private:
  void read() {
    scan_ = scan_log(*file_, header_);
    file_.let_writers_in();
    Index index;
    index.apply(scan_);
    if (!scan_.damage.empty() || scan_.cut_off) {
      throw Error(ErrorCode::kCorrupt, path_ + " is damaged: it must be repaired before it can be exported");
    }
    for (const LogEntry& entry : scan_.entries) {
      if (is_current(index, entry)) (is_written_twice(entry) ? twice_ : once_).push_back(&entry);
    }
    // Their new numbers say how old the names are.
    std::sort(once_.begin(), once_.end(), [](const LogEntry* a, const LogEntry* b) { return a->birth() < b->birth(); });
  }

  static bool is_current(const Index& index, const LogEntry& entry) {
    if (entry.type == type::kHeader) return true;
    if (entry.name.empty()) return false;
    const Record& record = index.find(entry.name)->second;
    if (record.deleted) return false;
    return record.entry.offset == entry.offset || (record.twin_length != 0 && record.twin_offset == entry.offset);
  }

  void check_room() const {
    for (const auto& [name, bytes] : options_.room) {
      const auto place = std::find_if(once_.begin(), once_.end(),
                                      [&, &name = name](const LogEntry* entry) { return entry->name == name; });
      if (place == once_.end()) throw Error(ErrorCode::kNotFound, "there is no '" + name + "' in " + path_);
      if (bytes >= (*place)->size && (*place)->capacity == 0) continue;
      throw Error(
          ErrorCode::kInvalidArgument,
          "room for " + std::to_string(bytes) + " bytes cannot be left for '" + name + "', which " +
              ((*place)->capacity != 0 ? "was registered with a capacity of " + std::to_string((*place)->capacity)
                                       : "has " + std::to_string((*place)->size)));
    }
  }

  size_t room_of(const LogEntry& entry) const {
    uint64_t room = std::max<uint64_t>({entry.size, entry.capacity, 1});
    for (const auto& [name, bytes] : options_.room) {
      if (name == entry.name) room = std::max(room, bytes);
    }
    return room;
  }

  // Writes a first half with the first copies and a second half with the same structure.
  void write(File& file) const {
    const uint64_t base = scan_.end.last;
    // Numbers that the log may come to use are left to it: one number never seals two contents under one key.
    uint64_t number = std::max(base, scan_.end.highest_seen) + kSequenceJump;
    const size_t all = 2 * (twice_.size() / 2 + once_.size());
    size_t done = 0;
    Bytes out(kStoreBegin.begin(), kStoreBegin.end());
    uint64_t at = 0;
    for (int half = 0; half < 2; ++half) {
      for (const LogEntry* entry : copies(half)) {
        Bytes bytes = read_one(*entry);
        if (entry->type == type::kHeader) bytes = with_fixed_mark(bytes, header_.salt, base);
        append(out, bytes);
      }
      for (const LogEntry* entry : once_) {
        if (options_.progress) options_.progress(done++, all);
        append(out, renewed(*entry, ++number, base));
        if (at + out.size() > kMaxStoreBytes)
          throw Error(ErrorCode::kNoSpace, to_ + " would be larger than a store may be");
        file.write_at(at, out);
        at += out.size();
        out.clear();
      }
    }
    out.resize(out.size() + kEndBytes);
    file.write_at(at, out);
  }

  // Returns the first or the second copy of every entry that a log holds twice, in the same order.
  std::vector<const LogEntry*> copies(int half) const {
    std::vector<const LogEntry*> first, second;
    for (const LogEntry* entry : twice_) {
      const bool seen = std::any_of(first.begin(), first.end(), [&](const LogEntry* other) {
        return other->type == entry->type && other->name == entry->name;
      });
      (seen ? second : first).push_back(entry);
    }
    const auto place = [&](const LogEntry* entry) {
      return std::find_if(first.begin(), first.end(), [&](const LogEntry* other) {
        return other->type == entry->type && other->name == entry->name;
      });
    };
    std::sort(second.begin(), second.end(), [&](const LogEntry* a, const LogEntry* b) { return place(a) < place(b); });
    if (first.size() != second.size()) {
      throw Error(ErrorCode::kCorrupt, "one copy of the header or of a key slot of " + path_ +
                                           " is lost: it must be repaired before it can be exported");
    }
    return half == 0 ? first : second;
  }

  Bytes read_one(const LogEntry& entry) const {
    if (entry.refused) {
      throw Error(ErrorCode::kTooNew,
                  "'" + entry.name + "' in " + path_ + " was written by a newer version: it cannot be exported");
    }
    auto bytes = read_entry(*file_, header_, entry);
    if (!bytes) throw Error(ErrorCode::kCorrupt, path_ + " was changed while it was being exported: try again");
    return std::move(*bytes);
  }

  // Returns the entry with another number and size, sealed or bound again.
  Bytes renewed(const LogEntry& old, uint64_t number, uint64_t base) const {
    const Bytes bytes = read_one(old);
    const EntryView view = parse_entry(bytes).value();
    const bool needs_key = view.sealed || view.mac_at != 0;
    if (needs_key && !key_) {
      throw Error(ErrorCode::kLocked, "'" + old.name + "' must be " + (view.sealed ? "sealed" : "bound") +
                                          " anew, and the key of " + path_ + " was not given");
    }
    const Cipher cipher = cipher_of(view.cipher).value_or(header_.cipher);
    Entry entry = to_entry(view);
    SecretBytes plain;
    if (needs_key) authenticate(view, plain);
    entry.data.resize(view.size);
    entry.data.resize(room_of(old));
    if (view.sealed) entry.data.assign(MasterKey::sealed_bytes(cipher, room_of(old)), 0);
    for (Attribute& attribute : entry.mandatory) {
      if (attribute.name == attribute::kSequence) attribute = sequence_attribute({number, 0, 1, base});
      if (attribute.name == attribute::kEncryption) attribute = key_->encryption(cipher);
    }
    std::erase_if(entry.optional, [](const Attribute& attribute) { return attribute.name == attribute::kBorn; });
    Bytes fresh = encode(entry);
    const EntryView layout = parse_entry(fresh).value();
    if (view.sealed) key_->seal(fresh, layout, plain);
    if (view.mac_at != 0) key_->write_mac(fresh, layout);
    store_crc(header_.salt, fresh, layout.crc_at);
    return fresh;
  }

  void authenticate(const EntryView& view, SecretBytes& plain) const {
    std::optional<SecretBytes> opened;
    if (view.sealed && view.epoch == key_->epoch()) opened = key_->unseal(view);
    if (view.sealed ? !opened.has_value() : !key_->mac_matches(view)) {
      throw Error(ErrorCode::kTampered, "'" + std::string(view.name) + "' in " + path_ +
                                            " was tampered with, its seal or MAC is wrong: nothing was exported");
    }
    if (opened) plain = std::move(*opened);
  }

  const FixedExportOptions& options_;
  const std::string path_, to_;
  FileSystem& file_system_;
  const std::shared_ptr<const MasterKey> key_;
  QuietFile file_;
  const StoreHeader header_;
  ScanResult scan_;
  std::vector<const LogEntry*> twice_, once_;  // current entries: in log order, by age
};

void export_fixed(const Vault& vault, const std::string& to, const FixedExportOptions& options) {
  FixedExport(vault, to, options).run();
}

}  // namespace vtpm::store
