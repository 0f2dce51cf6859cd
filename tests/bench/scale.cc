// SPDX-License-Identifier: Apache-2.0
// vtpm_scale [objects [of SoftHSM [public]]]: measures a token with many objects, with this module and with SoftHSM in
// one run (docs/performance.md).
//
// Each module gets a token with that many secret keys, private ones unless it says otherwise, made one by one, each
// with a label and a CKA_ID of its own. Then the library starts afresh, the user logs in, and the first search and
// later ones look one CKA_ID up. A bare commit of the store, of entries as large as such a key's, is measured in turn
// with making the keys.
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <functional>
#include <string>

#include "store/vault/vault.h"
#include "tests/bench/bench_token.h"

namespace vtpm::bench {
namespace {

using client::must;

/// Elapsed time and processor time in milliseconds. On a busy host the second shows the cost of the work.
struct Cost {
  double wall = 0, processor = 0;
};

double now(clockid_t clock) {
  timespec time;
  ::clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

Cost cost_of(const std::function<void()>& work) {
  const double wall = now(CLOCK_MONOTONIC), processor = now(CLOCK_PROCESS_CPUTIME_ID);
  work();
  return {now(CLOCK_MONOTONIC) - wall, now(CLOCK_PROCESS_CPUTIME_ID) - processor};
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

std::string id_of(size_t number) {
  char id[24];
  std::snprintf(id, sizeof id, "id%018zu", number);
  return id;
}

bool made_public = false;

void create(const BenchToken& token, size_t number) {
  static CK_OBJECT_CLASS secret = CKO_SECRET_KEY;
  static CK_KEY_TYPE generic = CKK_GENERIC_SECRET;
  static CK_BBOOL yes = CK_TRUE, is_private = made_public ? CK_FALSE : CK_TRUE;
  std::string name = "object " + std::to_string(number), id = id_of(number), value(32, 'v');
  CK_ATTRIBUTE rows[] = {{CKA_CLASS, &secret, sizeof secret},    {CKA_KEY_TYPE, &generic, sizeof generic},
                         {CKA_TOKEN, &yes, sizeof yes},          {CKA_PRIVATE, &is_private, sizeof is_private},
                         {CKA_LABEL, name.data(), name.size()},  {CKA_ID, id.data(), id.size()},
                         {CKA_VALUE, value.data(), value.size()}};
  CK_OBJECT_HANDLE made = 0;
  must(token.module()->C_CreateObject(token.session(), rows, 7, &made), "C_CreateObject");
}

void find(const client::LoadedModule& module, CK_SESSION_HANDLE session, size_t number) {
  std::string id = id_of(number);
  if (client::find(module, session, {{CKA_ID, id.data(), id.size()}}).size() != 1)
    client::give_up("an object is not found");
}

void find_all(const client::LoadedModule& module, CK_SESSION_HANDLE session, size_t objects) {
  CK_OBJECT_CLASS secret = CKO_SECRET_KEY;
  CK_BBOOL yes = CK_TRUE;
  const auto found =
      client::find(module, session, {{CKA_CLASS, &secret, sizeof secret}, {CKA_TOKEN, &yes, sizeof yes}});
  if (found.size() != objects) client::give_up("not all objects are found");
}

/// The allocated memory. Sealed values are not part of it, because they stay in the file.
double allocated_bytes() {
  const auto info = mallinfo2();
  return static_cast<double>(info.uordblks + info.hblkhd);
}

/// A store whose transactions have entries of the same names and sizes as those of a key, and no PKCS#11 above.
class BareStore {
 public:
  explicit BareStore(const std::string& path) {
    store::CreateOptions options;
    options.kdf = crypto::Argon2Parameters{8192, 1, 1};
    vault_ = store::Vault::create(path, options, {{store::Role::kUser, as_bytes("1234")}}, nullptr);
  }
  void commit(size_t number) {
    const std::string id = id_of(number) + "0123456789ab";
    vault_->change([&](store::Transaction& transaction) {
      transaction.put("obj/" + id, "p11-object", store::Protection::kSealed, Bytes(430, 'o'));
      transaction.put("secret/" + id, "p11-object", store::Protection::kSealed, Bytes(43, 's'));
    });
  }

 private:
  std::unique_ptr<store::Vault> vault_;
};

struct Figures {
  size_t objects = 0;
  double create_us = 0, bare_us = 0, bytes_an_object = 0, bytes_when_all_are_known = 0, later_us = 0, again_us = 0;
  Cost initialize, open, login_empty, login, first, all;
};

void make_objects(const BenchToken& token, BareStore* bare, Figures& figures) {
  std::vector<double> create_ms, bare_ms;
  for (size_t i = 0; i < figures.objects; ++i) {
    create_ms.push_back(cost_of([&] { create(token, i); }).wall);
    if (bare && i < 2000) bare_ms.push_back(cost_of([&] { bare->commit(i); }).wall);
  }
  figures.create_us = median(create_ms) * 1e3;
  figures.bare_us = median(bare_ms) * 1e3;
}

/// The least time of some logins, most of which is the KDF.
Cost login_cost(const BenchToken& token) {
  Cost least{1e9, 1e9};
  for (int i = 0; i < 7; ++i) {
    token.logout();
    const Cost cost = cost_of([&] { token.login(); });
    least = {std::min(least.wall, cost.wall), std::min(least.processor, cost.processor)};
  }
  return least;
}

/// The median of some rounds of searches, each for a different object. In the second round the module already knows
/// each object.
double search_us(const client::LoadedModule& module, CK_SESSION_HANDLE session, size_t objects, bool is_slow) {
  const size_t searches = is_slow ? 20 : 100;
  std::vector<double> rounds;
  for (size_t round = 0; round < (is_slow ? 1 : 21); ++round) {
    const Cost cost = cost_of([&] {
      for (size_t i = 0; i < searches; ++i) find(module, session, (round * searches + i) * 7919 % objects);
    });
    rounds.push_back(cost.wall * 1e3 / static_cast<double>(searches));
  }
  return median(rounds);
}

Figures measure(const char* path, size_t objects, const std::string& bare_path) {
  Figures figures;
  figures.objects = objects;
  BenchToken token(path);
  figures.login_empty = login_cost(token);
  std::unique_ptr<BareStore> bare;
  if (!bare_path.empty()) bare = std::make_unique<BareStore>(bare_path);
  make_objects(token, bare.get(), figures);

  const client::LoadedModule& module = token.module();
  must(module->C_Finalize(nullptr), "C_Finalize");
  const double before = allocated_bytes();
  figures.initialize = cost_of([&] { must(module->C_Initialize(nullptr), "C_Initialize"); });
  CK_SESSION_HANDLE session = 0;
  figures.open = cost_of([&] { session = module.open("bench"); });
  figures.login = cost_of([&] { module.log_in(session); });
  figures.first = cost_of([&] { find(module, session, objects / 2); });
  const bool is_slow = objects > 1000 && bare_path.empty();
  figures.later_us = search_us(module, session, objects, is_slow);
  figures.again_us = is_slow ? figures.later_us : search_us(module, session, objects, is_slow);
  figures.bytes_an_object = (allocated_bytes() - before) / static_cast<double>(objects);
  figures.all = cost_of([&] { find_all(module, session, objects); });
  figures.bytes_when_all_are_known = (allocated_bytes() - before) / static_cast<double>(objects);
  // The time of a single login varies, so the least of several is compared with the least of an empty token.
  for (int i = 0; i < 6; ++i) {
    must(module->C_Logout(session), "C_Logout");
    const Cost again = cost_of([&] { module.log_in(session); });
    figures.login = {std::min(figures.login.wall, again.wall), std::min(figures.login.processor, again.processor)};
  }
  return figures;
}

void row(const char* what, const Figures* vtpm, const Figures* other, const char* format,
         const std::function<double(const Figures&)>& value, const char* target = "") {
  std::printf("| %s |", what);
  for (const Figures* figures : {vtpm, other}) {
    std::printf(" ");
    if (figures) std::printf(format, value(*figures));  // NOLINT: the formats are the literals below
    std::printf(" |");
  }
  std::printf(" %s |\n", target);
}

void print(const Figures& vtpm, const Figures* other) {
  std::printf("| milliseconds of the processor, unless a row says otherwise | vtpm, %zu | SoftHSM, %zu | target |\n",
              vtpm.objects, other ? other->objects : 0);
  std::printf("|---|---|---|---|\n");
  const auto line = [&](const char* what, const char* format, const std::function<double(const Figures&)>& value,
                        const char* target = "") { row(what, &vtpm, other, format, value, target); };
  line("C_CreateObject, on the wall", "%.0f us", [](const Figures& f) { return f.create_us; });
  row("a bare commit of the store, in turn with it", &vtpm, nullptr, "%.0f us",
      [](const Figures& f) { return f.bare_us; });
  row(
      "C_CreateObject over a bare commit", &vtpm, nullptr, "%.2f",
      [](const Figures& f) { return f.create_us / f.bare_us; }, "3");
  line("C_Initialize", "%.2f", [](const Figures& f) { return f.initialize.processor; });
  line("C_GetSlotList, C_OpenSession: the store is opened", "%.2f", [](const Figures& f) { return f.open.processor; });
  line("C_Login with an empty token (KDF of 8 MiB)", "%.2f", [](const Figures& f) { return f.login_empty.processor; });
  line("C_Login beyond that", "%.2f", [](const Figures& f) { return f.login.processor - f.login_empty.processor; });
  line("first search by CKA_ID", "%.2f", [](const Figures& f) { return f.first.processor; });
  line(
      "C_Initialize, login beyond the empty one, and first search", "%.2f",
      [](const Figures& f) {
        return f.initialize.processor + f.login.processor - f.login_empty.processor + f.first.processor;
      },
      "10");
  line(
      "later searches by CKA_ID, on the wall", "%.1f us", [](const Figures& f) { return f.later_us; }, "50 us");
  line("the same once more", "%.1f us", [](const Figures& f) { return f.again_us; });
  line(
      "memory of an object, the store's index included", "%.0f bytes",
      [](const Figures& f) { return f.bytes_an_object; }, "2048 bytes");
  line("a search that matches all", "%.1f", [](const Figures& f) { return f.all.processor; });
  line("memory of an object, all of them known", "%.0f bytes",
       [](const Figures& f) { return f.bytes_when_all_are_known; });
}

}  // namespace
}  // namespace vtpm::bench

int main(int argc, char** argv) {
  using namespace vtpm::bench;
  const size_t objects = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 10000;
  const size_t others = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : objects;
  made_public = argc > 3 && std::string(argv[3]) == "public";
  if (objects == 0 || argc > 4 || (argc > 3 && !made_public)) {
    std::fprintf(stderr, "usage: %s [objects [objects of SoftHSM, 0 for none [public]]]\n", argv[0]);
    return 2;
  }
  static const Scratch scratch;
  const Figures vtpm = measure(VTPM_BENCH_MODULE, objects, scratch.path() / "bare.vtpm");
  Figures other;
  if (others > 0) other = measure("/usr/lib/softhsm/libsofthsm2.so", others, "");
  print(vtpm, others > 0 ? &other : nullptr);
  return 0;
}
