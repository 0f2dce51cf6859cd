// SPDX-License-Identifier: Apache-2.0
#include "store/log/continuation.h"

#include <algorithm>

#include "store/format/free_space.h"

namespace vtpm::store {
namespace {

// The file as it would be. It is only read.
class AddedTo final : public File {
 public:
  AddedTo(const File& file, uint64_t end, Bytes added, uint64_t size)
      : file_(file), end_(end), added_(std::move(added)), size_(size) {}

  bool writable() const override { return false; }
  FileId id() const override { return file_.id(); }
  uint64_t size() const override { return size_; }

  size_t read_at(uint64_t offset, MutableByteView out) const override {
    out = out.first(std::min<uint64_t>(out.size(), size_ - std::min(offset, size_)));
    std::fill(out.begin(), out.end(), uint8_t{0});
    if (offset < end_) file_.read_at(offset, out.first(std::min<uint64_t>(out.size(), end_ - offset)));
    const uint64_t from = std::max(offset, end_), to = std::min(offset + out.size(), end_ + added_.size());
    if (from < to) {
      std::copy_n(added_.begin() + static_cast<ptrdiff_t>(from - end_), to - from,
                  out.begin() + static_cast<ptrdiff_t>(from - offset));
    }
    return out.size();
  }

  void write_at(uint64_t, ByteView) override { refuse(); }
  void truncate(uint64_t) override { refuse(); }
  void sync_now(Sync, CallSite) const override {}
  bool lock(LockByte, LockMode, bool, CallSite) const override { return true; }
  void unlock(LockByte) const noexcept override {}
  std::string copy_access_from(const File&) override { refuse(); }
  void abandon() noexcept override {}

 private:
  [[noreturn]] static void refuse() { throw Error(ErrorCode::kInternal, "this file exists only to be read"); }

  const File& file_;
  uint64_t end_;
  Bytes added_;
  uint64_t size_;
};

bool is_absent(const Record& record) { return record.deleted && record.state == NameStatus::kCurrent; }

// Tampering shows when something is authenticated, not in a scan.
bool same_state(const Record& one, const Record& other) {
  auto as_scanned = [](NameStatus state) { return state == NameStatus::kTampered ? NameStatus::kCurrent : state; };
  return as_scanned(one.state) == as_scanned(other.state) && one.deleted == other.deleted &&
         one.entry.sequence.number == other.entry.sequence.number;
}

bool holds_all_of(const Index& one, const Index& other) {
  return std::all_of(other.names().begin(), other.names().end(), [&](const auto& item) {
    if (is_absent(item.second)) return true;
    const auto* same = one.find(item.first);
    return same && same_state(same->second, item.second) &&
           one.may_be_outdated(same->second) == other.may_be_outdated(item.second);
  });
}

}  // namespace

bool hold_the_same(const Index& one, const Index& other) {
  return holds_all_of(one, other) && holds_all_of(other, one);
}

Encoded sample_transaction(const Salt& salt, uint64_t number, uint64_t durable) {
  Draft draft;
  draft.entry.type = type::kMoved;
  draft.entry.mandatory = {realsize_attribute(0)};
  draft.entry.data = Bytes(1);
  return encode_transaction(salt, {draft}, number, durable);
}

bool can_be_added(const Addition& addition, const File& file, const StoreHeader& header, Index now) {
  Bytes added = addition.transaction.bytes;
  const uint64_t end = addition.end + added.size();
  append(added, free_header(addition.size - kEndBytes - end));
  const ScanResult scan = scan_log(AddedTo(file, addition.end, std::move(added), addition.size), header);
  const uint64_t last = addition.transaction.entries.back().sequence.number;
  if (!scan.intact_end || scan.end.offset != end || scan.end.last != last) return false;
  for (const LogEntry& entry : addition.transaction.entries) now.apply(entry);
  Index then;
  then.apply(scan);
  return hold_the_same(now, then);
}

}  // namespace vtpm::store
