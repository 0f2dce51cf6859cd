// SPDX-License-Identifier: Apache-2.0
#include "tests/store/disk/store_operations.h"

#include <unistd.h>

#include <algorithm>

#include "store/care/repair.h"
#include "store/care/report.h"
#include "store/format/quarantine.h"

namespace vtpm::store {
namespace {

const std::string kLong(200000, 'n');
constexpr std::string_view kNewPin = "5678";

std::string created(const std::string& path) { return path + ".created"; }

void put_clear(Vault& vault, std::string_view name, std::string_view value) {
  put(vault, name, value, Protection::kClear);
}

std::vector<StoreOperation> all_operations() {
  return {
      {"open", false, [](Vault&, const std::string& path) { get(*Vault::open(path), "obj/a"); }},
      {"commit", false, [](Vault& vault, const std::string&) { put_clear(vault, "obj/a", "new"); }},
      {"extend", false, [](Vault& vault, const std::string&) { put_clear(vault, "obj/a", kLong); }},
      {"compact", false, [](Vault& vault, const std::string&) { vault.compact(); }},
      {"refresh", false,
       [](Vault& vault, const std::string&) {
         vault.refresh();
         get(vault, "obj/a");
       }},
      {"key-slot change", true,
       [](Vault& vault, const std::string&) { vault.set_secret(Role::kUser, as_bytes(kNewPin)); }},
      {"repair", false,
       [](Vault&, const std::string& path) {
         if (!repair(path).changed) throw std::logic_error("nothing was repaired");
       }},
      {"create", false, [](Vault&, const std::string& path) { make_store(created(path)); }, true},
  };
}

}  // namespace

namespace {

// One flipped bit, and bytes in the free space that must be set aside.
Bytes store_to_repair() {
  Bytes bytes = store_before();
  constexpr std::string_view kValue = "old";
  *std::search(bytes.begin(), bytes.end(), kValue.begin(), kValue.end()) ^= 1;
  bytes[bytes.size() - 300] = 'X';
  return bytes;
}

bool is_repair(const StoreOperation& operation) { return std::string_view(operation.name) == "repair"; }

}  // namespace

const std::vector<StoreOperation>& store_operations() {
  static const std::vector<StoreOperation> all = all_operations();
  return all;
}

const Bytes& store_before() {
  static const Bytes bytes = [] {
    ScratchDirectory scratch;
    std::string path = scratch.file("store.vtpm");
    make_store(path);
    auto vault = Vault::open(path);
    put_clear(*vault, "obj/a", "old");
    put_clear(*vault, "obj/b", "other");
    return load(path);
  }();
  return bytes;
}

void run_disturbed(const StoreOperation& operation, const std::string& path,
                   const std::function<void(const std::function<void()>&)>& around) {
  save(path, is_repair(operation) ? store_to_repair() : store_before());
  ::unlink(quarantine_path(path).c_str());
  ::unlink(created(path).c_str());
  auto vault = Vault::open(path);
  if (operation.needs_key && vault->unlock(Role::kSo, as_bytes(kSoPin)) != UnlockResult::kUnlocked) {
    throw std::runtime_error("the store does not open");
  }
  if (std::string_view(operation.name) == "refresh") put_clear(*Vault::open(path), "obj/a", "new");
  around([&] { operation.run(*vault, path); });
  // The vault that met the failure continues, and so do other processes.
  put_clear(*vault, "obj/c", "later");
  if (get(*vault, "obj/c") != "later") throw std::runtime_error("the vault does not go on");
}

std::string what_is_wrong_after(const StoreOperation& operation, const std::string& path, bool it_returned) {
  try {
    if (operation.creates) {
      const bool is_there = ::access(created(path).c_str(), F_OK) == 0;
      if (!is_there) return it_returned ? "it is not there" : "";
      return Vault::open(created(path))->has_slot(Role::kUser) ? "" : "it is not complete";
    }
    if (is_repair(operation) && it_returned && !check(path).clean()) return "it is not repaired";
    auto vault = Vault::open(path);
    const std::string a = get(*vault, "obj/a"), name = operation.name;
    if (a != "old" && a != "new" && a != kLong) return "obj/a holds what was never written";
    if (get(*vault, "obj/b") != "other") return "obj/b is lost";
    if (it_returned && a == "old" && (name == "commit" || name == "extend")) return "it returned and wrote nothing";
    if (operation.needs_key) {
      bool old_opens = vault->verify(Role::kUser, as_bytes(kUserPin)) == UnlockResult::kUnlocked;
      bool new_opens = vault->verify(Role::kUser, as_bytes(kNewPin)) == UnlockResult::kUnlocked;
      if (old_opens == new_opens || (it_returned && old_opens)) return "not exactly one PIN opens it";
    }
    put_clear(*vault, "obj/d", "and on");
    return get(*Vault::open(path), "obj/d") == "and on" ? "" : "it does not go on";
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace vtpm::store
