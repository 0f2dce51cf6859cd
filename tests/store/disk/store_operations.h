// SPDX-License-Identifier: Apache-2.0
// The operations on a real store file during which tests let something fail, and what must hold however they ended.
#pragma once

#include <functional>
#include <vector>

#include "tests/store/disk/scratch.h"

namespace vtpm::store {

struct StoreOperation {
  const char* name;
  bool needs_key;
  std::function<void(Vault& vault, const std::string& path)> run;
  bool creates = false;  // there is no store before it; `vault` is another one
};
const std::vector<StoreOperation>& store_operations();

/// A store file with "obj/a" = "old" and "obj/b" = "other" in clear, as bytes, so that each run begins with the same.
const Bytes& store_before();

/// The file at `path` shows all of the operation or nothing of it, and takes the next change. The sentence says what is
/// wrong; empty: nothing.
std::string what_is_wrong_after(const StoreOperation& operation, const std::string& path, bool it_returned);

/// Runs the operation on a fresh copy at `path`. `around` is called with the work that is to be disturbed.
void run_disturbed(const StoreOperation& operation, const std::string& path,
                   const std::function<void(const std::function<void()>&)>& around);

}  // namespace vtpm::store
