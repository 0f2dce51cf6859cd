// SPDX-License-Identifier: Apache-2.0
// Changes of a file's log. A body runs once, under the file's lock.
#include "base/error.h"
#include "store/log/file_log.h"

namespace vtpm::store {
namespace {

class ChangeOfFile final : public EntryLog::Change {
 public:
  explicit ChangeOfFile(FileLog::Writer& writer) : writer_(writer) {}
  std::optional<EntryRecord> peek(std::string_view name) const override {
    auto record = writer_.peek(name);
    if (!record) return std::nullopt;
    return EntryRecord{std::move(record->entry), record->deleted, record->state};
  }
  bool visit_changes(uint64_t cursor, const EntryLog::Visit& visit) const override {
    return writer_.visit_changes(cursor, visit);
  }
  void reserve(uint64_t bytes, size_t entries) override {
    if (entries > kMaxTransactionEntries) refuse_count(entries);
    writer_.reserve(bytes);
  }

 private:
  FileLog::Writer& writer_;
};

}  // namespace

EntryLog::Appended FileLog::change(const Body& body) {
  Writer writer = begin();
  return run(writer, body);
}

std::optional<EntryLog::Appended> FileLog::try_change(const Body& body) {
  auto writer = try_begin();
  if (!writer) return std::nullopt;
  return run(*writer, body);
}

std::optional<EntryLog::Appended> FileLog::change_under(const std::vector<const Claim*>& claims, const Body& body) {
  auto writer = begin(claims);
  if (!writer) return std::nullopt;
  return run(*writer, body);
}

EntryLog::Appended FileLog::run(Writer& writer, const Body& body) {
  ChangeOfFile change(writer);
  Proposal proposal = body(change);
  if (proposal.drafts.empty()) return {};
  std::vector<Record> old;
  // An append that had to make room by a compaction would move the entries that are to be wiped.
  if (!proposal.retired.empty()) writer.make_room_for(proposal.drafts);
  for (const std::string& name : proposal.retired) {
    auto record = writer.peek(name);
    if (record && !record->deleted && record->entry.length != 0) old.push_back(std::move(*record));
  }
  const uint64_t before = cursor();
  const Appended appended{writer.append(std::move(proposal.drafts))};
  if (proposal.visible) proposal.visible(before, cursor());
  if (!proposal.retired.empty()) retire(writer, old);
  writer.release_and_sync();
  return appended;
}

void FileLog::retire(Writer& writer, const std::vector<Record>& records) {
  writer.sync();
  for (const Record& record : records) writer.wipe_slot(record);
  try {
    writer.compact();
  } catch (const Error& error) {
    // The old secrets have been overwritten; an entry that a damaged or full disk does not let us drop is harmless.
    report(path_ + " was not compacted after a key slot was replaced: " + error.sentence() +
           ". The old slot is overwritten in place");
  }
}

bool FileLog::rewrite(const Claim& login, const std::function<std::optional<Rewriting>(Change&)>& body) {
  auto writer = begin({&login});
  if (!writer) return false;
  ChangeOfFile change(*writer);
  const auto rewriting = body(change);
  if (!rewriting) return false;
  writer->rewrite(*rewriting);
  if (rewriting->done) rewriting->done();
  writer->release_and_sync();
  return true;
}

void FileLog::compact(const Progress& progress) {
  for (;;) {
    const LoginLock login = lock_login();
    auto writer = begin({&login});
    if (!writer) continue;
    writer->compact(progress, writer->file_size());
    return writer->release_and_sync();
  }
}

void FileLog::remove() { begin().remove(); }

}  // namespace vtpm::store
