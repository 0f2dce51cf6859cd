// SPDX-License-Identifier: Apache-2.0
#include "tests/store/crash/crash_history.h"

#include <algorithm>

#include "base/der.h"
#include "crypto/library/random.h"
#include "store/format/free_space.h"

namespace vtpm::store {
namespace {

bool contains(const Bytes& bytes, const Bytes& piece) {
  return std::search(bytes.begin(), bytes.end(), piece.begin(), piece.end()) != bytes.end();
}

}  // namespace

// The whole file is one BER value and nothing behind it.
bool is_well_formed(ByteView bytes) {
  if (bytes.size() < 4 || bytes[0] != 0x31 || bytes[1] != 0x80) return false;
  for (bytes = bytes.subspan(2); bytes.size() > 2;) {
    auto element = DerReader(bytes).next(DerTag::kSequence);
    if (!element) return false;
    bytes = bytes.subspan(element->bytes.size());
  }
  return bytes.size() == 2 && bytes[0] == 0 && bytes[1] == 0;
}

Draft clear_draft(const std::string& name, std::string_view value) {
  Draft draft;
  draft.entry = {"p11-object", name, {realsize_attribute(value.size())}, {}, to_bytes(as_bytes(value))};
  return draft;
}

Draft deletion(const std::string& name) {
  Draft draft;
  draft.entry = {"p11-object", name, {{std::string(attribute::kDeleted), {}}, realsize_attribute(0)}, {}, Bytes(1)};
  return draft;
}

Verdicts& Verdicts::operator+=(const Verdicts& other) {
  states += other.states;
  lost += other.lost;
  old += other.old;
  ghosts += other.ghosts;
  unusable += other.unusable;
  if (first.empty()) first = other.first;
  return *this;
}

History::History(Start start) : base_steps_(0) {
  if (start == Start::kNothing) {
    moments_.push_back({0, 0, {}});
    return;
  }
  Uuid uuid;
  Salt salt;
  crypto::random_fill(uuid);
  crypto::random_fill(salt);
  Bytes image = make_store_image(uuid, salt, {}, 0, 0);
  auto file = disk.create(kCrashPath);
  file->write_at(0, image);
  file->sync_all({"test", 0});
  disk.sync_directory_of(kCrashPath, {"test", 0});
  base_steps_ = disk.steps().size();
  moments_.push_back({base_steps_, base_steps_, {}});
}

History::History(const SimulatedDisk& left) {
  for (const std::string& path : left.paths()) {
    auto file = disk.create(path);
    file->write_at(0, const_cast<SimulatedDisk&>(left).contents(path));
    file->sync_all({"test", 0});
  }
  disk.sync_directory_of(kCrashPath, {"test", 0});
  base_steps_ = disk.steps().size();
  moments_.push_back({base_steps_, base_steps_, values_of(*FileLog::open(disk, kCrashPath, false))});
  base_steps_ = moments_[0].begun = moments_[0].promised = disk.steps().size();
}

void History::begin(Values next) { moments_.push_back({disk.steps().size(), SIZE_MAX, std::move(next)}); }

void History::begin(const std::vector<Draft>& drafts) {
  Values next = now();
  for (const Draft& draft : drafts) {
    bool gone = !draft.entry.mandatory.empty() && draft.entry.mandatory[0].name == attribute::kDeleted;
    if (gone) {
      next.erase(draft.entry.name);
    } else {
      next[draft.entry.name] = std::string(as_text(draft.entry.data));
    }
  }
  begin(std::move(next));
}

void History::promise() {
  for (Moment& moment : moments_) moment.promised = std::min(moment.promised, disk.steps().size());
  for (auto& [step, bytes] : gone_) step = std::min(step, disk.steps().size());
}

void History::must_be_gone(Bytes bytes) { gone_.emplace_back(SIZE_MAX, std::move(bytes)); }

void History::commit(FileLog& store, std::vector<Draft> drafts) {
  auto writer = store.begin();
  begin(drafts);
  writer.append(std::move(drafts));
  writer.release_and_sync();
  promise();
}

std::string History::secret_of(const KeySlot& slot) const {
  auto& known = stretched_[slot.kdf().salt];
  for (size_t i = 0; i < secrets.size(); ++i) {
    if (i == known.size()) {
      known.push_back(std::make_shared<StretchedSecret>(stretch(as_bytes(secrets[i]), slot.kdf())));
    }
    if (slot.opens_with(*known[i])) return secrets[i];
  }
  return "(none)";
}

Values History::values_of(const FileLog& store) const {
  Values out;
  for (const auto& [name, record] : store.list("")) {
    auto stored = store.read(name);
    auto entry = stored ? parse_entry(stored->bytes) : std::nullopt;
    if (!entry) continue;
    if (entry->type == type::kKeySlot) {
      KeySlot slot(stored->bytes);
      out["slot:" + slot.role()] = secret_of(slot);
    } else if (name.rfind("obj/", 0) == 0) {
      out[name] = std::string(as_text(entry->data().first(entry->sealed ? entry->data_bytes : entry->size)));
    }
  }
  return out;
}

void History::compare(const Values& seen, size_t promised, size_t begun, Verdicts& verdicts) const {
  for (size_t i = promised; i <= begun; ++i) {
    if (seen == moments_[i].values) return;
  }
  auto value_in = [](const Values& values, const std::string& name) {
    auto found = values.find(name);
    return found == values.end() ? std::optional<std::string>() : std::optional(found->second);
  };
  Values names = seen;
  for (size_t i = promised; i <= begun; ++i) names.insert(moments_[i].values.begin(), moments_[i].values.end());
  for (const auto& each : names) {
    const auto& name = each.first;
    auto value = value_in(seen, name);
    auto has_it = [&](const Moment& moment) { return value_in(moment.values, name) == value; };
    auto at = [&](size_t i) { return moments_.begin() + static_cast<ptrdiff_t>(i); };
    if (std::any_of(at(promised), at(begun) + 1, has_it)) continue;
    bool is_old = std::any_of(moments_.begin(), at(promised), has_it);
    ++(!value ? verdicts.lost : is_old ? verdicts.old : verdicts.ghosts);
    if (verdicts.first.empty()) verdicts.first = name + (!value ? " is lost" : is_old ? " is old" : " is a ghost");
    return;
  }
  ++verdicts.ghosts;
  if (verdicts.first.empty()) verdicts.first = "half a transaction";
}

bool History::is_in_a_file(SimulatedDisk& left, const Bytes& bytes) const {
  for (const std::string& path : left.paths()) {
    if (contains(left.contents(path), bytes)) return true;
  }
  return false;
}

void History::judge(SimulatedDisk& left, size_t step, Verdicts& verdicts) const {
  ++verdicts.states;
  size_t promised = 0, begun = 0;
  for (size_t i = 0; i < moments_.size(); ++i) {
    if (moments_[i].promised <= step) promised = i;
    if (moments_[i].begun <= step) begun = i;
  }
  auto wrong = [&verdicts](size_t& count, const std::string& what) {
    ++count;
    if (verdicts.first.empty()) verdicts.first = what;
  };
  for (const auto& [since, bytes] : gone_) {
    if (since <= step && is_in_a_file(left, bytes)) wrong(verdicts.old, "an old secret is still in a file");
  }
  for (const auto& [since, bytes] : kept_) {
    if (since <= step && !is_in_a_file(left, bytes)) wrong(verdicts.lost, "what was set aside is gone");
  }
  try {
    if (!left.exists(kCrashPath)) {
      compare({}, promised, begun, verdicts);
      TemporaryStore in_nobodys_way(left, kCrashPath);
      return;
    }
    auto store = FileLog::open(left, kCrashPath, false);
    if (store->truncated()) wrong(verdicts.unusable, "it passes for truncated");
    Values seen = values_of(*store);
    compare(seen, promised, begun, verdicts);
    // It goes on: a change is taken, read back after another opening, and outside tools would read the file.
    auto writer = store->begin();
    writer.append({clear_draft("obj/after", "the cut")});
    writer.release_and_sync();
    seen["obj/after"] = "the cut";
    if (values_of(*FileLog::open(left, kCrashPath, true)) != seen) {
      wrong(verdicts.ghosts, "another opening sees something else");
    }
    if (!is_well_formed(left.contents(kCrashPath))) wrong(verdicts.unusable, "the file is not well-formed");
  } catch (const Error& error) {
    wrong(verdicts.unusable, "step " + std::to_string(step) + ": " + error.what());
  }
}

Verdicts History::explore(const Breadth& breadth, unsigned seed, bool stop_at_first) const {
  Verdicts verdicts;
  std::mt19937 random(seed);
  CrashStates states(disk.steps());
  for (size_t step = base_steps_; step <= disk.steps().size(); ++step) {
    if (stop_at_first && !verdicts.clean()) break;
    states.after(step, breadth, random, [&](SimulatedDisk& left) {
      judge(left, step, verdicts);
      return !stop_at_first || verdicts.clean();
    });
    for (const auto& [since, bytes] : gone_) {
      if (since > step || !states.on_the_medium(bytes)) continue;
      ++verdicts.old;
      if (verdicts.first.empty()) verdicts.first = "an old secret is still on the medium";
    }
  }
  return verdicts;
}

void print_row(const char* operation, const Verdicts& verdicts) {
  std::printf("matrix: %-24s %8zu states, %zu lost, %zu ghosts, %zu old, %zu unusable %s\n", operation, verdicts.states,
              verdicts.lost, verdicts.ghosts, verdicts.old, verdicts.unusable, verdicts.first.c_str());
}

}  // namespace vtpm::store
