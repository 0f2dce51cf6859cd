// SPDX-License-Identifier: Apache-2.0
// Forks of a process whose threads sign all the time. Every child must be able to continue at once, with sessions,
// login and keys, and must never repeat random numbers of its parent or a sibling. No child may keep a lock when its
// parent dies.
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <deque>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <mutex>
#include <set>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "tests/conformance/harness/harness.h"
#include "tests/conformance/harness/process.h"
#include "tests/processes/board.h"

namespace vtpm::conformance {
namespace {

/// A forked process that writes lines and ends.
class Child {
 public:
  explicit Child(const std::function<std::vector<std::string>()>& work) {
    int ends[2];
    if (pipe(ends) != 0) throw std::runtime_error("pipe");
    child_ = fork();
    if (child_ < 0) throw std::runtime_error("fork");
    if (child_ == 0) {
      alarm(60);  // a child that hangs is killed, and the test fails
      std::string said;
      try {
        for (const std::string& line : work()) said += line + "\n";
      } catch (const std::exception& error) {
        said = std::string("failed: ") + error.what() + "\n";
      }
      _exit(write(ends[1], said.data(), said.size()) == static_cast<ssize_t>(said.size()) ? 0 : 1);
    }
    close(ends[1]);
    output_ = ends[0];
  }
  Child(Child&& other) noexcept : child_(other.child_), output_(std::exchange(other.output_, -1)) {}
  Child& operator=(Child&&) = delete;
  ~Child() {
    if (output_ >= 0) finish();
  }

  /// The output of the child, and the signal if one has ended it.
  std::vector<std::string> finish() {
    std::vector<std::string> lines;
    std::string all;
    char buffer[4096];
    for (ssize_t got; (got = read(output_, buffer, sizeof buffer)) > 0;) all.append(buffer, static_cast<size_t>(got));
    close(std::exchange(output_, -1));
    int status = 0;
    waitpid(child_, &status, 0);
    for (size_t at = 0, end; (end = all.find('\n', at)) != std::string::npos; at = end + 1)
      lines.push_back(all.substr(at, end - at));
    if (status != 0) lines.push_back("failed: wait status " + std::to_string(status));
    return lines;
  }

 private:
  pid_t child_;
  int output_;
};

/// All random values of all processes. A signature is represented by its r: the same r twice means that a nonce was
/// used twice, which reveals the key.
class Drawn {
 public:
  void add(const std::string& what) {
    const std::lock_guard lock(mutex_);
    if (what.compare(0, 7, "failed:") == 0) {
      ADD_FAILURE() << what;
    } else if (!all_.insert(what).second) {
      ADD_FAILURE() << "drawn twice: " << what;
    }
  }
  size_t size() const { return all_.size(); }

 private:
  std::mutex mutex_;
  std::set<std::string> all_;
};

std::string r_of(const Bytes& signature) { return "r " + to_hex({signature.begin(), signature.begin() + 32}); }

class Forks : public WithUser {
 protected:
  KeyPair pair =
      session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}, {CKA_TOKEN, true}}, {{CKA_TOKEN, true}});
  const Bytes digest = Bytes(32, 7);

  std::string nonce(Session& own, CK_OBJECT_HANDLE key) { return r_of(own.sign(CKM_ECDSA, key, digest)); }
  std::string random_bytes(Session& own) {
    Bytes random(16);
    MUST(p11->C_GenerateRandom(own, random.data(), random.size()));
    return "random " + to_hex(random);
  }
  std::string fresh_key(Session& own) {
    return "key " +
           to_hex(own.get(own.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}}, {}).public_key, CKA_EC_POINT));
  }
  /// Draws one value of each kind, in the session that was inherited by the fork.
  std::vector<std::string> draw_all() {
    const Bytes signature = session.sign(CKM_ECDSA, pair.private_key, digest);
    MUST(session.try_verify(CKM_ECDSA, pair.public_key, digest, signature));
    return {r_of(signature), random_bytes(session), fresh_key(session)};
  }
  /// The same after C_Initialize: nothing of the parent is left, and the child logs in itself.
  std::vector<std::string> draw_afresh() {
    const CK_SESSION_HANDLE inherited = session;
    MUST(p11->C_Initialize(nullptr));
    CK_SESSION_INFO info;
    if (p11->C_GetSessionInfo(inherited, &info) != CKR_SESSION_HANDLE_INVALID)
      throw std::runtime_error("the parent's session outlived C_Initialize");
    Session own(slot_of("conformance"));
    if (own.state() != CKS_RW_PUBLIC_SESSION) throw std::runtime_error("the parent's login outlived C_Initialize");
    own.login();
    const auto keys = own.find({{CKA_CLASS, CKO_PRIVATE_KEY}});
    std::vector<std::string> drawn = {nonce(own, keys.at(0)), random_bytes(own), fresh_key(own)};
    own.close();
    MUST(p11->C_Finalize(nullptr));
    return drawn;
  }
};

TEST_F(Forks, ChildrenOfASigningProcessGoOnAndRepeatNothing) {
  const int forks = long_form() ? 2000 : 300;
  Drawn drawn;
  std::atomic<bool> stop = false;
  std::atomic<int> signatures = 0;
  std::vector<std::thread> signers;
  for (int i = 0; i < 3; ++i)
    signers.emplace_back([&] {
      try {
        Session own(slot);
        while (!stop) {
          drawn.add(nonce(own, pair.private_key));
          ++signatures;
        }
      } catch (const std::exception& error) {
        ADD_FAILURE() << error.what();
      }
    });
  std::deque<Child> children;
  const auto finish_one = [&] {
    for (const std::string& what : children.front().finish()) drawn.add(what);
    children.pop_front();
  };
  for (int i = 0; i < forks; ++i) {
    children.emplace_back([&]() -> std::vector<std::string> {
      if (i % 16 == 3) return draw_afresh();
      std::vector<std::string> all = draw_all();
      if (i % 16 != 5) return all;
      for (const std::string& what : Child([&] { return draw_all(); }).finish()) all.push_back(what);
      for (const std::string& what : draw_all()) all.push_back(what);
      return all;
    });
    if (i % 5 == 0) {
      for (const std::string& what : draw_all()) drawn.add(what);
    }
    if (children.size() == 4) finish_one();
  }
  while (!children.empty()) finish_one();
  stop = true;
  for (std::thread& signer : signers) signer.join();
  EXPECT_GT(signatures, forks) << "the threads did not sign meanwhile";
  EXPECT_GE(drawn.size(), static_cast<size_t>(forks) * 3);
  std::cout << forks << " forks beside three threads that made " << signatures << " signatures: " << drawn.size()
            << " nonces, random numbers and keys, none twice; no child hung\n";
}

// Calls write their lines after they have left the module.
TEST_F(Forks, AChildLogsThoughOthersDid) {
  const std::string log = scratch.path() + "/log";
  std::ofstream(scratch.path() + "/vtpm-pkcs11.toml")
      << "store_dir = \"" << scratch.store() << "\"\nlog = \"" << log << "\"\nlog_level = \"debug\"\n";
  session.close();
  library.restart();
  const CK_SLOT_ID here = slot_of("conformance");
  std::atomic<bool> stop = false;
  std::vector<std::thread> talkers;
  for (int i = 0; i < 3; ++i) {
    talkers.emplace_back([&] {
      CK_SESSION_INFO info;
      while (!stop) p11->C_GetSessionInfo(0, &info);
    });
  }
  for (int i = 0; i < 100 && !HasFailure(); ++i) {
    EXPECT_EQ(in_child([&] {
                CK_TOKEN_INFO info;
                MUST(p11->C_GetTokenInfo(here, &info));
              }),
              "");
  }
  stop = true;
  for (std::thread& talker : talkers) talker.join();
  EXPECT_GT(std::filesystem::file_size(log), 10000u);
}

// A process that is number 1 of its PID namespace forks a child that is number 1 of another: OpenSSL, which detects a
// fork by the process id, does not detect this one. Prints `not allowed` if the kernel does not permit the namespaces.
const RegisterAct kSamePid("fork-with-same-pid", [](const std::vector<std::string>&) {
  if (unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0) {
    printf("not allowed\n");
    return;
  }
  Child first([]() -> std::vector<std::string> {
    Library library;
    Session session(slot_of("conformance"));
    session.login();
    const auto key = session.find({{CKA_CLASS, CKO_PRIVATE_KEY}}).at(0);
    const auto draw = [&]() -> std::vector<std::string> {
      if (getpid() != 1) throw std::runtime_error("the process ids differ");
      const std::string nonce = r_of(session.sign(CKM_ECDSA, key, Bytes(32, 7)));
      Bytes random(16);
      MUST(p11->C_GenerateRandom(session, random.data(), random.size()));
      return {nonce, "random " + to_hex(random)};
    };
    const auto draw_after_child = [&](const std::function<std::vector<std::string>()>& of_child) {
      if (unshare(CLONE_NEWPID) != 0) throw std::runtime_error("unshare");
      std::vector<std::string> all = Child(of_child).finish();
      for (const std::string& what : draw()) all.push_back(what);
      return all;
    };
    std::vector<std::string> all = draw();
    // The child and the grandchild both start with the random generators of the first process.
    for (const std::string& what : draw_after_child([&] { return draw_after_child(draw); })) all.push_back(what);
    return all;
  });
  for (const std::string& what : first.finish()) printf("%s\n", what.c_str());
});

TEST_F(Forks, AChildWithItsParentsProcessIdRepeatsNothing) {
  const Ran ran = run_act({"fork-with-same-pid"});
  EXPECT_EQ(ran.status, 0);
  if (ran.output == "not allowed\n") return;  // without namespaces no two processes have the same id
  Drawn drawn;
  std::istringstream lines(ran.output);
  for (std::string line; std::getline(lines, line);) drawn.add(line);
  EXPECT_EQ(drawn.size(), 8u) << ran.output;
}

// The parent changes NV areas in two threads, so that it holds the store's lock nearly always; it forks a child that
// then does nothing at all, and is killed. The parent's locks must be released, although the child has inherited its
// descriptors.
const RegisterAct kDie("die-in-a-change", [](const std::vector<std::string>& arguments) {
  Library library;
  const CK_SLOT_ID slot = slot_of("conformance");
  Session session(slot);
  session.login();
  auto areas = session.find({{CKA_APPLICATION, "tpm-nv"}});
  while (areas.size() < 2)
    areas.push_back(session.create({{CKA_CLASS, CKO_DATA},
                                    {CKA_TOKEN, true},
                                    {CKA_PRIVATE, true},
                                    {CKA_APPLICATION, "tpm-nv"},
                                    {CKA_VALUE, "0"}}));
  std::vector<std::thread> writers;
  for (const CK_OBJECT_HANDLE area : areas)
    writers.emplace_back([slot, area] {
      Session own(slot);
      for (int value = 0;; ++value) MUST(own.try_set(area, {{CKA_VALUE, std::to_string(value % 10).c_str()}}));
    });
  usleep(3000);
  const pid_t idle = fork();
  if (idle == 0) {
    alarm(60);
    close(STDOUT_FILENO), close(STDERR_FILENO);
    for (;;) pause();
  }
  std::ofstream(arguments.at(0)) << idle;
  usleep(static_cast<useconds_t>(std::stoul(arguments.at(1))));
  kill(getpid(), SIGKILL);
});

TEST_F(Forks, AnIdleChildHoldsNoLockOfItsDeadParent) {
  const int deaths = long_form() ? 200 : 10;
  for (int i = 0; i < deaths; ++i) {
    const std::string note = scratch.path() + "/idle";
    const Ran ran = run_act({"die-in-a-change", note, std::to_string(i * 137 % 5000)});
    ASSERT_EQ(ran.status, -1) << ran.output;
    pid_t idle = 0;
    std::ifstream(note) >> idle;
    ASSERT_GT(idle, 1);
    ASSERT_EQ(kill(idle, 0), 0) << "the idle child is gone, so nothing is shown";
    alarm(30);  // the alarm ends this program if a lock is never released
    session.create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_LABEL, "after it"}});
    alarm(0);
    kill(idle, SIGKILL);
  }
  EXPECT_EQ(session.find({{CKA_LABEL, "after it"}}).size(), static_cast<size_t>(deaths));
}

}  // namespace
}  // namespace vtpm::conformance
