// SPDX-License-Identifier: Apache-2.0
#include "base/process.h"

#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <new>

namespace vtpm {
namespace {

// Null if the kernel does not support wiping on fork. The page lives as long as the process.
std::atomic<pid_t>* make_wiped_page() {
  auto size = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  void* page = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return nullptr;
  if (::madvise(page, size, MADV_WIPEONFORK) != 0) {
    ::munmap(page, size);
    return nullptr;
  }
  return new (page) std::atomic<pid_t>(0);
}

}  // namespace

pid_t this_process() {
  static std::atomic<pid_t>* const remembered = make_wiped_page();
  if (!remembered) return ::getpid();
  pid_t process = remembered->load(std::memory_order_relaxed);
  if (process == 0) remembered->store(process = ::getpid(), std::memory_order_relaxed);
  return process;
}

bool read_if_mapped(const void* from, void* to, size_t size) {
  const iovec here = {to, size}, there = {const_cast<void*>(from), size};
  return ::process_vm_readv(::getpid(), &here, 1, &there, 1, 0) == static_cast<ssize_t>(size);
}

}  // namespace vtpm
