// SPDX-License-Identifier: Apache-2.0
#include "store/care/report.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "base/der.h"
#include "store/file/log_reader.h"
#include "store/file/quiet_file.h"
#include "store/format/free_space.h"
#include "store/log/file_log.h"
#include "store/vault/key_slot.h"
#include "store/vault/sealing.h"

namespace vtpm::store {
namespace {

constexpr std::array<std::pair<EntryStatus, std::string_view>, 9> kStates = {{
    {EntryStatus::kCurrent, "current"},
    {EntryStatus::kSuperseded, "superseded"},
    {EntryStatus::kDeletion, "deletion"},
    {EntryStatus::kFree, "free"},
    {EntryStatus::kRefused, "refused"},
    {EntryStatus::kIgnored, "ignored"},
    {EntryStatus::kDamaged, "damaged"},
    {EntryStatus::kTorn, "torn"},
    {EntryStatus::kTampered, "tampered"},
}};

struct VerdictRow {
  Verdict verdict;
  Condition condition;
  std::string_view name, sentence;
};
constexpr std::array<VerdictRow, 9> kVerdicts = {{
    {Verdict::kSound, Condition::kClean, "sound", ""},
    {Verdict::kTorn, Condition::kRepairable, "torn", "a write that was not finished: it does not count"},
    {Verdict::kFlipped, Condition::kRepairable, "flipped", "one bit is flipped; it is corrected on reading"},
    {Verdict::kRottenButSpare, Condition::kRepairable, "rotten-spare", "a newer entry or another copy is intact"},
    {Verdict::kRotten, Condition::kDamaged, "rotten", "what it held is lost"},
    {Verdict::kTampered, Condition::kDamaged, "tampered",
     "its checksum is right, its seal or MAC is wrong: it was tampered with"},
    {Verdict::kWrongEpoch, Condition::kDamaged, "wrong-epoch",
     "it is of another epoch's master key: an old entry was put back"},
    {Verdict::kUnknownAttribute, Condition::kDamaged, "unknown-attribute", "it was written by a newer version"},
    {Verdict::kUnbound, Condition::kRepairable, "unbound", "it has no MAC and may not replace an entry that has one"},
}};

const VerdictRow& row_of(Verdict verdict) {
  return *std::find_if(kVerdicts.begin(), kVerdicts.end(),
                       [&](const VerdictRow& row) { return row.verdict == verdict; });
}

std::string text_of(const DerElement& value) {
  if (value.tag == DerTag::kIa5String || value.tag == DerTag::kUtf8String) return std::string(as_text(value.contents));
  if (auto number = read_der_unsigned(value)) return std::to_string(*number);
  return to_hex(value.contents);
}

void add_attributes(EntryReport& entry, ByteView set, bool mandatory) {
  auto attributes = parse_attributes(set);
  if (!attributes) return;
  for (const AttributeView& attribute : *attributes) {
    AttributeReport report{std::string(attribute.name), {}, mandatory};
    for (DerReader values(attribute.values); !values.empty();) {
      auto value = values.next();
      if (!value) break;
      report.value += (report.value.empty() ? "" : " ") + text_of(*value);
    }
    entry.attributes.push_back(std::move(report));
  }
}

}  // namespace

class Inspection {
 public:
  Inspection(FileSystem& file_system, const std::string& path, const Vault* vault, const Progress& progress)
      : file_system_(file_system), file_(file_system, path), vault_(vault) {
    if (vault_) key_ = vault_->master_key();
    header_ = read_header(*file_, path);
    scan_ = scan_log(*file_, header_, {}, Look::kWhole);
    file_.let_writers_in();
    index_.apply(scan_);
    report.path = path;
    report.file_bytes = scan_.file_size;
    report.uuid = to_hex(header_.uuid);
    report.base = header_.base;
    report.durable = scan_.end.durable;
    report.last = scan_.end.last;
    report.intact_end = scan_.intact_end;
    find_epoch();
    size_t done = 0;
    for (const LogEntry& entry : scan_.entries) {
      if (progress) progress(done++, scan_.entries.size());
      add(entry);
    }
    for (const Damage& damage : scan_.damage) add(damage, EntryStatus::kDamaged, verdict_on(damage));
    for (const Damage& damage : scan_.set_aside) add(damage, EntryStatus::kTorn, Verdict::kTorn);
    add_free();
    std::sort(report.entries.begin(), report.entries.end(),
              [](const EntryReport& a, const EntryReport& b) { return a.offset < b.offset; });
    judge_store();
  }

  StoreReport report;

 private:
  void add(const LogEntry& entry) {
    EntryReport out;
    out.offset = entry.offset;
    out.length = entry.length;
    out.type = entry.type;
    out.name = entry.name;
    out.sequence = entry.sequence.number;
    out.index = entry.sequence.index;
    out.count = entry.sequence.count;
    out.durable = entry.sequence.durable;
    out.size = entry.size;
    out.capacity = entry.capacity;
    out.sealed = entry.sealed;
    out.has_mac = entry.has_mac;
    out.corrected = entry.corrected;
    out.state = state_of(entry);
    auto bytes = read_entry(*file_, header_, entry);
    if (auto view = bytes ? parse_entry(*bytes) : std::nullopt) describe(out, *view);
    if (entry.corrected && out.verdict == Verdict::kSound) judge(out, Verdict::kFlipped);
    report.entries.push_back(std::move(out));
  }

  static void judge(EntryReport& out, Verdict verdict, const std::string& finding = {}) {
    out.verdict = verdict;
    out.finding = finding.empty() ? std::string(row_of(verdict).sentence) : finding;
  }

  void describe(EntryReport& out, const EntryView& view) {
    out.data_bytes = view.data_bytes;
    add_attributes(out, view.mandatory, true);
    add_attributes(out, view.optional, false);
    if (view.type == type::kHeader) {
      report.format = view.find_integer(view.mandatory, attribute::kFormat).value_or(0);
      report.created = view.find_integer(view.optional, attribute::kCreated).value_or(0);
    }
    if (out.state == EntryStatus::kRefused) {
      judge(out, Verdict::kUnknownAttribute,
            view.unknown.empty() ? "its cipher '" + std::string(view.cipher) + "' is not known here"
                                 : "its mandatory attribute '" + std::string(view.unknown) + "' is not known here");
    }
    if (out.state == EntryStatus::kIgnored) judge(out, Verdict::kUnbound);
    if (out.state == EntryStatus::kCurrent && view.type == type::kKeySlot) check_slot(out, view);
    if (key_ && out.verdict == Verdict::kSound) authenticate(out, view);
  }

  // The store's epoch is the highest of its key slots: a re-key leaves none of an earlier one.
  void find_epoch() {
    for (const LogEntry& entry : scan_.entries) {
      if (entry.type != type::kKeySlot || state_of(entry) != EntryStatus::kCurrent) continue;
      const auto bytes = read_entry(*file_, header_, entry);
      try {
        if (bytes) epoch_ = std::max(epoch_, KeySlot(Bytes(*bytes)).epoch());
      } catch (const Error&) {
        // check_slot says what is wrong with it.
      }
    }
  }

  // Only its own secret opens a key slot, but the digest in it shows for which master key it is.
  void check_slot(EntryReport& out, const EntryView& view) const {
    try {
      const KeySlot slot(to_bytes(view.bytes));
      if (slot.epoch() < epoch_) {
        judge(out, Verdict::kWrongEpoch,
              "it holds the master key of an earlier epoch: its secret opens nothing, and is to be set anew");
        return;
      }
      if (!key_ || slot.is_slot_of(*key_)) return;
      const bool epoch = slot.epoch() != key_->epoch();
      judge(out, epoch ? Verdict::kWrongEpoch : Verdict::kTampered,
            epoch ? "" : "it is not for this store's master key: it is another store's, or was tampered with");
    } catch (const Error& error) {
      const bool newer = error.code() == ErrorCode::kUnsupported;
      judge(out, newer ? Verdict::kUnknownAttribute : Verdict::kTampered, error.sentence());
    }
  }

  void authenticate(EntryReport& out, const EntryView& view) {
    if (view.sealed && view.epoch != key_->epoch()) {
      judge(out, Verdict::kWrongEpoch);
    } else if ((view.sealed && !key_->unseal(view)) || (view.mac_at != 0 && !key_->mac_matches(view))) {
      out.state = EntryStatus::kTampered;
      judge(out, Verdict::kTampered);
    }
  }

  EntryStatus state_of(const LogEntry& entry) const {
    if (entry.refused) return EntryStatus::kRefused;
    if (entry.name.empty()) return EntryStatus::kCurrent;
    for (const LogEntry& ignored : index_.ignored()) {
      if (ignored.offset == entry.offset) return EntryStatus::kIgnored;
    }
    if (entry.deleted) return EntryStatus::kDeletion;
    const auto* item = index_.find(entry.name);
    bool current = item && !item->second.deleted &&
                   (item->second.entry.offset == entry.offset ||
                    (item->second.twin_length != 0 && item->second.twin_offset == entry.offset));
    return current ? EntryStatus::kCurrent : EntryStatus::kSuperseded;
  }

  // Whether anything is lost with it. Of a name: the index knows. Without one: the other copy of the header replaces
  // it.
  Verdict verdict_on(const Damage& damage) const {
    if (!damage.name.empty()) {
      const auto* item = index_.find(damage.name);
      return item && item->second.state == NameStatus::kCurrent ? Verdict::kRottenButSpare : Verdict::kRotten;
    }
    const LogEntry* header = nullptr;
    size_t headers = 0;
    for (const LogEntry& entry : scan_.entries) {
      if (entry.type != type::kHeader) continue;
      header = &entry;
      ++headers;
    }
    const bool is_other_copy = headers == 1 && damage.before == damage.after + 2 &&
                               damage.after + 1 >= header->sequence.first() &&
                               damage.after + 1 <= header->sequence.last();
    return is_other_copy ? Verdict::kRottenButSpare : Verdict::kRotten;
  }

  void add(const Damage& damage, EntryStatus state, Verdict verdict) {
    EntryReport out;
    out.offset = damage.offset;
    out.length = damage.length;
    out.name = damage.name;
    out.state = state;
    describe_damaged(out);
    const std::string reason =
        verdict == Verdict::kTorn ? "" : damage.reason + ": " + std::string(row_of(verdict).sentence);
    judge(out, verdict, reason);
    report.entries.push_back(std::move(out));
  }

  // What the damaged entry still shows may help to identify it, although none of it is certain.
  void describe_damaged(EntryReport& out) const {
    Bytes bytes(std::min(out.length, kMaxEntryBytes));
    bytes.resize(file_->read_at(out.offset, bytes));
    auto outer = DerReader(bytes).next(DerTag::kSequence);
    auto nvram = outer ? DerReader(outer->contents).next(DerTag::kSequence) : std::nullopt;
    auto type = nvram ? DerReader(nvram->contents).next(DerTag::kIa5String) : std::nullopt;
    if (type && valid_type(as_text(type->contents))) out.type = as_text(type->contents);
    auto view = outer ? parse_entry(outer->bytes) : std::nullopt;
    if (view) out.sequence = view->sequence.number;
  }

  void add_free() {
    LogReader reader(*file_);
    uint64_t at = scan_.end.offset;
    while (auto total = read_free(reader.view(at, 64))) {
      EntryReport out;
      out.offset = at;
      out.length =
          std::min(*total, bytes_behind(at, scan_.file_size));  // a file that was cut off has less than it says
      out.type = type::kFree;
      out.state = EntryStatus::kFree;
      report.free_bytes += out.length;
      at += out.length;
      report.entries.push_back(std::move(out));
    }
  }

  void find(Condition condition, const std::string& sentence) {
    report.condition = std::max(report.condition, condition);
    report.findings.push_back(sentence);
  }

  void judge_store() {
    for (const EntryReport& entry : report.entries) {
      report.condition = std::max(report.condition, condition_of(entry.verdict));
    }
    if (!scan_.intact_end) judge_end();
    uint8_t begin[2] = {};
    file_->read_at(0, begin);
    if (!equal(begin, kStoreBegin))
      find(Condition::kRepairable, "the first two bytes are damaged; they are not needed");
    if (hides_something()) {
      find(Condition::kDamaged, "entries are lost whose names cannot be read: what may be outdated by them is refused");
    }
    size_t headers = 0;
    for (const EntryReport& entry : report.entries)
      headers += entry.type == type::kHeader && entry.sequence != 0 && entry.state == EntryStatus::kCurrent;
    if (headers < 2) find(Condition::kRepairable, "one of the two copies of the header is damaged");
    check_free_space();
  }

  // The same check as on opening: an unfinished copy may have lost entries without a trace.
  void judge_end() {
    const auto store = FileLog::open(file_system_, report.path, true, FileLog::Ending::kAny);
    if (const auto why = store->unfit()) {
      find(store->truncated() ? Condition::kDamaged : Condition::kRepairable, *why);
    } else {
      find(Condition::kRepairable, "the log's end is unclean; the next process that writes cleans it");
    }
  }

  bool hides_something() const {
    return std::any_of(scan_.damage.begin(), scan_.damage.end(), [&](const Damage& damage) {
      return damage.name.empty() && verdict_on(damage) == Verdict::kRotten;
    });
  }

  // The space between two copies and behind the log must be zeros, or old bytes could become part of the log.
  void check_free_space() {
    if (!scan_.intact_end || !scan_.damage.empty()) return;  // said already
    bool clean = true;
    uint64_t at = kLogStart;
    for (const LogEntry& entry : scan_.entries) {
      clean = clean && is_free_space(*file_, at, entry.offset);
      at = entry.offset + entry.length;
    }
    uint8_t end[kEndBytes] = {1, 1};
    file_->read_at(scan_.file_size - kEndBytes, end);
    clean = clean && end[0] == 0 && end[1] == 0 && is_free_space(*file_, at, scan_.file_size - kEndBytes);
    if (!clean) find(Condition::kRepairable, "the free space is not as it should be; no entry is concerned");
  }

  uint64_t epoch_ = 0;
  FileSystem& file_system_;
  QuietFile file_;
  const Vault* vault_;
  std::shared_ptr<const MasterKey> key_;
  StoreHeader header_;
  ScanResult scan_;
  Index index_;
};

std::string_view state_name(EntryStatus state) {
  for (const auto& [known, name] : kStates) {
    if (known == state) return name;
  }
  return "?";
}

std::string_view verdict_name(Verdict verdict) { return row_of(verdict).name; }

Condition condition_of(Verdict verdict) { return row_of(verdict).condition; }

std::string_view condition_name(Condition condition) {
  constexpr std::array<std::string_view, 3> kNames = {"clean", "repairable", "damaged"};
  return kNames[static_cast<size_t>(condition)];
}

StoreReport dump(const std::string& path) { return Inspection(posix_file_system(), path, nullptr, nullptr).report; }

StoreReport check(const std::string& path, const Vault* vault, const Progress& progress, FileSystem* file_system) {
  return Inspection(file_system ? *file_system : posix_file_system(), path, vault, progress).report;
}

}  // namespace vtpm::store
