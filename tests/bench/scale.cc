// vtpm_scale [objects]: what a token with many objects costs, this module beside SoftHSM in one run
// (docs/performance.md).
//
// Each module gets a token with that many private data objects, made one by one, each with a label of its own. Then the
// library starts afresh, the user logs in, and the first search and later ones look one label up.
#include <malloc.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/bench/bench_token.h"

namespace vtpm::bench {
namespace {

using Clock = std::chrono::steady_clock;
using client::must;

double microseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

std::string name_of(size_t number) { return "object " + std::to_string(number); }

void create(const BenchToken& token, size_t number) {
  static CK_OBJECT_CLASS data = CKO_DATA;
  static CK_BBOOL yes = CK_TRUE;
  std::string name = name_of(number), value(64, 'v');
  CK_ATTRIBUTE rows[] = {{CKA_CLASS, &data, sizeof data},
                         {CKA_TOKEN, &yes, sizeof yes},
                         {CKA_PRIVATE, &yes, sizeof yes},
                         {CKA_LABEL, name.data(), name.size()},
                         {CKA_VALUE, value.data(), value.size()}};
  CK_OBJECT_HANDLE made = 0;
  must(token.module()->C_CreateObject(token.session(), rows, 5, &made), "C_CreateObject");
}

void find(const BenchToken& token, size_t number) {
  std::string name = name_of(number);
  if (client::find(token.module(), token.session(), {{CKA_LABEL, name.data(), name.size()}}).size() != 1)
    client::give_up("an object is not found");
}

/// What is allocated now. Sealed values are not: they stay in the file.
double allocated_octets() {
  const auto info = mallinfo2();
  return static_cast<double>(info.uordblks + info.hblkhd);
}

void measure(const char* name, const char* path, size_t objects) {
  BenchToken token(path);
  Clock::time_point start = Clock::now();
  for (size_t i = 0; i < objects; ++i) create(token, i);
  const double create_us = microseconds_since(start) / static_cast<double>(objects);

  token.logout();
  start = Clock::now();
  token.login();
  const double empty_login_us = microseconds_since(start);
  start = Clock::now();
  find(token, objects / 2);
  const double first_us = microseconds_since(start);
  constexpr size_t kRounds = 200;
  start = Clock::now();
  for (size_t i = 0; i < kRounds; ++i) find(token, i * 7919 % objects);
  const double later_us = microseconds_since(start) / kRounds;

  const double with = allocated_octets();
  token.logout();
  const double without = allocated_octets();
  std::printf(
      "%-8s %8zu objects: C_CreateObject %8.1f us, login %8.1f ms, first search %9.1f us, later %8.1f us, "
      "%.0f octets an object\n",
      name, objects, create_us, empty_login_us / 1000, first_us, later_us,
      (with - without) / static_cast<double>(objects));
}

}  // namespace
}  // namespace vtpm::bench

int main(int argc, char** argv) {
  const size_t objects = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 10000;
  if (objects == 0) {
    std::fprintf(stderr, "usage: %s [objects]\n", argv[0]);
    return 2;
  }
  static const vtpm::bench::Scratch scratch;
  vtpm::bench::measure("vtpm", VTPM_BENCH_MODULE, objects);
  // Each of its searches looks at every file: more would take hours.
  if (argc < 3) vtpm::bench::measure("SoftHSM", "/usr/lib/softhsm/libsofthsm2.so", std::min<size_t>(objects, 1000));
  return 0;
}
