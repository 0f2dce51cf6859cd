// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/harness/fault_injection.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <new>

namespace {

using vtpm::conformance::Fault;

struct Plan {
  bool armed = false;
  Fault fault = Fault::kMemory;
  size_t countdown = 0;
  bool for_good = false;
  bool met = false;
};
Plan plan;

bool fails() {
  if (!vtpm::conformance::in_module) return false;
  if (plan.met) return plan.for_good;
  if (--plan.countdown > 0) return false;
  return plan.met = true;
}

bool allocation_fails() { return plan.armed && plan.fault == Fault::kMemory && fails(); }

/// `writes`: the call may need space on the disk.
bool call_fails(bool writes) {
  if (!plan.armed || plan.fault == Fault::kMemory || (plan.fault == Fault::kNoSpace && !writes) || !fails())
    return false;
  errno = plan.fault == Fault::kIo ? EIO : ENOSPC;
  return true;
}

template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

namespace vtpm::conformance {

Failing::Failing(Fault fault, size_t number, bool for_good) { plan = {true, fault, number, for_good, false}; }
Failing::~Failing() { plan.armed = false; }
bool Failing::met() const { return plan.met; }

}  // namespace vtpm::conformance

// The module finds these before those of the C library.
#pragma GCC visibility push(default)

// --- memory ---

#ifdef VTPM_SANITIZED
#define REAL(name) __interceptor_##name
#else
#define REAL(name) __libc_##name
#endif

extern "C" {
void* REAL(malloc)(size_t);
void* REAL(calloc)(size_t, size_t);
void* REAL(realloc)(void*, size_t);
[[gnu::weak]] void __lsan_ignore_object(const void*);
}

namespace {

/// The dynamic linker never frees some of its blocks. The leak check recognizes them by the caller of malloc, which is
/// this program.
bool is_of_the_linker(const void* caller) {
  constexpr uintptr_t kAsLongAsItIs = 0x40000;
  return reinterpret_cast<uintptr_t>(caller) - getauxval(AT_BASE) < kAsLongAsItIs;
}

/// libcrypto leaks a few hundred bytes in some of its own failures. The leak check ignores these and looks for what the
/// module has allocated by `new`.
void* not_missed(void* block, const void* caller) {
  const bool known = (plan.armed && plan.fault == Fault::kMemory) || is_of_the_linker(caller);
  if (block && __lsan_ignore_object && known) __lsan_ignore_object(block);
  return block;
}

}  // namespace

extern "C" {
void* malloc(size_t size) {
  return allocation_fails() ? nullptr : not_missed(REAL(malloc)(size), __builtin_return_address(0));
}
void* calloc(size_t count, size_t size) {
  return allocation_fails() ? nullptr : not_missed(REAL(calloc)(count, size), __builtin_return_address(0));
}
void* realloc(void* old, size_t size) {
  return allocation_fails() ? nullptr : not_missed(REAL(realloc)(old, size), __builtin_return_address(0));
}
}

void* operator new(size_t size) {
  void* memory = allocation_fails() ? nullptr : REAL(malloc)(size == 0 ? 1 : size);
  if (!memory) throw std::bad_alloc();
  return memory;
}
void* operator new[](size_t size) { return ::operator new(size); }
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return allocation_fails() ? nullptr : REAL(malloc)(size == 0 ? 1 : size);
}
void* operator new[](size_t size, const std::nothrow_t& none) noexcept { return ::operator new(size, none); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }

// --- the kernel ---

extern "C" {
int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  static auto* const real = next<int(const char*, int, ...)>("open");
  return call_fails(flags & O_CREAT) ? -1 : real(path, flags, mode);
}
ssize_t pread(int file, void* out, size_t size, off_t at) {
  static auto* const real = next<ssize_t(int, void*, size_t, off_t)>("pread");
  return call_fails(false) ? -1 : real(file, out, size, at);
}
ssize_t pwrite(int file, const void* bytes, size_t size, off_t at) {
  static auto* const real = next<ssize_t(int, const void*, size_t, off_t)>("pwrite");
  return call_fails(true) ? -1 : real(file, bytes, size, at);
}
int ftruncate(int file, off_t size) noexcept {
  static auto* const real = next<int(int, off_t)>("ftruncate");
  return call_fails(true) ? -1 : real(file, size);
}
int fdatasync(int file) {
  static auto* const real = next<int(int)>("fdatasync");
  return call_fails(true) ? -1 : real(file);
}
int fsync(int file) {
  static auto* const real = next<int(int)>("fsync");
  return call_fails(true) ? -1 : real(file);
}
int statx(int directory, const char* path, int flags, unsigned mask, struct statx* out) noexcept {
  static auto* const real = next<int(int, const char*, int, unsigned, struct statx*)>("statx");
  return call_fails(false) ? -1 : real(directory, path, flags, mask, out);
}
}

#pragma GCC visibility pop
