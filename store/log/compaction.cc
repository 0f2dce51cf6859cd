// SPDX-License-Identifier: Apache-2.0
// Compaction: writing a new file without the dead entries.
//
// Live entries are copied byte for byte, with their numbers and in their order, so no key is needed and no seal
// changes. The entry with the highest number is copied even if it is dead, so that the number before a torn write to
// the new file is always the header's `base`. Otherwise a torn write could not be distinguished from rot.
#include <algorithm>
#include <chrono>
#include <thread>
#include <unordered_set>

#include "base/error.h"
#include "store/file/gathered_writes.h"
#include "store/format/free_space.h"
#include "store/log/compaction.h"
#include "store/log/continuation.h"
#include "store/log/file_log.h"

namespace vtpm::store {
namespace {

using Exclusive = std::unique_lock<RwLock>;

// A piece of the old file that goes to the new one.
struct Piece {
  uint64_t offset = 0;
  const LogEntry* entry = nullptr;  // null: damaged, copied as it is
  uint64_t length = 0;
};

enum class LastEntry { kKeep, kOnlyIfLive };

std::vector<Piece> live_pieces(const ScanResult& scan, const Index& index, LastEntry last_entry) {
  std::unordered_set<uint64_t> live;
  for (const auto& [name, record] : index.names()) {
    if (record.deleted) continue;
    if (record.entry.length != 0) live.insert(record.entry.offset);
    if (record.twin_length != 0) live.insert(record.twin_offset);
  }
  std::vector<Piece> pieces;
  for (const LogEntry& entry : scan.entries) {
    bool nameless = entry.name.empty() && entry.type != type::kMoved;
    bool last = last_entry == LastEntry::kKeep && &entry == &scan.entries.back();
    if (nameless || last || live.count(entry.offset)) pieces.push_back({entry.offset, &entry, entry.length});
  }
  for (const Damage& damage : scan.damage) {
    const auto* item = damage.name.empty() ? nullptr : index.find(damage.name);
    bool superseded = item && item->second.state == NameStatus::kCurrent;
    if (damage.length != 0 && !superseded) pieces.push_back({damage.offset, nullptr, damage.length});
  }
  // The entries are in order already, which in the fixed-capacity layout is not that of their places.
  if (!scan.damage.empty()) {
    std::sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) { return a.offset < b.offset; });
  }
  return pieces;
}

Bytes header_with_base(ByteView bytes, const Salt& salt, uint64_t base, const Sequence& sequence) {
  Entry entry = to_entry(parse_entry(bytes).value());
  entry.mandatory.erase(std::remove_if(entry.mandatory.begin(), entry.mandatory.end(),
                                       [](const Attribute& a) { return a.name == attribute::kFixed; }),
                        entry.mandatory.end());
  for (Attribute& attribute : entry.mandatory) {
    if (attribute.name == attribute::kSequence) attribute = sequence_attribute(sequence);
  }
  for (Attribute& attribute : entry.optional) {
    if (attribute.name == attribute::kBase) attribute = integer_attribute(attribute::kBase, base);
  }
  Bytes out = encode(entry);
  store_crc(salt, out, parse_entry(out).value().crc_at);
  return out;
}

// Ends of first copies, by what makes a second copy: name (none: the header) and transaction.
using FirstCopies = std::vector<std::pair<const LogEntry*, uint64_t>>;

void keep_distance(GatheredWrites& out, const LogEntry& entry, FirstCopies& copies) {
  if (entry.type != type::kKeySlot && entry.type != type::kHeader) return;
  for (const auto& [first, end] : copies) {
    bool twin =
        first->type == entry.type && first->name == entry.name && first->sequence.first() == entry.sequence.first();
    if (!twin || out.offset() >= end + kCopyDistance) continue;
    uint64_t gap = std::max(end + kCopyDistance - out.offset(), kMinFreeBytes);
    Bytes header = free_header(gap);
    out.write(header);
    out.write_zeros(gap - header.size());
  }
}

// The number up to which the new file holds all that there is: of its last entry, unless the old one's end was missing.
uint64_t base_of(const ScanResult& scan) {
  bool end_is_missing = !scan.damage.empty() && scan.damage.back().before == kNothingFollows;
  return end_is_missing ? scan.end.last : scan.entries.back().sequence.number;
}

Bytes read_piece(const Copying& copying, const Piece& piece) {
  if (!piece.entry) {
    Bytes bytes(piece.length);
    copying.from.read_at(piece.offset, bytes);
    return bytes;
  }
  auto read = read_entry(copying.from, copying.header, *piece.entry);
  if (!read) throw Error(ErrorCode::kCorrupt, "an entry changed while it was being copied");
  return std::move(*read);
}

void write_piece(GatheredWrites& out, const Piece& piece, ByteView bytes, FirstCopies& copies) {
  if (!piece.entry) return out.write(bytes);
  keep_distance(out, *piece.entry, copies);
  out.write(bytes);
  if (piece.entry->type == type::kKeySlot || piece.entry->type == type::kHeader) {
    copies.emplace_back(piece.entry, out.offset());
  }
}

// Reserves no more than logins need on a full disk, since a compaction must succeed where space is short. An append
// extends the file if it needs more.
void write_tail(GatheredWrites& out, std::optional<uint64_t> most = std::nullopt) {
  const uint64_t least = out.offset() + kMinFreeBytes + kEndBytes;
  const uint64_t usual = out.offset() + kReserveForLogins;
  const uint64_t size = most ? std::clamp(*most, least, usual) : usual;
  if (size > kMaxStoreBytes) throw Error(ErrorCode::kNoSpace, "the store is as large as a store may be");
  Bytes tail = free_header(size - kEndBytes - out.offset());
  out.write(tail);
  out.write_zeros(size - out.offset());
  out.flush();
}

// The header's other copy, when one of the two was lost: what differs is its place in their transaction.
std::optional<LogEntry> lost_header(const ScanResult& scan) {
  const LogEntry* header = nullptr;
  size_t headers = 0;
  std::unordered_set<uint64_t> numbers;
  for (const LogEntry& entry : scan.entries) {
    numbers.insert(entry.sequence.number);
    if (entry.type != type::kHeader) continue;
    header = &entry;
    ++headers;
  }
  if (headers != 1 || !scan.damage.empty()) return std::nullopt;
  LogEntry lost = *header;
  const uint64_t first = lost.sequence.first();
  lost.sequence.number = first;
  while (numbers.count(lost.sequence.number)) ++lost.sequence.number;
  lost.sequence.index = static_cast<uint16_t>(lost.sequence.number - first);
  return lost.sequence.index < lost.sequence.count ? std::optional(lost) : std::nullopt;
}

}  // namespace

void write_compacted(const Copying& copying, File& to, const Progress& progress, std::optional<uint64_t> most) {
  GatheredWrites out(to);
  out.write(kStoreBegin);
  FirstCopies copies;
  const uint64_t base = base_of(copying.scan);
  const Salt& salt = copying.header.salt;
  std::vector<Piece> pieces = live_pieces(copying.scan, copying.index, LastEntry::kKeep);
  const auto lost = lost_header(copying.scan);
  if (lost) {
    auto behind = [&](const Piece& piece) { return piece.entry->sequence.number > lost->sequence.number; };
    pieces.insert(std::find_if(pieces.begin(), pieces.end(), behind), {lost->offset, &*lost, lost->length});
  }
  size_t done = 0;
  for (const Piece& piece : pieces) {
    if (progress) progress(done++, pieces.size());
    Piece source = piece;
    if (lost && piece.entry == &*lost) {
      source = *std::find_if(pieces.begin(), pieces.end(), [&](const Piece& other) {
        return other.entry->type == type::kHeader && other.entry != &*lost;
      });
    }
    Bytes bytes = read_piece(copying, source);
    if (piece.entry && piece.entry->type == type::kHeader) {
      bytes = header_with_base(bytes, salt, base, piece.entry->sequence);
    }
    write_piece(out, piece, bytes, copies);
  }
  write_tail(out, most);
}

namespace {

// `first`: the number of the first added entry.
void write_rewritten(const Copying& copying, const EntryLog::Rewriting& rewriting, uint64_t first, File& to) {
  const Encoded added = encode_transaction(copying.header.salt, rewriting.added, first, first - 1);
  const uint64_t base = added.entries.back().sequence.number;
  GatheredWrites out(to);
  out.write(kStoreBegin);
  FirstCopies copies;
  const std::vector<Piece> pieces = live_pieces(copying.scan, copying.index, LastEntry::kOnlyIfLive);
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (rewriting.progress) rewriting.progress(i, pieces.size());
    Bytes bytes = read_piece(copying, pieces[i]);
    bytes = pieces[i].entry->type == type::kHeader
                ? header_with_base(bytes, copying.header.salt, base, pieces[i].entry->sequence)
                : rewriting.entry(parse_entry(bytes).value());
    if (!bytes.empty()) write_piece(out, pieces[i], bytes, copies);
  }
  if (rewriting.progress) rewriting.progress(pieces.size(), pieces.size());
  out.write(added.bytes);
  write_tail(out);
}

std::string temporary_path(const std::string& path) {
  size_t name = path.rfind('/') + 1;  // 0 when there is no slash
  return path.substr(0, name) + "." + path.substr(name) + ".tmp";
}

// A process that is killed releases its locks one after the other: that of the store first, this one a moment later.
// Waiting without a limit could be a deadlock with a process that waits for our locks.
bool lock_soon(const File& file, Waiting waiting) {
  for (int tries = waiting == Waiting::kBriefly ? 1000 : 1;; --tries) {
    if (file.lock(LockByte::kStore, LockMode::kExclusive, false)) return true;
    if (tries == 1) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace

TemporaryStore::TemporaryStore(FileSystem& file_system, const std::string& store_path, Waiting waiting)
    : file_system_(file_system), path_(temporary_path(store_path)) {
  for (;;) {
    try {
      file_ = file_system_.create(path_);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kExists) throw;
      // A crash has left it, unless another process holds its lock.
      std::shared_ptr<File> old;
      try {
        old = file_system_.open(path_, true);
      } catch (const Error& gone) {
        if (gone.code() != ErrorCode::kNotFound) throw;
        continue;
      }
      if (!lock_soon(*old, waiting)) throw Error(ErrorCode::kExists, "another process is creating " + store_path);
      if (file_system_.id_of(path_) == old->id()) file_system_.remove(path_);
      continue;
    }
    file_->lock(LockByte::kStore, LockMode::kExclusive, true);
    if (file_system_.id_of(path_) == file_->id()) return;  // otherwise another process removed it as a left-over
  }
}

TemporaryStore::~TemporaryStore() {
  if (path_.empty()) return;
  try {
    file_system_.remove(path_);
  } catch (const Error&) {
    // It stays, unlocked, and the next one to need the name removes it.
  }
}

void FileLog::Writer::append_moved() {
  Draft moved;
  moved.entry.type = type::kMoved;
  moved.entry.mandatory = {realsize_attribute(0)};
  moved.entry.data = Bytes(1);
  compacting_ = true;
  try {
    append({moved});
  } catch (...) {
    compacting_ = false;
    throw;
  }
  compacting_ = false;
}

TemporaryStore FileLog::Writer::successor(Waiting waiting) {
  FileLog& store = *store_;
  TemporaryStore fresh(store.file_system_, store.path_, waiting);
  const std::string left_out = fresh.file().copy_access_from(*locked_);
  if (left_out.empty()) return fresh;
  throw Error(ErrorCode::kReadOnly, store.path_ + " cannot be replaced by a new file: " + left_out +
                                        " could not use it (nothing was changed; its owner can do this, or root)");
}

void FileLog::Writer::compact(const Progress& progress, std::optional<uint64_t> most) {
  compact_into(successor(), progress, most);
}

void FileLog::Writer::compact_into(TemporaryStore fresh, const Progress& progress, std::optional<uint64_t> most) {
  FileLog& store = *store_;
  // Nothing is cleaned before the copy is complete: an entry that a crash has left may be the only one that shows how
  // far the log is synced.
  const auto look = [&] { return scan_log(*locked_, store.header_, store.knowing_what_is_durable()); };
  ScanResult scan = look_at(*locked_, look);
  for (const Damage& damage : scan.damage) {
    if (!damage.is_entry) {
      throw Error(ErrorCode::kCorrupt, store.path_ + " is damaged: it must be repaired before it can be compacted");
    }
  }
  Index index;
  index.apply(scan);
  rewrite(std::move(fresh), scan, index, progress, most);
}

namespace {

// Checks a new file before it replaces the old one: a log that was made to deceive may lose entries when it is
// rewritten.
void require_same_names(const File& fresh, const std::string& path, const Index& index) {
  Index written;
  const ScanResult scan = look_at(fresh, [&] { return scan_log(fresh, read_header(fresh, path)); });
  written.apply(scan);
  if (scan.intact_end && hold_the_same(index, written)) return;
  throw Error(ErrorCode::kCorrupt, path + " is damaged so that rewriting it would cost what is in it: nothing was " +
                                       "changed. Restore a backup");
}

}  // namespace

void FileLog::Writer::rewrite(TemporaryStore fresh, const ScanResult& scan, const Index& index,
                              const Progress& progress, std::optional<uint64_t> most) {
  FileLog& store = *store_;
  look_at(*locked_, [&] {
    write_compacted({*locked_, store.header_, scan, index}, fresh.file(), progress, most);
    return true;
  });
  if (most && fresh.file().size() > *most) return;
  require_same_names(fresh.file(), store.path_, index);
  take_place(std::move(fresh));
}

void FileLog::Writer::rewrite(const Rewriting& rewriting) {
  FileLog& store = *store_;
  TemporaryStore fresh = successor();
  prepare();
  const auto look = [&] { return scan_log(*locked_, store.header_, store.knowing_what_is_durable()); };
  ScanResult scan = look_at(*locked_, look);
  if (!scan.damage.empty()) {
    throw Error(ErrorCode::kCorrupt, store.path_ + " is damaged: it must be repaired before it can be re-keyed");
  }
  Index index;
  index.apply(scan);
  look_at(*locked_, [&] {
    write_rewritten({*locked_, store.header_, scan, index}, rewriting, store.end_.last + 1, fresh.file());
    return true;
  });
  const std::shared_ptr<File> old = locked_;
  take_place(std::move(fresh));
  for (const LogEntry& entry : scan.entries) {
    if (entry.type == type::kKeySlot && !entry.deleted) wipe_slot_at(*old, entry.offset, entry.length);
  }
  old->sync_data();
}

// Replaces the store's file by a complete new one. This writer, and a login lock of this process, continue on the new
// file.
void FileLog::Writer::take_place(TemporaryStore fresh) {
  FileLog& store = *store_;
  fresh.file().lock(LockByte::kLogin, LockMode::kExclusive, true);
  fresh.file().sync_all();

  append_moved();
  store.file_system_.rename(fresh.path(), store.path_, false);
  fresh.renamed();
  store.file_system_.sync_directory_of(store.path_);

  Exclusive gate(store.gate_);
  std::shared_ptr<File> old = std::move(locked_);
  locked_ = fresh.share();
  last_ = 0;  // all of it is in the new file, and synced
  store.lost_writes_ = false;
  store.adopt(locked_, Locked::kYes);
  const bool carried = store.login_file_.move(old, locked_);
  gate.unlock();
  if (!carried) locked_->unlock(LockByte::kLogin);
  old->unlock(LockByte::kLogin);
  old->unlock(LockByte::kStore);
}

void FileLog::Writer::replace_by(const std::string& temporary) {
  FileLog& store = *store_;
  prepare();
  append_moved();
  store.file_system_.rename(temporary, store.path_, false);
  store.file_system_.sync_directory_of(store.path_);
  Exclusive gate(store.gate_);
  store.replaced_ = true;
}

void FileLog::Writer::remove() {
  FileLog& store = *store_;
  prepare();
  append_moved();
  store.file_system_.remove(store.path_);
  store.file_system_.sync_directory_of(store.path_);
  Exclusive gate(store.gate_);
  store.replaced_ = true;
}

}  // namespace vtpm::store
