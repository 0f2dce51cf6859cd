// SPDX-License-Identifier: Apache-2.0
// Compares the stack that the emulated TPM uses for each command with the part that is wiped (tpm/host/guard.h).
//
// This program runs the tests of the TPM's commands again, with a painted stack below every call into libtpms. The
// linker replaces `copies` (--wrap) by a function that returns other entry points. They paint the stack below them, and
// check afterwards how much of the paint is gone. That includes the self-tests of algorithms, which run at their first
// use.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "crypto/certificate/certificate_authority.h"
#include "tests/tpm/memory_state.h"
#include "tpm/engine/engine.h"
#include "tpm/host/copies.h"
#include "tpm/host/guard.h"
#include "tpm/use/identity.h"
#include "tpm/use/resident_key.h"

namespace vtpm::tpm {
namespace {

constexpr size_t kPainted = 128 * 1024;
constexpr uint8_t kPaint = 0xA5;

std::mutex mutex;
std::map<std::string, size_t> deepest;  // bytes for each function

/// Fills the stack below the caller's frame with paint and returns its address, which is only compared with the paint.
[[gnu::noinline]] const volatile uint8_t* paint() {
  volatile uint8_t area[kPainted];
  for (size_t at = 0; at < kPainted; ++at) area[at] = kPaint;
  const volatile uint8_t* kept = area;
  asm volatile("" : "+r"(kept));
  return kept;
}

[[gnu::noinline]] size_t unpainted(const volatile uint8_t* area, const void* frame) {
  size_t at = 0;
  while (at < kPainted && area[at] == kPaint) ++at;
  return static_cast<size_t>(static_cast<const uint8_t*>(frame) - const_cast<const uint8_t*>(area + at));
}

/// Calls `body` on a painted stack and records how much of it is used.
template <typename F>
auto measured(const std::string& what, F&& body) {
  const volatile uint8_t* area = paint();
  const auto result = body();
  // From the top of this frame, which lies below the guard's.
  const size_t used = unpainted(area, __builtin_frame_address(0));
  std::lock_guard lock(mutex);
  deepest[what] = std::max(deepest[what], used);
  return result;
}

std::string name_of(const uint8_t* command) {
  char name[32];
  snprintf(name, sizeof name, "command 0x%02x%02x", command[8], command[9]);
  return name;
}

/// The entry points of copy `kNumber`, which is a template parameter because they have no argument for it.
template <size_t kNumber>
struct Painted {
  inline static Copy real;

  static TPM_RESULT main_init() { return measured("TPMLIB_MainInit", real.main_init); }
  static TPM_RESULT get_state(TPMLIB_StateType type, unsigned char** state, uint32_t* size) {
    return measured("TPMLIB_GetState", [&] { return real.get_state(type, state, size); });
  }
  static TPM_RESULT process(unsigned char** response, uint32_t* size, uint32_t* room, unsigned char* command,
                            uint32_t length) {
    return measured(name_of(command), [&] { return real.process(response, size, room, command, length); });
  }
  static Copy copy() {
    Copy painted = real;
    painted.main_init = main_init;
    painted.get_state = get_state;
    painted.process = process;
    return painted;
  }
};

template <size_t... kNumbers>
std::vector<Copy> paint_all(std::span<const Copy> all, std::index_sequence<kNumbers...>) {
  ((Painted<kNumbers>::real = all[kNumbers]), ...);
  return {Painted<kNumbers>::copy()...};
}

/// Checks the result after all tests, because the depth of a command depends on the commands before it.
class Report : public testing::Environment {
 public:
  void TearDown() override {
    for (const auto& [what, used] : deepest) {
      printf("%-20s %6zu bytes of stack\n", what.c_str(), used);
      EXPECT_LE(used, kStackOfLibtpms) << what << " used more of the stack than is wiped";
    }
    EXPECT_GT(deepest.size(), 8U) << "were the calls painted at all?";
  }
};
const auto* const report = testing::AddGlobalTestEnvironment(new Report);

// libtpms searches the primes of an endorsement key itself, starting from the TPM's seed, so the depth is random.
TEST(StackTest, EndorsementKeysFitTheStackThatIsWiped) {
  const auto made = crypto::CertificateAuthority::create("stack");
  const crypto::CertificateAuthority authority(made.key, made.certificate);
  for (int round = 0; round < 3; ++round)
    Engine::manufacture([&](BootedTpm& commands) { endorse(commands, authority, IssuerKept::kElsewhere); });
}

TEST(StackTest, RsaKeysFitTheStackThatIsWiped) {
  const auto engine = std::make_shared<Engine>(std::make_shared<MemoryState>());
  for (int round = 0; round < 6; ++round) create_rsa(*engine, {});
}

}  // namespace

std::span<const Copy> real_copies() asm("__real__ZN4vtpm3tpm6copiesEv");
std::span<const Copy> wrapped_copies() asm("__wrap__ZN4vtpm3tpm6copiesEv");

std::span<const Copy> wrapped_copies() {
  static const std::vector<Copy> painted = paint_all(real_copies(), std::make_index_sequence<2>());
  return painted;
}

}  // namespace vtpm::tpm
