// SPDX-License-Identifier: Apache-2.0
// The functions that the libtpms copies call instead of the C library's (tpm/host/redirections.txt).
//
// Only code inside a copy calls them, always under the guard, so `current_call` is set.
#include <sys/random.h>

#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "crypto/library/random.h"
#include "tpm/host/guard.h"
#include "tpm/host/heap.h"

using vtpm::tpm::current_call;

extern "C" {

// --- nothing is printed ---

FILE* vtpm_tpm_stderr = nullptr;

int vtpm_tpm_dprintf(int, int, const char*, ...) {
  ++current_call->complaints;
  return 0;
}
int vtpm_tpm_vdprintf(int, int, const char*, va_list) {
  ++current_call->complaints;
  return 0;
}

// --- no environment, no files ---

char* vtpm_tpm_getenv(const char*) { return nullptr; }
FILE* vtpm_tpm_fopen(const char*, const char*) {
  errno = ENOENT;
  return nullptr;
}
int vtpm_tpm_fclose(FILE*) { return 0; }
size_t vtpm_tpm_fread(void*, size_t, size_t, FILE*) { return 0; }
size_t vtpm_tpm_fwrite(const void*, size_t, size_t, FILE*) {
  ++current_call->complaints;
  return 0;
}
int vtpm_tpm_fseek(FILE*, long, int) { return -1; }
long vtpm_tpm_ftell(FILE*) { return -1; }
int vtpm_tpm_fflush(FILE*) { return 0; }
int vtpm_tpm_remove(const char*) {
  errno = ENOENT;
  return -1;
}

// --- a failing copy does not end the process ---

[[noreturn]] void vtpm_tpm_assert_fail(const char* assertion, const char* file, unsigned line, const char*) {
  std::snprintf(current_call->reason, sizeof(current_call->reason), "assertion `%.80s' failed at %.80s:%u", assertion,
                file, line);
  current_call->cut_off();
}
[[noreturn]] void vtpm_tpm_longjmp(jmp_buf, int) {
  std::snprintf(current_call->reason, sizeof(current_call->reason),
                "it found an inconsistency and entered failure mode");
  current_call->cut_off();
}
// The jump was redirected too, so no buffer is needed.
int vtpm_tpm_setjmp(jmp_buf) { return 0; }

// A pointer into the first page is null with an offset: libtpms has not found something and has not checked that.
static void refuse_null(const void* pointer, size_t size) {
  constexpr uintptr_t kFirstPage = 4096;
  if (size == 0 || reinterpret_cast<uintptr_t>(pointer) >= kFirstPage) return;
  std::snprintf(current_call->reason, sizeof(current_call->reason), "it followed a null pointer: an inconsistency");
  current_call->cut_off();
}
void* vtpm_tpm_memcpy(void* to, const void* from, size_t size) {
  refuse_null(to, size);
  refuse_null(from, size);
  return size == 0 ? to : std::memcpy(to, from, size);
}
void* vtpm_tpm_memmove(void* to, const void* from, size_t size) {
  refuse_null(to, size);
  refuse_null(from, size);
  return size == 0 ? to : std::memmove(to, from, size);
}
void* vtpm_tpm_memset(void* to, int value, size_t size) {
  refuse_null(to, size);
  return size == 0 ? to : std::memset(to, value, size);
}

// --- random bytes never run out ---

int vtpm_tpm_rand() { return 0; }
void vtpm_tpm_srand(unsigned) {}

// libtpms would use the clock if this failed. So the bytes come from the generator, otherwise from the kernel, and
// otherwise the instance dies.
int vtpm_tpm_rand_bytes(unsigned char* out, int size) {
  const vtpm::MutableByteView wanted(out, static_cast<size_t>(size));
  try {
    vtpm::crypto::random_fill(wanted);
    return 1;
  } catch (...) {
  }
  for (size_t done = 0; done < wanted.size();) {
    const ssize_t more = getrandom(out + done, wanted.size() - done, 0);
    if (more > 0) {
      done += static_cast<size_t>(more);
    } else if (errno != EINTR) {
      std::snprintf(current_call->reason, sizeof(current_call->reason), "there is no source of random bytes (errno %d)",
                    errno);
      current_call->cut_off();
    }
  }
  return 1;
}

// --- the copy's own heap ---

// Some callers in libtpms check the result, some do not, and some enter failure mode. None gets a null pointer.
static void* present(void* memory) {
  if (memory == nullptr) current_call->cut_off_for_memory();
  return memory;
}
void* vtpm_tpm_malloc(size_t size) { return present(current_call->heap->allocate(size)); }
void* vtpm_tpm_realloc(void* memory, size_t size) { return present(current_call->heap->resize(memory, size)); }
void vtpm_tpm_free(void* memory) { current_call->heap->release(memory); }
char* vtpm_tpm_strdup(const char* text) {
  const size_t size = std::strlen(text) + 1;
  return static_cast<char*>(std::memcpy(vtpm_tpm_malloc(size), text, size));
}
int vtpm_tpm_asprintf(char** out, int, const char* format, ...) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  va_list arguments;
  va_start(arguments, format);
  const int size = std::vsnprintf(nullptr, 0, format, arguments);
  va_end(arguments);
  *out = nullptr;
  if (size < 0) return -1;
  *out = static_cast<char*>(vtpm_tpm_malloc(static_cast<size_t>(size) + 1));
  va_start(arguments, format);
  std::vsnprintf(*out, static_cast<size_t>(size) + 1, format, arguments);
  va_end(arguments);
#pragma GCC diagnostic pop
  return size;
}

}  // extern "C"
