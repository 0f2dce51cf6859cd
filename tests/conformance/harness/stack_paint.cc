// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/harness/stack_paint.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>

namespace vtpm::conformance {
namespace {

constexpr size_t kPainted = 96 * 1024;
constexpr unsigned char kPaint = 0xA5;

size_t limit() {
  static const size_t bytes = [] {
    const char* text = getenv("VTPM_TEST_STACK");
    return text ? static_cast<size_t>(strtoul(text, nullptr, 10)) : 0;
  }();
  return bytes;
}

std::mutex mutex;
/// The maximum of each function. The object is never destroyed, because threads of a test may outlive main.
std::map<std::string, size_t>& deepest() {
  static auto* const all = new std::map<std::string, size_t>;
  return *all;
}

/// The memory at the returned address is compared with the paint, and never read as an object.
[[gnu::noinline]] const unsigned char* paint() {
  unsigned char area[kPainted];
  const unsigned char* kept = area;
  memset(area, kPaint, sizeof area);
  asm volatile("" : "+r"(kept) : : "memory");
  return kept;
}

/// The number of bytes from `area` on that are still painted. The search begins with coarse steps, because every call
/// of every test uses it.
size_t painted_bytes(const unsigned char* area) {
  constexpr size_t kStep = 1024;
  static const std::string whole(kStep, static_cast<char>(kPaint));
  size_t at = 0;
  while (at + kStep <= kPainted && memcmp(area + at, whole.data(), kStep) == 0) at += kStep;
  while (at < kPainted && area[at] == kPaint) ++at;
  return at;
}

}  // namespace

const unsigned char* paint_stack() { return limit() == 0 ? nullptr : paint(); }

void note_stack(const char* function, const unsigned char* painted, const void* frame) {
  if (!painted) return;
  const auto used = static_cast<size_t>(static_cast<const unsigned char*>(frame) - (painted + painted_bytes(painted)));
  const std::lock_guard lock(mutex);
  size_t& most = deepest()[function];
  most = std::max(most, used);
}

bool stack_sufficed() {
  const std::lock_guard lock(mutex);
  bool sufficed = true;
  for (const auto& [function, used] : deepest()) {
    if (used <= limit()) continue;
    fprintf(stderr, "%s used %zu bytes of stack, more than %zu\n", function.c_str(), used, limit());
    sufficed = false;
  }
  return sufficed;
}

}  // namespace vtpm::conformance
