// SPDX-License-Identifier: Apache-2.0
// What the tests of the store share: a directory that is removed with the test, cheap stores, outside tools.
#pragma once

#include <string>

#include "store/vault/vault.h"

namespace vtpm::store {

/// VTPM_TEST_LONG=1: hours instead of minutes.
bool long_test();
/// Whether a sanitizer makes everything slow: tests then examine fewer states, but no other ones.
bool sanitized();

/// A fresh directory, removed with all that is in it.
class ScratchDirectory {
 public:
  ScratchDirectory();
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

constexpr std::string_view kSoPin = "so secret", kUserPin = "1234";

/// The cheapest KDF within the bounds.
CreateOptions cheap_options();
/// A store with an SO and a user slot; unlocked.
std::unique_ptr<Vault> make_store(const std::string& path, CreateOptions options = cheap_options());

/// A body that changes nothing: the change only takes the store's lock and catches up.
inline void change_nothing(Transaction&) {}
void put(Vault& vault, std::string_view name, std::string_view value, Protection protection = Protection::kSealed);
void erase(Vault& vault, std::string_view name);
/// "(none)" when there is no such name.
std::string get(const Vault& vault, std::string_view name);

Bytes load(const std::string& path);
void save(const std::string& path, ByteView bytes);

/// Whether `openssl asn1parse` and `dumpasn1` (or `unber`, where there is none) read the whole file. Says why not on
/// standard error.
bool outside_tools_read(const std::string& path);

/// The code of the Error that `work` throws; fails the test when it throws none.
ErrorCode code_thrown_by(const std::function<void()>& work);

/// Runs `work` in a child process and returns its exit status: 0 when it returned, 1 when it threw.
int in_child(const std::function<void()>& work);
/// The same without waiting; returns the child's process id.
int start_child(const std::function<void()>& work);
int wait_for(int child);

}  // namespace vtpm::store
