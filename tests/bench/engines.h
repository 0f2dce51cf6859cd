// SPDX-License-Identifier: Apache-2.0
// The stores that are measured: each commits one record durably, in the way that its own manual recommends.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace vtpm::bench {

/// A store that one process has open.
class Engine {
 public:
  virtual ~Engine() = default;
  /// Adds a record; returns when it is on the disk. Throws std::exception.
  virtual void commit(const std::string& name, ByteView value) = 0;
};

struct EngineKind {
  const char* name;
  /// Makes an empty store in a directory that no other process uses.
  void (*make)(const std::string& directory);
  std::unique_ptr<Engine> (*open)(const std::string& directory);
};

/// This store, sealing every record; SQLite (WAL, synchronous=FULL); LMDB (as it comes: one fdatasync a commit).
const std::vector<EngineKind>& engines();

}  // namespace vtpm::bench
