// SPDX-License-Identifier: Apache-2.0
// How the child of a fork continues with its parent's store.
//
// It opens the path again. A child that has dropped its rights or changed its root directory may not do that: it
// continues to read through the description that its parent has opened for it. The entries of its index remain in that
// file, since the log is only appended to, and a compaction or re-key makes a new file. Superseded key slots are the
// exception: they are wiped in place (Vault::Impl::used_slots remembers them). Any other change shows by the checksums.
//
// No lock is taken on this description, since the parent and all its children would share it.
#include <new>
#include <shared_mutex>

#include "base/error.h"
#include "base/locks_after_fork.h"
#include "base/process.h"
#include "store/log/file_log.h"

namespace vtpm::store {
namespace {

using Shared = std::shared_lock<RwLock>;
using Exclusive = std::unique_lock<RwLock>;

/// Whether an earlier process of this one's line has had a store open. The first call is that process's.
bool comes_of_a_fork() {
  static const pid_t first = this_process();
  return first != this_process();
}

}  // namespace

// --- the parent's side ---

// Without it (no descriptor left, no memory) a child that may not open the path has nothing, as it has where the
// application closes it.
void FileLog::provide_for_a_child() noexcept {
  for_a_child_.reset();
  (void)comes_of_a_fork();
  if (!placed_) return;
  try {
    for_a_child_ = file_->on_its_own_description(path_);
    if (for_a_child_) root_ = file_system_.id_of("/");
  } catch (...) {
    for_a_child_.reset();
  }
}

// --- the child's side ---

void FileLog::close_after_fork() noexcept {
  if (!inherited_) file_->abandon();
}

void FileLog::reopen_after_fork() {
  // A thread that held one of these stayed behind in the parent.
  make_anew(gate_, sync_mutex_, writer_mutex_, login_mutex_, so_mutex_);
  writer_thread_ = std::thread::id{};
  make_anew(login_file_);
  note_lost_writes();
  const std::shared_ptr<File> left_behind = inherited_ ? file_ : std::exchange(for_a_child_, nullptr);
  if (!inherited_) file_->abandon();
  process_ = this_process();
  Exclusive gate(gate_);
  check_usable();
  try {
    open_again();
    inherited_ = false;
  } catch (const Error& error) {
    const auto why = why_out_of_reach(error);
    if (!left_behind || !why) throw;
    inherit(left_behind, *why);
  }
}

std::optional<std::string> FileLog::why_out_of_reach(const Error& error) const {
  if (dynamic_cast<const OutOfReach*>(&error)) return error.sentence();
  if (error.code() != ErrorCode::kReplaced || !has_another_root()) return std::nullopt;
  return "it is not below the root directory that this process has now";
}

// A child that could open the path, and has lost the right since. Its own second description is of the file that it has
// read last.
bool FileLog::goes_on_after(const Error& error) {
  Exclusive gate(gate_);
  if (inherited_) return true;
  const auto why = comes_of_a_fork() && for_a_child_ ? why_out_of_reach(error) : std::nullopt;
  if (why) inherit(std::exchange(for_a_child_, nullptr), *why);
  return inherited_;
}

void FileLog::open_again() {
  std::shared_ptr<File> file;
  try {
    if (!read_only_) file = file_system_.open(path_, true);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kNotFound && placed_) return follow_path();
    if (error.code() != ErrorCode::kReadOnly) throw;
    read_only_ = true;
  }
  if (!is_at_path()) return follow_path();
  file_ = file ? std::move(file) : file_system_.open(path_, false);
  prepared_ = false;
  provide_for_a_child();
}

void FileLog::inherit(std::shared_ptr<File> file, const std::string& why) {
  file->confirm();
  file_ = std::move(file);
  replaced_ = false;
  inherited_ = true;
  report(path_ + " is out of reach of this process: " + why +
         "; it reads on what its parent had open, without later changes, and can change nothing");
}

void FileLog::reopen_if_forked() const {
  if (process_ != this_process()) const_cast<FileLog*>(this)->reopen_after_fork();
}

/// chroot, or another namespace: then it says nothing about the store that its path leads to nothing.
bool FileLog::has_another_root() const {
  const auto now = file_system_.id_of("/");
  return root_ && now && *now != *root_;
}

// All that an inherited store learns of what others do. A path that leads to another file may lead to a compacted one.
void FileLog::look_whether_removed() {
  {
    Shared gate(gate_);
    check_usable();
    try {
      const auto there = file_system_.id_of(path_);
      if (there && *there == file_->id()) return;
      if (has_another_root()) return;
      if (there && read_header(*file_system_.open(path_, false), path_).uuid == header_.uuid) return;
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kNoMemory) throw;
      return;
    }
  }
  Exclusive gate(gate_);
  replaced_ = true;
  check_usable();
}

}  // namespace vtpm::store
