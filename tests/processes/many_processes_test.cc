// SPDX-License-Identifier: Apache-2.0
// Eight processes on one token: NV areas, key pairs and signatures at the same time. Nothing may be lost, no call may
// fail, and everything that a process has announced must exist for all others. Any of the processes may be killed at
// any moment.
#include <unistd.h>

#include <iostream>
#include <memory>
#include <random>
#include <stdexcept>

#include "tests/conformance/harness/harness.h"
#include "tests/conformance/harness/process.h"
#include "tests/processes/board.h"

namespace vtpm::conformance {
namespace {

// A process defines another NV area after this number of rounds; the TPM can hold some hundreds.
constexpr uint32_t kAreaEvery = 8;

std::string name_of(const char* what, int tenant, uint32_t round) {
  return std::string(what) + " " + std::to_string(tenant) + "." + std::to_string(round);
}
const Template kSharedCounter = {
    {CKA_CLASS, CKO_HW_FEATURE}, {CKA_HW_FEATURE_TYPE, CKH_MONOTONIC_COUNTER}, {CKA_LABEL, "counted by all"}};
uint64_t number_of(const Bytes& bytes) {
  uint64_t value = 0;
  for (const uint8_t byte : bytes) value = value << 8 | byte;
  return value;
}
Template by_label(const std::string& label) { return {{CKA_LABEL, label.c_str()}}; }

void demand(bool condition, const std::string& sentence) {
  if (!condition) throw std::runtime_error(sentence);
}

/// One of the processes.
class Tenant {
 public:
  Tenant(Board& board, int number) : board_(board), number_(number) { session_.login(); }

  void work(uint32_t rounds) {
    const CK_OBJECT_HANDLE counter = own_counter();
    for (uint32_t round = board_.done(number_); round < rounds; ++round) {
      const KeyPair pair = make_keys(round);
      demand(sign(pair.private_key, pair.public_key), "a signature of our own key is wrong");
      if (round % kAreaEvery == 0) make_area(round);
      count(counter, round);
      count_together();
      board_.done(number_) = round + 1;
      for (int other = 0; other < kTenants; ++other) look_at(other);
    }
  }

 private:
  /// Makes an area, unless this process has made it before it was killed and restarted.
  CK_OBJECT_HANDLE area(const std::string& label, CK_ULONG index) {
    const auto known = session_.find(by_label(label));
    if (!known.empty()) return known.front();
    return session_.create({{CKA_CLASS, CKO_DATA},
                            {CKA_TOKEN, true},
                            {CKA_PRIVATE, true},
                            {kVtpmNvIndex, index},
                            {CKA_LABEL, label.c_str()},
                            {CKA_VALUE, label.c_str()}});
  }
  CK_OBJECT_HANDLE own_counter() {
    return area(name_of("counter", number_, 0), 0x01800FFF + static_cast<CK_ULONG>(number_) * 0x1000);
  }
  void make_area(uint32_t round) {
    area(name_of("area", number_, round), 0x01800000 + static_cast<CK_ULONG>(number_) * 0x1000 + round / kAreaEvery);
  }
  void count(CK_OBJECT_HANDLE counter, uint32_t round) {
    const std::string before = session_.text(counter, CKA_VALUE), now = std::to_string(round);
    // The earlier process may have been killed between the write and its announcement.
    const bool fits = round == 0 || before == std::to_string(round - 1) || before == now;
    demand(fits, "the counter of tenant " + std::to_string(number_) + " holds " + before + " before round " + now);
    MUST(session_.try_set(counter, {{CKA_VALUE, now.c_str()}}));
    demand(session_.text(counter, CKA_VALUE) == now, "the counter has lost a write");
  }
  /// Each read of the value increments the counter (4.3.4), also if other processes increment it at the same time.
  void count_together() {
    const uint64_t now = number_of(session_.get(session_.find(kSharedCounter).at(0), CKA_VALUE));
    demand(now > counted_, "the shared counter fell from " + std::to_string(counted_) + " to " + std::to_string(now));
    counted_ = now;
  }
  KeyPair make_keys(uint32_t round) {
    const std::string label = name_of("key", number_, round);
    return session_.generate(CKM_EC_KEY_PAIR_GEN,
                             {{CKA_EC_PARAMS, kP256}, {CKA_TOKEN, true}, {CKA_LABEL, label.c_str()}},
                             {{CKA_TOKEN, true}, {CKA_LABEL, label.c_str()}});
  }
  bool sign(CK_OBJECT_HANDLE private_key, CK_OBJECT_HANDLE public_key) {
    const Bytes digest(32, static_cast<uint8_t>(number_));
    return session_.try_verify(CKM_ECDSA, public_key, digest, session_.sign(CKM_ECDSA, private_key, digest)) == CKR_OK;
  }
  /// An object that another process has announced exists and can be used.
  void look_at(int other) {
    const uint32_t done = board_.done(other);
    if (done == 0) return;
    const std::string key = name_of("key", other, done - 1);
    const auto private_keys = session_.find(by_label(key).with({{CKA_CLASS, CKO_PRIVATE_KEY}}));
    const auto public_keys = session_.find(by_label(key).with({{CKA_CLASS, CKO_PUBLIC_KEY}}));
    demand(!private_keys.empty() && private_keys.size() == public_keys.size(), key + " is not there");
    // Found in the order in which they were made, so the halves of a pair meet.
    demand(sign(private_keys.front(), public_keys.front()), key + " does not sign");
    const std::string last = name_of("area", other, (done - 1) / kAreaEvery * kAreaEvery);
    const auto areas = session_.find(by_label(last));
    demand(areas.size() == 1, last + " is not there");
    demand(session_.text(areas.front(), CKA_VALUE) == last, last + " holds something else");
  }

  Board& board_;
  const int number_;
  uint64_t counted_ = 0;
  Session session_{slot_of("conformance")};
};

const RegisterAct kTenant("tenant", [](const std::vector<std::string>& arguments) {
  Library library;
  Board board(arguments.at(0));
  Tenant(board, std::stoi(arguments.at(1))).work(static_cast<uint32_t>(std::stoul(arguments.at(2))));
});

class ManyProcesses : public WithUser {
 protected:
  std::unique_ptr<Stranger> start(int tenant, uint32_t rounds) {
    return std::make_unique<Stranger>(
        std::vector<std::string>{"tenant", board_path_, std::to_string(tenant), std::to_string(rounds)}, 3000);
  }
  /// This process, which has made nothing, finds everything that was announced.
  void expect_nothing_lost() {
    for (int tenant = 0; tenant < kTenants; ++tenant) {
      const uint32_t done = board_.done(tenant);
      for (uint32_t round = 0; round < done; ++round) {
        const std::string key = name_of("key", tenant, round);
        const size_t halves = session.find(by_label(key).with({{CKA_CLASS, CKO_PRIVATE_KEY}})).size();
        EXPECT_GE(halves, 1u) << key;
        EXPECT_EQ(session.find(by_label(key).with({{CKA_CLASS, CKO_PUBLIC_KEY}})).size(), halves) << key;
        if (round % kAreaEvery != 0) continue;
        const std::string area = name_of("area", tenant, round);
        const auto areas = session.find(by_label(area));
        ASSERT_EQ(areas.size(), 1u) << area;
        EXPECT_EQ(session.text(areas.front(), CKA_VALUE), area);
      }
      if (done == 0) continue;
      const auto counters = session.find(by_label(name_of("counter", tenant, 0)));
      ASSERT_EQ(counters.size(), 1u);
      EXPECT_GE(std::stoul(session.text(counters.front(), CKA_VALUE)), done - 1);
    }
  }

  /// Killing processes that do nothing would prove nothing.
  void await_rounds(uint32_t least) {
    for (int tries = 0; tries < 60'000; ++tries, usleep(1000)) {
      uint32_t done = 0;
      for (int tenant = 0; tenant < kTenants; ++tenant) done += board_.done(tenant);
      if (done > least) return;
    }
    throw std::runtime_error("no process does anything");
  }

  uint64_t shared_count() { return number_of(session.get(shared_, kVtpmNvValue)); }

  const CK_OBJECT_HANDLE shared_ = session.create(kSharedCounter.with({{kVtpmNvIndex, 0x01900000UL}}));
  const uint64_t counted_before_ = number_of(session.get(shared_, CKA_VALUE));
  const std::string board_path_ = scratch.path() + "/board";
  Board board_{board_path_};
};

TEST_F(ManyProcesses, LoseNothingAndSeeEachOther) {
  const uint32_t rounds = long_form() ? 200 : kSanitized ? 4 : 12;
  std::vector<std::unique_ptr<Stranger>> tenants;
  for (int tenant = 0; tenant < kTenants; ++tenant) tenants.push_back(start(tenant, rounds));
  for (int tenant = 0; tenant < kTenants; ++tenant) {
    const Ran& ran = tenants[static_cast<size_t>(tenant)]->wait();
    EXPECT_EQ(ran.status, 0) << tenant;
    EXPECT_EQ(ran.output, "") << tenant;
    EXPECT_EQ(board_.done(tenant), rounds);
  }
  expect_nothing_lost();
  EXPECT_EQ(shared_count() - counted_before_, uint64_t{kTenants} * rounds) << "the counter that all share";
  std::cout << kTenants << " processes, " << rounds << " rounds each: " << kTenants * rounds << " key pairs, "
            << kTenants * ((rounds - 1) / kAreaEvery + 2) << " NV areas, " << kTenants * rounds << " NV writes, "
            << kTenants * rounds << " counts of one counter, " << kTenants * rounds * (kTenants + 1)
            << " signatures; none lost, none failed\n";
}

TEST_F(ManyProcesses, AnyOfThemMayBeKilledAtAnyMoment) {
  const int kills = long_form() ? 500 : kSanitized ? 10 : 30;
  const char* given = std::getenv("VTPM_TEST_SEED");
  const unsigned seed = given ? static_cast<unsigned>(std::stoul(given)) : std::random_device()();
  SCOPED_TRACE("VTPM_TEST_SEED=" + std::to_string(seed));
  std::minstd_rand random(seed);
  constexpr uint32_t kForEver = 100000;
  std::vector<std::unique_ptr<Stranger>> tenants;
  for (int tenant = 0; tenant < kTenants; ++tenant) tenants.push_back(start(tenant, kForEver));
  for (int kill = 0; kill < kills; ++kill) {
    await_rounds(static_cast<uint32_t>(kill));
    usleep(static_cast<useconds_t>(random() % 100'000));
    const int victim = static_cast<int>(random() % kTenants);
    auto& tenant = tenants[static_cast<size_t>(victim)];
    tenant->kill();
    // The process was working until it was killed: it printed no error and did not end by itself.
    ASSERT_EQ(tenant->wait().status, -1) << tenant->wait().output;
    ASSERT_EQ(tenant->wait().output, "");
    tenant = start(victim, kForEver);
  }
  uint32_t done = 0;
  for (int tenant = 0; tenant < kTenants; ++tenant) {
    tenants[static_cast<size_t>(tenant)]->kill();
    EXPECT_EQ(tenants[static_cast<size_t>(tenant)]->wait().output, "");
    done += board_.done(tenant);
  }
  expect_nothing_lost();
  EXPECT_GE(shared_count() - counted_before_, done) << "what was announced was counted";
  // No lock of a killed process is left, and the TPM's state is complete.
  alarm(60);
  const auto counter = session.find(by_label(name_of("counter", 0, 0)));
  ASSERT_EQ(counter.size(), 1u);
  MUST(session.try_set(counter.front(), {{CKA_VALUE, "afterwards"}}));
  EXPECT_EQ(session.text(counter.front(), CKA_VALUE), "afterwards");
  alarm(0);
  std::cout << kills << " kills among " << kTenants << " processes: " << done << " rounds announced, none lost\n";
}

}  // namespace
}  // namespace vtpm::conformance
