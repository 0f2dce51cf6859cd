// SPDX-License-Identifier: Apache-2.0
// The rules of a directory of stores, whatever it is kept in.
#include "store/directory/store_directory.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "base/error.h"
#include "base/waiting.h"
#include "store/file/file.h"

namespace vtpm::store {
namespace {

constexpr std::string_view kSuffix = ".vtpm";
constexpr uint64_t kFirstDisplacedNumber = 0x10000;
constexpr size_t kDigitsOfDisplacedNumber = 6;  // 24 bits

}  // namespace

std::string_view standing_name(Standing standing) {
  switch (standing) {
    case Standing::kServed:
      return "served";
    case Standing::kCopy:
      return "copy";
    case Standing::kAmbiguous:
      return "ambiguous";
    case Standing::kUnreadable:
      return "unreadable";
  }
  return "";
}

bool is_momentary(const Error& error) {
  return dynamic_cast<const LockTimeout*>(&error) || dynamic_cast<const NoDescriptorLeft*>(&error);
}

uint64_t displaced_number(std::string_view serial) {
  uint64_t bits = 0;
  for (size_t i = 0; i < kDigitsOfDisplacedNumber; ++i) {
    const char digit = i < serial.size() ? serial[i] : '0';
    const unsigned value = digit >= '0' && digit <= '9'   ? static_cast<unsigned>(digit - '0')
                           : digit >= 'a' && digit <= 'f' ? static_cast<unsigned>(digit - 'a' + 10)
                           : digit >= 'A' && digit <= 'F' ? static_cast<unsigned>(digit - 'A' + 10)
                                                          : static_cast<unsigned char>(digit) & 0xFU;
    bits = bits << 4 | value;
  }
  return kFirstDisplacedNumber + bits;
}

std::string_view serial_of_path(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  return name.substr(0, name.size() - kSuffix.size());
}

void judge(const std::vector<FoundStore*>& stores, const std::vector<bool>& whole) {
  std::set<std::string, std::less<>> names;
  std::map<std::string, size_t> holders;  // of a serial, inside
  for (const FoundStore* store : stores) {
    names.emplace(serial_of_path(store->path));
    if (store->name) ++holders[store->name->serial];
  }
  for (size_t i = 0; i < stores.size(); ++i) {
    FoundStore& store = *stores[i];
    if (whole[i]) store.reason.clear();
    const std::string serial = store.name ? store.name->serial : "";
    const bool has_its_name = serial == serial_of_path(store.path);
    if (store.name && !has_its_name && names.contains(serial)) {
      store.standing = Standing::kCopy;
      store.reason = store.path + " is a copy of the token " + serial + ", which is the file " + serial +
                     std::string(kSuffix) + " beside it; it is not used";
    } else if (!whole[i]) {
      store.standing = Standing::kUnreadable;
    } else if (!has_its_name && holders[serial] > 1) {
      store.standing = Standing::kAmbiguous;
      store.reason = store.path + " is one of " + std::to_string(holders[serial]) + " files of the token " + serial +
                     ", and none of them is named " + serial + std::string(kSuffix) +
                     "; give the right one that name, and none is used until then";
    } else {
      store.standing = Standing::kServed;
    }
  }
}

void give_numbers(const std::vector<FoundStore*>& stores) {
  std::vector<FoundStore*> served, others;
  for (FoundStore* store : stores) {
    if (store->standing == Standing::kServed) {
      served.push_back(store);
    } else if (store->standing == Standing::kCopy) {
      store->number.reset();
    } else {
      others.push_back(store);
    }
  }
  const auto age = [](const FoundStore* store) { return std::tie(store->created, store->name->serial); };
  std::sort(served.begin(), served.end(), [&](const auto* a, const auto* b) { return age(a) < age(b); });
  std::set<uint64_t> taken;
  std::vector<FoundStore*> displaced;
  for (FoundStore* store : served) {
    if (!taken.insert(store->name->number).second) displaced.push_back(store);
    store->number = store->name->number;
  }
  for (FoundStore* store : displaced) {
    uint64_t number = displaced_number(store->name->serial);
    while (!taken.insert(number).second) ++number;
    store->number = number;
  }
  for (FoundStore* store : others) {
    std::optional<uint64_t> number = store->number;
    if (!number && store->name) number = store->name->number;
    if (number && taken.insert(*number).second) {
      store->number = number;
      continue;
    }
    uint64_t lowest = 0;
    while (!taken.insert(lowest).second) ++lowest;
    store->number = lowest;
  }
}

}  // namespace vtpm::store
