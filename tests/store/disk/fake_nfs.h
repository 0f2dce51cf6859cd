// SPDX-License-Identifier: Apache-2.0
// A server and its clients that behave like NFS (RFC 7530, section 10). A client sees its own cache of a file, which
// only opening the file and taking a lock refresh. A sync or an unlock sends what it has written to the server. It
// remembers which file stands at a path until it opens the path. A file that another client has replaced is stale.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "store/file/file.h"

namespace vtpm::store {

class NfsServer {
 public:
  struct Inode {
    FileId id;
    Bytes contents;
    bool linked = true;
    // Who holds a lock: descriptions.
    const void* exclusive[kLockBytes] = {};
    std::map<const void*, bool> shared[kLockBytes];
  };
  using InodePtr = std::shared_ptr<Inode>;

  std::mutex mutex;
  std::condition_variable unlocked;
  std::map<std::string, InodePtr> paths;
  uint64_t next_inode = 1;
  uint64_t locks = 0, opens = 0;  // requests of all clients
};

/// The file system of one machine.
class NfsClient : public FileSystem {
 public:
  explicit NfsClient(NfsServer& server) : server_(server) {}
  std::unique_ptr<File> open(const std::string& path, bool writable) override;
  std::unique_ptr<File> create(const std::string& path) override;
  std::optional<FileId> id_of(const std::string& path) override;
  void rename(const std::string& from, const std::string& to, bool keep_existing) override;
  void remove(const std::string& path) override;
  void sync_directory_of(const std::string&, CallSite) override {}

 private:
  NfsServer& server_;
  std::mutex mutex_;
  std::map<std::string, FileId> remembered_;
};

}  // namespace vtpm::store
