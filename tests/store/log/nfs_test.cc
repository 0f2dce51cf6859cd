// SPDX-License-Identifier: Apache-2.0
// One store on a server that several hosts use (requirement R1.9).
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>
#include <utility>

#include "tests/store/disk/fake_nfs.h"
#include "tests/store/disk/scratch.h"

namespace vtpm::store {
namespace {

const std::string kPath = "/export/store.vtpm";

class Nfs : public testing::Test {
 protected:
  Nfs() {
    CreateOptions options = cheap_options();
    options.file_system = &one_machine;
    one = make_store(kPath, options);
    put(*one, "obj/first", "1");
    two = open(other_machine);
  }
  static std::unique_ptr<Vault> open(NfsClient& machine) {
    auto vault = Vault::open(kPath, {false, &machine});
    if (vault->unlock(Role::kUser, as_bytes(kUserPin)) != UnlockResult::kUnlocked)
      throw std::runtime_error("not unlocked");
    return vault;
  }
  Bytes& on_server() { return server.paths.at(kPath)->contents; }

  NfsServer server;
  NfsClient one_machine{server}, other_machine{server};
  std::unique_ptr<Vault> one, two;
};

TEST_F(Nfs, R1_9_EveryRefreshLocksAndSeesWhatOtherMachinesWrote) {
  for (int i = 0; i < 20; ++i) {
    put(i % 2 ? *one : *two, "obj/a", std::to_string(i));
    Vault& reader = i % 2 ? *two : *one;
    const uint64_t locks = server.locks;
    EXPECT_TRUE(reader.refresh());
    EXPECT_GT(server.locks, locks);
    EXPECT_EQ(get(reader, "obj/a"), std::to_string(i));
  }
  const uint64_t locks = server.locks;
  EXPECT_FALSE(two->refresh());
  EXPECT_GT(server.locks, locks) << "also if nothing is new, which the cache does not show";
}

TEST_F(Nfs, R1_9_AReaderWaitsForNoTransactionOfItsOwnProcess) {
  one->change([&](Transaction& transaction) {
    transaction.put("obj/a", "p11-object", Protection::kSealed, as_bytes("in it"));
    one->refresh();  // the thread inside
    std::thread([&] {
      one->refresh();
      EXPECT_EQ(get(*one, "obj/a"), "(none)");
    }).join();
  });
  two->refresh();
  EXPECT_EQ(get(*two, "obj/a"), "in it");
}

TEST_F(Nfs, R1_9_AFileThatAnotherMachineReplacedIsOpenedAnew) {
  put(*one, "obj/a", "a");
  one->compact();
  EXPECT_TRUE(two->refresh());
  EXPECT_EQ(get(*two, "obj/a"), "a");
  one->compact();
  EXPECT_EQ(get(*two, "obj/a"), "a") << "reading without a refresh";
  one->compact();
  EXPECT_EQ(two->verify(Role::kUser, as_bytes("wrong")), UnlockResult::kWrongSecret) << "a login";
  put(*one, "obj/b", "b");
  one->compact();
  put(*two, "obj/c", "c");
  one->refresh();
  EXPECT_EQ(get(*one, "obj/c"), "c");
  EXPECT_EQ(get(*two, "obj/b"), "b");
  EXPECT_EQ(get(*Vault::open(kPath, {false, &one_machine}), "obj/none"), "(none)");
}

TEST_F(Nfs, R1_9_ARemovedStoreIsGone) {
  one_machine.remove(kPath);
  EXPECT_EQ(code_thrown_by([&] { two->refresh(); }), ErrorCode::kReplaced);
  EXPECT_EQ(code_thrown_by([&] { two->change(change_nothing); }), ErrorCode::kReplaced);
}

// What a machine that died has left in its server's file, behind an end that looks intact.
TEST_F(Nfs, R1_9_TheFreeAreaIsVerifiedOnEveryForeignChange) {
  put(*two, "obj/two", "2");  // its first append has verified the area
  put(*one, "obj/one", "1");
  on_server().at(on_server().size() - 100) = 0x55;
  put(*two, "obj/three", "3");
  EXPECT_EQ(on_server().at(on_server().size() - 100), 0x00);
  EXPECT_EQ(server.paths.count(kPath + ".quarantine"), 1u);
  one->refresh();
  for (const auto& [name, value] : {std::pair("obj/one", "1"), std::pair("obj/two", "2"), std::pair("obj/three", "3")})
    EXPECT_EQ(get(*one, name), value);
}

/// A machine that is so slow that another one compacts the store each time it has opened it.
class Overtaken : public NfsClient {
 public:
  Overtaken(NfsServer& server, Vault& other) : NfsClient(server), other_(other) {}
  std::unique_ptr<File> open(const std::string& path, bool writable) override {
    auto file = NfsClient::open(path, writable);
    if (writable && times > 0) {  // to look which file is there it opens it too, with the lock of the one that it has
      --times;
      other_.compact();
    }
    return file;
  }
  int times = 0;

 private:
  Vault& other_;
};

TEST_F(Nfs, R1_9_AFileThatIsReplacedAgainAndAgainIsFollowed) {
  Overtaken slow(server, *one);
  slow.times = 3;
  const auto vault = open(slow);
  EXPECT_EQ(slow.times, 0);
  EXPECT_EQ(get(*vault, "obj/first"), "1");
  const std::pair<const char*, std::function<void()>> works[] = {
      {"refresh", [&] { EXPECT_TRUE(vault->refresh()); }},
      {"read", [&] { get(*vault, "obj/first"); }},
      {"commit", [&] { put(*vault, "obj/mine", "mine"); }},
      {"log in", [&] { EXPECT_EQ(vault->unlock(Role::kUser, as_bytes(kUserPin)), UnlockResult::kUnlocked); }},
  };
  for (const auto& [name, work] : works) {
    SCOPED_TRACE(name);
    put(*one, "obj/other", name);
    one->compact();
    slow.times = 3;
    work();
    EXPECT_EQ(slow.times, 0);
    EXPECT_EQ(get(*vault, "obj/other"), name);
  }
  EXPECT_EQ(get(*vault, "obj/mine"), "mine");
}

TEST_F(Nfs, R1_9_MachinesThatCountTogetherLoseNothing) {
  constexpr int kMachines = 3, kRounds = 40;
  std::vector<std::unique_ptr<NfsClient>> machines;
  std::vector<std::thread> threads;
  std::atomic<int> failures{0};
  for (int m = 0; m < kMachines; ++m) {
    machines.push_back(std::make_unique<NfsClient>(server));
    threads.emplace_back([&, m] {
      try {
        auto vault = open(*machines[static_cast<size_t>(m)]);
        for (int i = 0; i < kRounds; ++i) {
          vault->change([&](Transaction& transaction) {
            const std::string now = get(*vault, "obj/count");
            const std::string next = std::to_string((now == "(none)" ? 0 : std::stoi(now)) + 1);
            transaction.put("obj/count", "p11-object", Protection::kSealed, as_bytes(next));
          });
          if (i % 15 == 14) vault->compact();
        }
      } catch (const std::exception& error) {
        ADD_FAILURE() << error.what();
        ++failures;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  two->refresh();
  EXPECT_EQ(get(*two, "obj/count"), std::to_string(kMachines * kRounds));
}

// The real file system: this machine's disk is no server's.
TEST_F(Nfs, R1_9_ALocalDiskNeedsNoLockToBeRead) {
  ScratchDirectory scratch;
  make_store(scratch.file("local.vtpm"));
  EXPECT_FALSE(posix_file_system().open(scratch.file("local.vtpm"), false)->over_network());
}

}  // namespace
}  // namespace vtpm::store
