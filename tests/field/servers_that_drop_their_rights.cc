// SPDX-License-Identifier: Apache-2.0
// The workers of a server that starts as root (servers_that_drop_their_rights.sh runs this as root): they may not open
// the store that their parent has opened, and can use its keys all the same.
#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "tests/conformance/harness/harness.h"
#include "tests/conformance/harness/process.h"

namespace vtpm::conformance {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kWorker = 12345;
const Bytes kDigest = Bytes(32, 7), kNewPin = bytes("another-pin-99");

void need(bool good, const std::string& what) {
  if (!good) throw std::runtime_error(what);
}
void need_rv(CK_RV expected, CK_RV rv, const std::string& what) {
  need(rv == expected, what + ": " + rv_name(rv) + ", not " + rv_name(expected));
}

/// Becomes another user and clears the environment, as nginx does.
void drop_rights(uid_t user = kWorker) {
  clearenv();
  need(setgroups(0, nullptr) == 0 && setresgid(user, user, user) == 0 && setresuid(user, user, user) == 0, "setuid");
}

std::vector<int> descriptors_of_stores() {
  std::vector<int> found;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (fs::read_symlink(entry, gone).string().find(".vtpm") != std::string::npos)
      found.push_back(std::stoi(entry.path().filename()));
  }
  return found;
}

/// Synchronizes two processes that work in turns.
class Baton {
 public:
  Baton() { need(pipe(ends_) == 0, "pipe"); }
  ~Baton() { close(ends_[0]), close(ends_[1]); }
  void pass() { need(write(ends_[1], "", 1) == 1, "pass"); }
  void wait() {
    char byte;
    need(read(ends_[0], &byte, 1) == 1, "the other process is gone");
  }

 private:
  int ends_[2];
};

class Servers : public WithUser {
 protected:
  Servers() {
    // All users may search the directory, only root may open the store, and all may write the log.
    fs::permissions(scratch.path(), fs::perms(0755));
    std::ofstream(log_).close();
    fs::permissions(log_, fs::perms(0666));
    const std::string configuration = scratch.path() + "/vtpm-pkcs11.toml";
    std::ifstream given(configuration);
    const std::string text{std::istreambuf_iterator<char>(given), {}};
    std::ofstream(configuration) << "log = \"" << log_ << "\"\nlog_level = \"warning\"\n" << text;
    alarm(60);  // the other process may have died
    restart();
  }
  ~Servers() override { alarm(0); }
  /// Initializes the library again with the present configuration.
  void restart() {
    session.close();
    library.restart();
    slot = slot_of("conformance");
    new_session();
    session.login();
    pair = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}, {CKA_TOKEN, true}},
                            {{CKA_TOKEN, true}, {CKA_LABEL, "key"}});
  }
  void new_session() {
    session.~Session();
    new (&session) Session(slot);
  }

  std::string store() const {
    for (const auto& entry : fs::directory_iterator(scratch.store()))
      if (entry.path().extension() == ".vtpm") return entry.path();
    throw std::runtime_error("no store");
  }
  size_t lines_of_log(const std::string& with) const {
    std::ifstream file(log_);
    size_t count = 0;
    for (std::string line; std::getline(file, line);) count += line.find(with) != std::string::npos;
    return count;
  }

  void need_signature(Session& own, CK_OBJECT_HANDLE key, CK_OBJECT_HANDLE public_key) const {
    MUST(own.try_verify(CKM_ECDSA, public_key, kDigest, own.sign(CKM_ECDSA, key, kDigest)));
  }
  /// What libp11 0.4.12 does: C_Initialize, C_OpenSession, and C_Login with the PIN that it remembers.
  void need_service(const Bytes& pin = kUserPin) const {
    MUST(p11->C_Initialize(nullptr));
    need_login_and_signature(pin);
  }
  void need_login_and_signature(const Bytes& pin = kUserPin) const {
    need(slot_of("conformance") == slot, "the slot has another number");
    Session own(slot, Session::kReadOnly);
    need(own.state() == CKS_RO_PUBLIC_SESSION, "the parent's login outlived C_Initialize");
    MUST(own.try_login(CKU_USER, pin));
    need_signature(own, own.find({{CKA_CLASS, CKO_PRIVATE_KEY}, {CKA_LABEL, "key"}}).at(0),
                   own.find({{CKA_CLASS, CKO_PUBLIC_KEY}}).at(0));
  }
  void need_write_protection() const {
    CK_SESSION_HANDLE none;
    need(token_flags(slot) & CKF_WRITE_PROTECTED, "the token does not say that it is write-protected");
    need_rv(CKR_TOKEN_WRITE_PROTECTED,
            p11->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &none), "C_OpenSession");
  }

  const std::string log_ = scratch.path() + "/log";
  KeyPair pair;
};

// --- functions that work ---

TEST_F(Servers, AWorkerGoesOnWithTheSessionsOfItsParent) {
  const auto data = session.create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_PRIVATE, true}, {CKA_VALUE, "x"}});
  const KeyPair rsa = session.generate(CKM_RSA_PKCS_KEY_PAIR_GEN, {{CKA_MODULUS_BITS, 2048}, {CKA_TOKEN, true}},
                                       {{CKA_TOKEN, true}, {CKA_DECRYPT, true}});
  const Bytes encrypted = session.encrypt(CKM_RSA_PKCS, rsa.public_key, bytes("secret"));
  for (const mode_t mode : {mode_t{0700}, mode_t{0755}}) {
    fs::permissions(scratch.store(), fs::perms(mode));
    EXPECT_EQ(
        in_child([&] {
          drop_rights();
          need_signature(session, pair.private_key, pair.public_key);
          need(session.decrypt(CKM_RSA_PKCS, rsa.private_key, encrypted) == bytes("secret"), "decrypt");
          need(session.text(data, CKA_VALUE) == "x", "value");
          need(session.find({{CKA_CLASS, CKO_PRIVATE_KEY}}).size() == 2, "search");
          need_write_protection();
          need_rv(CKR_TOKEN_WRITE_PROTECTED, session.try_create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}}), "create");
          need_rv(CKR_TOKEN_WRITE_PROTECTED, session.try_set(data, {{CKA_LABEL, "new"}}), "set");
          need_rv(CKR_TOKEN_WRITE_PROTECTED, p11->C_DestroyObject(session, data), "destroy");
          need_rv(CKR_TOKEN_WRITE_PROTECTED,
                  session.try_generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}, {CKA_TOKEN, true}},
                                       {{CKA_TOKEN, true}}),
                  "generate");
          const KeyPair own = session.generate_ec(kP256);  // of the session
          need_signature(session, own.private_key, own.public_key);
        }),
        "");
  }
  EXPECT_EQ(lines_of_log("is out of reach of this process"), 2u) << "one line for each worker";
}

TEST_F(Servers, AWorkerInitializesTheLibraryAndLogsIn) {
  const std::vector<CK_SLOT_ID> before = slots();
  for (const mode_t mode : {mode_t{0700}, mode_t{0755}}) {
    fs::permissions(scratch.store(), fs::perms(mode));
    const std::string log_of_worker = "is out of reach of this process";
    const size_t lines = lines_of_log("");
    EXPECT_EQ(in_child([&] {
                drop_rights();
                need_service();
                need_write_protection();
                need_rv(CKR_TOKEN_WRITE_PROTECTED, try_init_token(slot, kSoPin, "another"), "C_InitToken");
                need(slots().at(0) == before.at(0), "other slots");
                // The worker, which is logged in, forks.
                Session own(slot, Session::kReadOnly);
                own.login();
                const std::string inner = in_child([&] { need_service(); });
                need(inner.empty(), "grandchild: " + inner);
                own.close();
                need_login_and_signature();
              }),
              "");
    EXPECT_EQ(lines_of_log(""), lines + 2) << "one line for each process";
    EXPECT_EQ(lines_of_log(log_of_worker) % 2, 0u);
  }
}

TEST_F(Servers, AWorkerThatFinalizesFirstLogsInToo) {  // as pkcs11-helper does
  EXPECT_EQ(in_child([&] {
              drop_rights();
              MUST(p11->C_Finalize(nullptr));
              need_service();
            }),
            "");
}

TEST_F(Servers, AWorkerBelowAnotherRoot) {
  const std::string root = scratch.path() + "/root";
  fs::create_directory(root);
  const auto enter = [&] { need(chroot(root.c_str()) == 0 && chdir("/") == 0, "chroot"); };
  EXPECT_EQ(in_child([&] {
              enter();
              drop_rights();
              need_signature(session, pair.private_key, pair.public_key);
              need_service();
              need_write_protection();
            }),
            "");
  // Another token has the path of the worker's token.
  fs::create_directories(root + scratch.store());
  fs::copy(store(), root + store());
  fs::resize_file(root + store(), 1000);
  EXPECT_EQ(in_child([&] {
              enter();
              drop_rights();
              need_signature(session, pair.private_key, pair.public_key);
            }),
            "");
}

TEST_F(Servers, AConfigurationIsKeptAcrossTheFirstInitializeOnly) {
  EXPECT_EQ(in_child([&] {  // with all rights
              clearenv();
              need_service();
              need(!(token_flags(slot) & CKF_WRITE_PROTECTED), "write-protected");
              Session own(slot);
              own.create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_LABEL, "of the child"}});
              MUST(p11->C_Finalize(nullptr));
              setenv("VTPM_PKCS11_CONF", "/nowhere", 1);
              MUST(p11->C_Initialize(nullptr));
              CK_SLOT_INFO info;
              need(slots().empty() || p11->C_GetSlotInfo(slot, &info) != CKR_OK || !(info.flags & CKF_TOKEN_PRESENT),
                   "the second C_Initialize does not read the configuration");
            }),
            "");
  EXPECT_EQ(session.find({{CKA_LABEL, "of the child"}}).size(), 1u);
}

TEST_F(Servers, AWorkerThatMayOpenTheStoreDoes) {
  fs::permissions(scratch.store(), fs::perms(0755));
  fs::permissions(store(), fs::perms(0644));  // it may read, and not write
  const auto child = [&](bool all_rights) {
    return in_child([&] {
      if (!all_rights) drop_rights();
      const std::vector<int> inherited = descriptors_of_stores();
      need(inherited.size() == 1, std::to_string(inherited.size()) + " descriptors came through the fork");
      need((fcntl(inherited.front(), F_GETFL) & O_ACCMODE) == O_RDONLY, "it is open for writing");
      need_signature(session, pair.private_key, pair.public_key);
      const std::string inner = in_child([&] {  // a change that other processes see
        if (all_rights)
          session.create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_LABEL, "seen"}});
        else
          need_write_protection();
      });
      need(inner.empty(), inner);
      need(session.find({{CKA_LABEL, "seen"}}).size() == (all_rights ? 1 : 0), "no change is seen");
      need_service();
    });
  };
  EXPECT_EQ(child(false), "");
  EXPECT_EQ(child(true), "");
  EXPECT_EQ(lines_of_log("out of reach"), 0u);
}

// --- changes by other processes ---

TEST_F(Servers, AWorkerSeesNoLaterChange) {
  for (const bool at_once : {true, false}) {  // the key is used before the change, or only after it
    Baton ready, changed;
    const pid_t other = fork();
    if (other == 0) {
      const std::string said = in_child([&] {
        drop_rights();
        if (at_once) need_service();
        ready.pass();
        changed.wait();
        if (at_once) {
          need_login_and_signature();
        } else {
          need_service();
        }
        Session own(slot, Session::kReadOnly);
        need(own.find({{CKA_LABEL, "later"}}).empty(), "a later object is seen");
        need_rv(CKR_PIN_INCORRECT, own.try_login(CKU_USER, kNewPin), "the PIN of later");
        own.login();
      });
      if (!said.empty()) fprintf(stderr, "%s\n", said.c_str());
      _exit(said.empty() ? 0 : 1);
    }
    ready.wait();
    // A change of the PIN wipes the old key slots, in place, and compacts the store.
    MUST(p11->C_SetPIN(session, const_cast<CK_BYTE*>(kUserPin.data()), kUserPin.size(),
                       const_cast<CK_BYTE*>(kNewPin.data()), kNewPin.size()));
    const auto later = session.create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_LABEL, "later"}});
    changed.pass();
    int status = -1;
    waitpid(other, &status, 0);
    EXPECT_EQ(status, 0) << at_once;
    MUST(p11->C_DestroyObject(session, later));
    MUST(p11->C_SetPIN(session, const_cast<CK_BYTE*>(kNewPin.data()), kNewPin.size(),
                       const_cast<CK_BYTE*>(kUserPin.data()), kUserPin.size()));
  }
}

TEST_F(Servers, AStoreThatIsSeenDeletedIsGone) {
  for (const bool deleted : {true, false}) {
    fs::permissions(scratch.store(), fs::perms(0755));
    Baton ready, changed;
    const pid_t other = fork();
    if (other == 0) {
      const std::string said = in_child([&] {
        drop_rights();
        need_signature(session, pair.private_key, pair.public_key);
        ready.pass();
        changed.wait();
        need_rv(CKR_DEVICE_REMOVED, session.try_sign(CKM_ECDSA, pair.private_key, kDigest), "after it was seen");
        MUST(p11->C_Initialize(nullptr));
        for (const CK_SLOT_ID id : slots()) {
          CK_TOKEN_INFO info;
          if (p11->C_GetTokenInfo(id, &info) != CKR_OK || !(info.flags & CKF_TOKEN_INITIALIZED)) continue;
          Session own(id, Session::kReadOnly);
          need(own.try_login(CKU_USER, kUserPin) != CKR_OK, "it can be logged in to");
        }
      });
      if (!said.empty()) fprintf(stderr, "%s\n", said.c_str());
      _exit(said.empty() ? 0 : 1);
    }
    ready.wait();
    const std::string path = store();
    if (deleted) {
      fs::rename(path, path + ".away");
    } else {
      session.close();
      MUST(try_init_token(slot, kSoPin, "conformance"));
      fs::permissions(store(), fs::perms(0644));
    }
    changed.pass();
    int status = -1;
    waitpid(other, &status, 0);
    EXPECT_EQ(status, 0) << deleted;
    if (deleted) fs::rename(path + ".away", path);
  }
}

TEST_F(Servers, AStoreWhoseRightsChangeWhileItIsUsed) {
  const auto give_to = [&](uid_t user) {
    for (const std::string& path : {scratch.store(), store()}) need(chown(path.c_str(), user, user) == 0, "chown");
  };
  fs::permissions(scratch.store(), fs::perms(0700));
  Bytes pin = kUserPin, next = kNewPin;
  for (const bool initializes : {false, true}) {
    give_to(kWorker);
    Baton ready, changed;
    const pid_t other = fork();
    if (other == 0) {
      const std::string said = in_child([&] {
        drop_rights();
        if (initializes) {
          MUST(p11->C_Initialize(nullptr));
          new_session();
          MUST(session.try_login(CKU_USER, pin));
          pair = {session.find({{CKA_CLASS, CKO_PUBLIC_KEY}}).at(0),
                  session.find({{CKA_CLASS, CKO_PRIVATE_KEY}}).at(0)};
        }
        const auto mine = session.create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_LABEL, "while it may"}});
        ready.pass();
        changed.wait();  // the rights are gone
        need_signature(session, pair.private_key, pair.public_key);
        if (!initializes) {
          need_rv(CKR_TOKEN_WRITE_PROTECTED, p11->C_DestroyObject(session, mine), "destroy");
          need(token_flags(slot) & CKF_WRITE_PROTECTED, "the token does not say that it is write-protected");
        }
        ready.pass();
        changed.wait();  // the PIN was changed, and the store compacted
        need_signature(session, pair.private_key, pair.public_key);
        need(session.text(mine, CKA_LABEL) == "while it may", "label");
        need_rv(CKR_TOKEN_WRITE_PROTECTED, p11->C_DestroyObject(session, mine), "destroy");
        MUST(p11->C_Logout(session));
        need_rv(CKR_PIN_INCORRECT, session.try_login(CKU_USER, next), "the PIN of later");
        MUST(session.try_login(CKU_USER, pin));
        need_signature(session, session.find({{CKA_CLASS, CKO_PRIVATE_KEY}}).at(0), pair.public_key);
        ready.pass();
        changed.wait();  // and the rights are back
        if (initializes) MUST(p11->C_Finalize(nullptr));
        if (initializes) setenv("VTPM_PKCS11_CONF", (scratch.path() + "/vtpm-pkcs11.toml").c_str(), 1);
        need_service(next);
        Session own(slot);
        own.create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_LABEL, "it may again"}});
      });
      if (!said.empty()) fprintf(stderr, "%s\n", said.c_str());
      _exit(said.empty() ? 0 : 1);
    }
    ready.wait();
    give_to(0);
    changed.pass();
    ready.wait();
    MUST(p11->C_SetPIN(session, pin.data(), pin.size(), next.data(), next.size()));
    changed.pass();
    ready.wait();
    give_to(kWorker);
    changed.pass();
    int status = -1;
    waitpid(other, &status, 0);
    EXPECT_EQ(status, 0) << initializes;
    std::swap(pin, next);
  }
  EXPECT_EQ(session.find({{CKA_LABEL, "it may again"}}).size(), 2u);
}

// --- PINs ---

TEST_F(Servers, WrongPinsAreCountedInTheWorker) {
  EXPECT_EQ(in_child([&] {
              drop_rights();
              MUST(p11->C_Initialize(nullptr));
              Session own(slot, Session::kReadOnly);
              const auto fail = [&](int times) {
                for (int i = 0; i < times; ++i)
                  need_rv(CKR_PIN_INCORRECT, own.try_login(CKU_USER, kNewPin), "wrong PIN " + std::to_string(i));
              };
              fail(9);
              need(token_flags(slot) & CKF_USER_PIN_FINAL_TRY, "no final try");
              own.login();
              need(!(token_flags(slot) & CKF_USER_PIN_COUNT_LOW), "a right PIN does not end the count");
              MUST(p11->C_Logout(own));
              fail(10);
              need_rv(CKR_PIN_LOCKED, own.try_login(CKU_USER, kUserPin), "the right PIN after ten wrong ones");
              need(token_flags(slot) & CKF_USER_PIN_LOCKED, "not locked");
            }),
            "");
  EXPECT_FALSE(token_flags(slot) & (CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_LOCKED)) << "the store was written to";
  EXPECT_EQ(in_child([&] {
              drop_rights();
              need_service();
            }),
            "");
}

TEST_F(Servers, WithoutItsParentsLoginAWorkerDoesNotLogIn) {
  session.logout();
  EXPECT_EQ(in_child([&] {
              drop_rights();
              need_rv(CKR_DEVICE_ERROR, session.try_login(CKU_USER, kUserPin), "C_Login in the parent's session");
              MUST(p11->C_Initialize(nullptr));
              Session own(slot, Session::kReadOnly);
              need(own.find({{CKA_CLASS, CKO_PUBLIC_KEY}}).size() == 1, "public objects");
              for (const Bytes& pin : {kUserPin, kNewPin})
                need_rv(CKR_DEVICE_ERROR, own.try_login(CKU_USER, pin), "C_Login");
              need(!(token_flags(slot) & CKF_USER_PIN_COUNT_LOW), "it was counted");
            }),
            "");
}

// --- descriptors that the application closes or reuses ---

TEST_F(Servers, AWorkerWhoseDescriptorsAreClosedHasNothing) {
  EXPECT_EQ(in_child([&] {
              drop_rights();
              for (const int number : descriptors_of_stores()) close(number);
              need_rv(CKR_DEVICE_REMOVED, session.try_sign(CKM_ECDSA, pair.private_key, kDigest), "at once");
            }),
            "");
  const auto data = session.create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_PRIVATE, true}, {CKA_VALUE, "x"}});
  EXPECT_EQ(in_child([&] {
              drop_rights();
              need_signature(session, pair.private_key, pair.public_key);
              const int theirs = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
              const std::vector<int> ours = descriptors_of_stores();
              need(ours.size() == 1, std::to_string(ours.size()) + " descriptors");
              need(dup2(theirs, ours.front()) == ours.front(), "dup2");
              need_rv(CKR_DEVICE_ERROR, session.try_get(data, CKA_VALUE), "C_GetAttributeValue");
              MUST(p11->C_Logout(session));
              need_rv(CKR_DEVICE_ERROR, session.try_login(CKU_USER, kUserPin), "C_Login");
              MUST(p11->C_Finalize(nullptr));
              need(fcntl(ours.front(), F_GETFD) >= 0, "the application's file was closed");
            }),
            "");
}

TEST_F(Servers, NoLockIsInherited) {
  // An idle worker delays no other process.
  Baton end;
  const pid_t idle = fork();
  if (idle == 0) {
    drop_rights();
    alarm(60);
    end.wait();
    _exit(0);
  }
  for (int i = 0; i < 20; ++i) session.create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_LABEL, "meanwhile"}});
  EXPECT_EQ(session.find({{CKA_LABEL, "meanwhile"}}).size(), 20u);
  end.pass();
  int status = -1;
  waitpid(idle, &status, 0);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace vtpm::conformance
