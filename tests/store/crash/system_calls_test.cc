// SPDX-License-Identifier: Apache-2.0
// Every k-th system call of every operation fails: what was confirmed before stays, no reader sees a partial change,
// the error is that of the call, and the vault continues. The linker redirects the store's calls to this program
// (--wrap).
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/stat.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>

#include "tests/store/disk/store_operations.h"

namespace vtpm::store {
namespace {

enum class Fault { kNone, kIo, kNoSpace, kInterrupted, kShortWrite, kKill };
struct Plan {
  Fault fault = Fault::kNone;
  size_t countdown = 0;
  bool met = false;
} plan;

// Whether this call is the one. `can_wait`: it is one that a signal may interrupt.
bool is_the_one(bool can_wait, bool writes = false) {
  if (plan.fault == Fault::kNone || plan.met) return false;
  if (plan.fault == Fault::kInterrupted && !can_wait) return false;
  if (plan.fault == Fault::kShortWrite && !writes) return false;
  if (--plan.countdown > 0) return false;
  plan.met = true;
  if (plan.fault == Fault::kKill) ::raise(SIGKILL);
  errno = plan.fault == Fault::kNoSpace ? ENOSPC : plan.fault == Fault::kInterrupted ? EINTR : EIO;
  return plan.fault != Fault::kShortWrite;
}

}  // namespace
}  // namespace vtpm::store

using vtpm::store::is_the_one;

extern "C" {
int __real_open(const char*, int, mode_t);
ssize_t __real_pread(int, void*, size_t, off_t);
ssize_t __real_pwrite(int, const void*, size_t, off_t);
int __real_ftruncate(int, off_t);
int __real_fsync(int);
int __real_fdatasync(int);
int __real_fcntl(int, int, void*);
int __real_rename(const char*, const char*);
int __real_renameat2(int, const char*, int, const char*, unsigned);
int __real_unlink(const char*);
int __real_statx(int, const char*, int, unsigned, struct statx*);

int __wrap_open(const char* path, int flags, mode_t mode) {
  return is_the_one(true) ? -1 : __real_open(path, flags, mode);
}
ssize_t __wrap_pread(int file, void* out, size_t size, off_t at) {
  return is_the_one(true) ? -1 : __real_pread(file, out, size, at);
}
ssize_t __wrap_pwrite(int file, const void* bytes, size_t size, off_t at) {
  bool was_met = vtpm::store::plan.met;
  if (is_the_one(true, true)) return -1;
  bool is_short = vtpm::store::plan.met && !was_met && size > 1;
  return __real_pwrite(file, bytes, is_short ? size / 2 : size, at);
}
int __wrap_ftruncate(int file, off_t size) { return is_the_one(true) ? -1 : __real_ftruncate(file, size); }
int __wrap_fsync(int file) { return is_the_one(true) ? -1 : __real_fsync(file); }
int __wrap_fdatasync(int file) { return is_the_one(true) ? -1 : __real_fdatasync(file); }
int __wrap_fcntl(int file, int command, void* argument) {
  // Looking at a descriptor's flags and unlocking never fail.
  const bool locks = command == F_OFD_SETLK || command == F_OFD_SETLKW;
  const bool unlocks = !locks || static_cast<struct flock*>(argument)->l_type == F_UNLCK;
  return !unlocks && is_the_one(true) ? -1 : __real_fcntl(file, command, argument);
}
int __wrap_rename(const char* from, const char* to) { return is_the_one(false) ? -1 : __real_rename(from, to); }
int __wrap_renameat2(int a, const char* from, int b, const char* to, unsigned flags) {
  return is_the_one(false) ? -1 : __real_renameat2(a, from, b, to, flags);
}
int __wrap_unlink(const char* path) { return is_the_one(false) ? -1 : __real_unlink(path); }
int __wrap_statx(int directory, const char* path, int flags, unsigned mask, struct statx* out) {
  return is_the_one(false) ? -1 : __real_statx(directory, path, flags, mask, out);
}
}

namespace vtpm::store {
namespace {

// One run with the `call`-th call disturbed. False: the operation makes fewer.
bool disturbed(const StoreOperation& operation, const std::string& path, Fault fault, size_t call) {
  bool returned = false;
  run_disturbed(operation, path, [&](const std::function<void()>& work) {
    plan = {fault, call, false};
    try {
      work();
      returned = true;
    } catch (const Error& error) {
      bool is_it = error.code() == ErrorCode::kIo || (fault == Fault::kNoSpace && error.code() == ErrorCode::kNoSpace);
      EXPECT_TRUE(is_it) << error.what();
    }
    plan.fault = Fault::kNone;
  });
  if (!plan.met) return false;
  bool harmless = fault == Fault::kInterrupted || fault == Fault::kShortWrite;
  EXPECT_TRUE(returned || !harmless) << "no reader may see that";
  EXPECT_EQ(what_is_wrong_after(operation, path, returned), "");
  return true;
}

TEST(SystemCalls, R0_22_EveryFailedSystemCallLeavesTheStoreWhole) {
  ScratchDirectory scratch;
  const std::string path = scratch.file("store.vtpm");
  const std::vector<std::pair<Fault, const char*>> faults = {
      {Fault::kIo, "EIO"}, {Fault::kNoSpace, "ENOSPC"}, {Fault::kInterrupted, "EINTR"}, {Fault::kShortWrite, "short"}};
  for (const StoreOperation& operation : store_operations()) {
    std::printf("matrix: %-16s", operation.name);
    for (const auto& [fault, name] : faults) {
      size_t call = 1;
      for (; disturbed(operation, path, fault, call); call += sanitized() ? 3 : 1) {
        ASSERT_FALSE(testing::Test::HasFailure()) << operation.name << ", " << name << ", call " << call;
      }
      std::printf("  %s at %zu calls", name, call - 1);
      EXPECT_TRUE(call >= 4 || fault != Fault::kIo) << operation.name;
    }
    std::printf("\n");
  }
}

// SIGKILL in front of each call: another process finds all of it or nothing.
TEST(SystemCalls, R0_22_AKillAtEverySystemCallLeavesTheStoreWhole) {
  ScratchDirectory scratch;
  const std::string path = scratch.file("store.vtpm");
  store_before();
  for (const StoreOperation& operation : store_operations()) {
    size_t call = 1;
    for (;; ++call) {
      pid_t child = ::fork();
      ASSERT_GE(child, 0);
      if (child == 0) {
        run_disturbed(operation, path, [&](const std::function<void()>& work) {
          plan = {Fault::kKill, call, false};
          work();
          ::_exit(0);
        });
      }
      int status = 0;
      ASSERT_EQ(::waitpid(child, &status, 0), child);
      if (WIFEXITED(status)) break;
      ASSERT_EQ(what_is_wrong_after(operation, path, false), "") << operation.name << ", call " << call;
    }
    std::printf("matrix: %-16s  SIGKILL at %zu calls\n", operation.name, call - 1);
    EXPECT_GE(call, 4u);
  }
}

}  // namespace
}  // namespace vtpm::store
