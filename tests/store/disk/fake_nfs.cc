// SPDX-License-Identifier: Apache-2.0
#include "tests/store/disk/fake_nfs.h"

#include <algorithm>
#include <vector>

namespace vtpm::store {
namespace {

void write_into(Bytes& contents, uint64_t offset, ByteView bytes) {
  if (contents.size() < offset + bytes.size()) contents.resize(offset + bytes.size());
  std::copy(bytes.begin(), bytes.end(), contents.begin() + static_cast<ptrdiff_t>(offset));
}

using Held = std::lock_guard<std::mutex>;

class NfsFile : public File {
 public:
  NfsFile(NfsServer& server, NfsServer::InodePtr inode, bool writable)
      : server_(server), inode_(std::move(inode)), writable_(writable), cache_(inode_->contents) {}
  ~NfsFile() override {
    for (size_t byte = 0; byte < kLockBytes; ++byte) unlock(static_cast<LockByte>(byte));
  }

  bool writable() const override { return writable_; }
  bool over_network() const override { return true; }
  FileId id() const override { return inode_->id; }
  uint64_t size() const override {
    const Held held(server_.mutex);
    return cache_.size();
  }
  size_t read_at(uint64_t offset, MutableByteView out) const override {
    const Held held(server_.mutex);
    require_linked();
    const size_t count = offset >= cache_.size() ? 0 : std::min<size_t>(out.size(), cache_.size() - offset);
    std::copy_n(cache_.begin() + static_cast<ptrdiff_t>(offset), count, out.begin());
    return count;
  }
  void write_at(uint64_t offset, ByteView bytes) override {
    const Held held(server_.mutex);
    require_linked();
    write_into(cache_, offset, bytes);
    unsent_.emplace_back(offset, to_bytes(bytes));
  }
  void truncate(uint64_t size) override {
    const Held held(server_.mutex);
    send();
    cache_.resize(size);
    inode_->contents.resize(size);
  }
  void sync_now(Sync, CallSite) const override { sync(); }

  bool lock(LockByte byte, LockMode mode, bool wait, CallSite) const override {
    std::unique_lock<std::mutex> held(server_.mutex);
    const auto at = static_cast<size_t>(byte);
    ++server_.locks;
    for (;;) {
      require_linked();
      if (free_for(at, mode)) break;
      if (!wait) return false;
      server_.unlocked.wait(held);
    }
    if (mode == LockMode::kExclusive) {
      inode_->exclusive[at] = this;
    } else {
      inode_->exclusive[at] = nullptr;
      inode_->shared[at][this] = true;
    }
    send();
    cache_ = inode_->contents;
    return true;
  }
  void unlock(LockByte byte) const noexcept override {
    const Held held(server_.mutex);
    const auto at = static_cast<size_t>(byte);
    send();
    if (inode_->exclusive[at] == this) inode_->exclusive[at] = nullptr;
    inode_->shared[at].erase(this);
    server_.unlocked.notify_all();
  }
  std::string copy_access_from(const File&) override { return {}; }
  void abandon() noexcept override {}

 private:
  void require_linked() const {
    if (!inode_->linked) throw StaleFile("stale");
  }
  bool free_for(size_t at, LockMode mode) const {
    if (inode_->exclusive[at] != nullptr && inode_->exclusive[at] != this) return false;
    const auto& shared = inode_->shared[at];
    return mode == LockMode::kShared || shared.empty() || (shared.size() == 1 && shared.count(this) == 1);
  }
  void send() const {
    for (const auto& [offset, bytes] : unsent_) write_into(inode_->contents, offset, bytes);
    unsent_.clear();
  }
  void sync() const {
    const Held held(server_.mutex);
    require_linked();
    send();
  }

  NfsServer& server_;
  NfsServer::InodePtr inode_;
  bool writable_;
  mutable Bytes cache_;
  mutable std::vector<std::pair<uint64_t, Bytes>> unsent_;
};

}  // namespace

std::unique_ptr<File> NfsClient::open(const std::string& path, bool writable) {
  const Held held(server_.mutex);
  ++server_.opens;
  const auto found = server_.paths.find(path);
  if (found == server_.paths.end()) {
    remembered_.erase(path);
    throw Error(ErrorCode::kNotFound, "no " + path);
  }
  remembered_[path] = found->second->id;
  return std::make_unique<NfsFile>(server_, found->second, writable);
}

std::unique_ptr<File> NfsClient::create(const std::string& path) {
  const Held held(server_.mutex);
  if (server_.paths.count(path)) throw Error(ErrorCode::kExists, path + " exists");
  auto inode = std::make_shared<NfsServer::Inode>();
  inode->id = {0x6969, server_.next_inode++};
  server_.paths[path] = inode;
  remembered_[path] = inode->id;
  return std::make_unique<NfsFile>(server_, inode, true);
}

std::optional<FileId> NfsClient::id_of(const std::string& path) {
  const Held held(server_.mutex);
  if (const auto known = remembered_.find(path); known != remembered_.end()) return known->second;
  const auto found = server_.paths.find(path);
  if (found == server_.paths.end()) return std::nullopt;
  return remembered_[path] = found->second->id;
}

void NfsClient::rename(const std::string& from, const std::string& to, bool keep_existing) {
  const Held held(server_.mutex);
  if (keep_existing && server_.paths.count(to)) throw Error(ErrorCode::kExists, to + " exists");
  if (const auto old = server_.paths.find(to); old != server_.paths.end()) old->second->linked = false;
  server_.paths[to] = server_.paths.at(from);
  server_.paths.erase(from);
  remembered_[to] = server_.paths[to]->id;
  remembered_.erase(from);
}

void NfsClient::remove(const std::string& path) {
  const Held held(server_.mutex);
  const auto found = server_.paths.find(path);
  if (found == server_.paths.end()) throw Error(ErrorCode::kNotFound, "no " + path);
  found->second->linked = false;
  server_.paths.erase(found);
  remembered_.erase(path);
}

}  // namespace vtpm::store
