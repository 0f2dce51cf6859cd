#include "store/report.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "store/der.h"
#include "store/free_space.h"
#include "store/log_reader.h"
#include "store/vault_impl.h"

namespace vtpm::store {
namespace {

constexpr std::array<std::pair<EntryState, std::string_view>, 9> kStates = {{
    {EntryState::kCurrent, "current"},
    {EntryState::kSuperseded, "superseded"},
    {EntryState::kDeletion, "deletion"},
    {EntryState::kFree, "free"},
    {EntryState::kRefused, "refused"},
    {EntryState::kIgnored, "ignored"},
    {EntryState::kDamaged, "damaged"},
    {EntryState::kTorn, "torn"},
    {EntryState::kTampered, "tampered"},
}};

std::string text_of(const Element& value) {
  if (value.tag == Tag::kIa5String || value.tag == Tag::kUtf8String) return std::string(as_text(value.contents));
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
  Inspection(const std::string& path, const Vault* vault) : vault_(vault) {
    file_ = posix_file_system().open(path, false);
    if (vault_) key_ = vault_->impl_->master();
    header_ = read_header(*file_, path);
    read_quietly();
    index_.apply(scan_);
    report.path = path;
    report.file_octets = scan_.file_size;
    report.uuid = to_hex(header_.uuid);
    report.base = header_.base;
    report.durable = scan_.end.durable;
    report.last = scan_.end.last;
    report.intact_end = scan_.intact_end;
    for (const LogEntry& entry : scan_.entries) add(entry);
    for (const Damage& damage : scan_.damage) add(damage, EntryState::kDamaged);
    for (const Damage& damage : scan_.set_aside) add(damage, EntryState::kTorn);
    add_free();
    std::sort(report.entries.begin(), report.entries.end(),
              [](const EntryReport& a, const EntryReport& b) { return a.offset < b.offset; });
    judge_store();
  }

  StoreReport report;

 private:
  // While nobody writes, where the file can be locked: else a write in flight would look torn.
  void read_quietly() {
    bool locked = false;
    try {
      locked = file_->lock(LockByte::kStore, LockMode::kShared, true);
    } catch (const Error&) {
    }
    scan_ = scan_log(*file_, header_);
    if (locked) file_->unlock(LockByte::kStore);
  }

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
    auto octets = read_entry(*file_, header_, entry);
    if (auto view = octets ? parse_entry(*octets) : std::nullopt) describe(out, *view);
    if (entry.corrected && out.finding.empty()) out.finding = "one bit is flipped; it is put right when it is read";
    report.entries.push_back(std::move(out));
  }

  void describe(EntryReport& out, const EntryView& view) {
    out.data_octets = view.data_octets;
    add_attributes(out, view.mandatory, true);
    add_attributes(out, view.optional, false);
    if (view.type == type::kHeader) {
      report.format = view.find_integer(view.mandatory, attribute::kFormat).value_or(0);
      report.created = view.find_integer(view.optional, attribute::kCreated).value_or(0);
    }
    if (out.state == EntryState::kRefused) {
      out.finding = view.unknown.empty()
                        ? "its cipher '" + std::string(view.cipher) + "' is not known here"
                        : "its mandatory attribute '" + std::string(view.unknown) + "' is not known here";
    }
    if (out.state == EntryState::kIgnored) out.finding = "it has no MAC and may not replace an entry that has one";
    if (key_ && out.finding.empty()) authenticate(out, view);
  }

  void authenticate(EntryReport& out, const EntryView& view) {
    if (view.sealed && view.epoch != key_->epoch()) {
      out.finding = "it is sealed under another epoch's key";
    } else if ((view.sealed && !key_->unseal(view)) || (view.mac_at != 0 && !key_->mac_matches(view))) {
      out.state = EntryState::kTampered;
      out.finding = "its checksum is right, its seal or MAC is wrong: it was tampered with";
    }
  }

  EntryState state_of(const LogEntry& entry) const {
    if (entry.refused) return EntryState::kRefused;
    if (entry.name.empty()) return EntryState::kCurrent;
    for (const LogEntry& ignored : index_.ignored()) {
      if (ignored.offset == entry.offset) return EntryState::kIgnored;
    }
    if (entry.deleted) return EntryState::kDeletion;
    const auto* item = index_.find(entry.name);
    bool current = item && !item->second.deleted &&
                   (item->second.entry.offset == entry.offset ||
                    (item->second.twin_length != 0 && item->second.twin_offset == entry.offset));
    return current ? EntryState::kCurrent : EntryState::kSuperseded;
  }

  void add(const Damage& damage, EntryState state) {
    EntryReport out;
    out.offset = damage.offset;
    out.length = damage.length;
    out.name = damage.name;
    out.state = state;
    out.finding = state == EntryState::kTorn ? "a write that was not finished: it does not count" : damage.reason;
    report.entries.push_back(std::move(out));
  }

  void add_free() {
    LogReader reader(*file_);
    uint64_t at = scan_.end.offset;
    while (auto total = read_free(reader.view(at, 64))) {
      EntryReport out;
      out.offset = at;
      out.length = std::min(*total, scan_.file_size - at);  // a file that was cut off has less than it says
      out.type = type::kFree;
      out.state = EntryState::kFree;
      report.free_octets += out.length;
      at += out.length;
      report.entries.push_back(std::move(out));
    }
  }

  void judge_store() {
    if (!scan_.intact_end)
      report.findings.push_back("the log's end is unclean; the next process that writes cleans it");
    if (scan_.cut_off)
      report.findings.push_back("the end of the file is missing; nothing can be added before it is repaired");
    uint8_t begin[2] = {};
    file_->read_at(0, begin);
    if (!equal(begin, kStoreBegin)) report.findings.push_back("the first two octets are damaged; they are not needed");
    if (!index_.gaps().empty()) {
      report.findings.push_back(
          "entries are lost whose names can not be read: what may be outdated by them is refused");
    }
    unsigned headers = 0;
    for (const EntryReport& entry : report.entries) headers += entry.type == type::kHeader;
    if (headers < 2) report.findings.push_back("one of the two copies of the header is damaged");
  }

  const Vault* vault_;
  std::shared_ptr<const MasterKey> key_;
  std::unique_ptr<File> file_;
  StoreHeader header_;
  ScanResult scan_;
  Index index_;
};

std::string_view state_name(EntryState state) {
  for (const auto& [known, name] : kStates) {
    if (known == state) return name;
  }
  return "?";
}

bool StoreReport::clean() const {
  return findings.empty() &&
         std::all_of(entries.begin(), entries.end(), [](const EntryReport& entry) { return entry.finding.empty(); });
}

StoreReport dump(const std::string& path) { return Inspection(path, nullptr).report; }

StoreReport check(const std::string& path, const Vault* vault) { return Inspection(path, vault).report; }

}  // namespace vtpm::store
