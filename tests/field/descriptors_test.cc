// SPDX-License-Identifier: Apache-2.0
// An application that treats descriptors as daemons do: it closes its standard streams and continues to print, closes
// all descriptors that it does not know (closefrom), or reuses one of them for another file (dup2).
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <thread>

#include "tests/conformance/harness/harness.h"
#include "tests/conformance/harness/process.h"

namespace vtpm::conformance {
namespace {

namespace fs = std::filesystem;

bool is_open(int number) { return fcntl(number, F_GETFD) >= 0; }

std::string contents_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void require(bool holds, const std::string& sentence) {
  if (!holds) throw std::runtime_error(sentence);
}

/// The numbers on which this process has a store open.
std::vector<int> store_descriptors() {
  std::vector<int> found;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (fs::read_symlink(entry.path(), gone).extension() == ".vtpm")
      found.push_back(std::stoi(entry.path().filename()));
  }
  return found;
}

Template data_object(const std::string& label) {
  return {{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_LABEL, label.c_str()}, {CKA_VALUE, "value"}};
}

using Descriptors = WithUser;

// Writes to the three descriptors all the time, as other threads of a daemon do. None of it may reach a file of the
// module.
TEST_F(Descriptors, APrintfOfTheHostNeverReachesTheStore) {
  std::ofstream(scratch.path() + "/vtpm-pkcs11.toml", std::ios::app);
  const std::string settings = contents_of(scratch.path() + "/vtpm-pkcs11.toml");
  std::ofstream(scratch.path() + "/vtpm-pkcs11.toml") << "log = \"stderr\"\nlog_level = \"debug\"\n" << settings;
  EXPECT_EQ(in_child([] {
              for (int number : {0, 1, 2}) close(number);
              std::atomic<bool> done{false};
              std::atomic<int> arrived{0};
              std::thread host([&] {
                while (!done) {
                  for (int number : {0, 1, 2}) arrived += write(number, "printed by the host\n", 20) > 0;
                  std::this_thread::yield();
                }
              });
              std::string wrong;
              try {
                p11->C_Initialize(nullptr);
                Session own(slot_of("conformance"));
                if (own.try_login(CKU_USER, bytes("wrong-pin")) != CKR_PIN_INCORRECT) wrong = "the wrong PIN";
                own.login();
                for (int i = 0; i < 20; ++i) {
                  own.create(data_object("acknowledged " + std::to_string(i)));
                  for (int number : {0, 1, 2}) {
                    if (is_open(number)) wrong = "something of the module is on descriptor " + std::to_string(number);
                  }
                }
                own.generate_ec(kP256);
                own.close();
                p11->C_Finalize(nullptr);
              } catch (const std::exception& error) {
                wrong = error.what();
              }
              done = true;
              host.join();
              require(wrong.empty(), wrong);
              require(arrived == 0, std::to_string(arrived) + " of the host's lines went into a file of the module");
            }),
            "");
  library.restart();
  Session later(slot_of("conformance"));
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(later.find({{CKA_LABEL, ("acknowledged " + std::to_string(i)).c_str()}}).size(), 1u);
}

// Objects from before and after exist, a key in the TPM signs, and the user is still logged in.
void require_service(Session& session, CK_OBJECT_HANDLE key, const std::string& label) {
  session.sign(CKM_ECDSA, key, Bytes(32));
  require(session.find({{CKA_LABEL, "before"}}).size() == 1, "what was there is not found");
  session.create(data_object(label));
  require(session.find({{CKA_LABEL, label.c_str()}}).size() == 1, "what was made is not found");
}

class WithKey : public WithUser {
 protected:
  WithKey() {
    session.create(data_object("before"));
    key = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}, {CKA_TOKEN, true}}, {{CKA_TOKEN, true}})
              .private_key;
  }
  /// The store was not damaged: nothing was quarantined, nothing needs a repair, and all objects exist.
  void expect_sound(std::initializer_list<const char*> labels) {
    for (const auto& entry : fs::directory_iterator(scratch.store())) {
      EXPECT_EQ(entry.path().extension(), ".vtpm") << entry.path();
    }
    library.restart();
    Session later(slot_of("conformance"));
    later.login();
    for (const char* label : labels) EXPECT_EQ(later.find({{CKA_LABEL, label}}).size(), 1u) << label;
  }
  CK_OBJECT_HANDLE key;
};
using LostDescriptors = WithKey;

TEST_F(LostDescriptors, AfterClosefromTheCallsGoOnAndTheApplicationsFilesStayOpen) {
  const std::string path = scratch.path() + "/of the application";
  EXPECT_EQ(in_child([&] {
              p11->C_Initialize(nullptr);  // a daemon's child
              Session own(slot_of("conformance"));
              own.login();
              const auto keys = own.find({{CKA_CLASS, CKO_PRIVATE_KEY}, {CKA_KEY_TYPE, CKK_EC}, {CKA_TOKEN, true}});
              const std::vector<int> ours = store_descriptors();
              require(!ours.empty(), "the store is not open");
              for (const int number : ours) close(number);
              std::vector<int> theirs;
              while (theirs.empty() || theirs.back() < ours.back()) {
                theirs.push_back(open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
              }
              require(write(theirs.front(), "mine", 4) == 4, "write");
              require_service(own, keys.at(0), "after closefrom");
              own.close();
              require(p11->C_Finalize(nullptr) == CKR_OK, "C_Finalize");
              for (const int number : theirs)
                require(is_open(number), "C_Finalize has closed a file of the application");
            }),
            "");
  EXPECT_EQ(contents_of(path), "mine");
  // Closes all descriptors except the standard streams.
  const pid_t child = fork();
  if (child == 0) {
    try {
      closefrom(3);
      require_service(session, key, "after a real closefrom");
      _exit(p11->C_Finalize(nullptr) == CKR_OK ? 0 : 2);
    } catch (...) {
      _exit(1);
    }
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  closefrom(3);
  require_service(session, key, "in the parent");
  expect_sound({"before", "after closefrom", "after a real closefrom", "in the parent"});
}

struct Usurper {
  const char* name;
  std::function<int(const std::string& path)> open;
};

int open_with(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
  return open(path.c_str(), O_RDWR | O_CLOEXEC);
}

const std::vector<Usurper> kUsurpers = {
    {"an empty file", [](const std::string& path) { return open_with(path, ""); }},
    {"text", [](const std::string& path) { return open_with(path, std::string(300000, 't')); }},
    {"zeros", [](const std::string& path) { return open_with(path, std::string(300000, '\0')); }},
    {"an older copy of the store",
     [](const std::string& path) {
       const auto copy = fs::path(path).parent_path() / "older";
       return open_with(path, contents_of(copy));
     }},
    {"a directory", [](const std::string&) { return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC); }},
    {"a pipe",
     [](const std::string&) {
       int ends[2];
       return pipe2(ends, O_CLOEXEC) == 0 ? ends[0] : -1;
     }},
    {"a socket", [](const std::string&) { return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); }},
};

TEST_F(LostDescriptors, AnotherFileOnOurNumberIsNeitherReadNorWritten) {
  fs::copy_file(scratch.store() + "/" + fs::directory_iterator(scratch.store())->path().filename().string(),
                scratch.path() + "/older");
  session.create(data_object("newer than the copy"));
  for (const Usurper& usurper : kUsurpers) {
    SCOPED_TRACE(usurper.name);
    for (const bool writes_first : {false, true}) {
      const std::string path = scratch.path() + "/of the application",
                        label = std::string(usurper.name) + (writes_first ? " w" : " r");
      const int theirs = usurper.open(path);
      ASSERT_GE(theirs, 0);
      struct stat before {};
      fstat(theirs, &before);
      const std::string held = S_ISREG(before.st_mode) ? contents_of(path) : "";
      const std::vector<int> ours = store_descriptors();
      ASSERT_FALSE(ours.empty());
      for (const int number : ours) ASSERT_EQ(dup2(theirs, number), number);
      if (writes_first) session.create(data_object(label + " at once"));
      EXPECT_EQ(session.find({{CKA_LABEL, "newer than the copy"}}).size(), 1u);
      require_service(session, key, label);
      for (const int number : ours) EXPECT_TRUE(is_open(number));
      if (S_ISREG(before.st_mode)) {
        EXPECT_TRUE(contents_of(path) == held) << "the application's file was written to";
      }
      for (const int number : ours) close(number);
      close(theirs);
    }
  }
  expect_sound({"before", "newer than the copy", "text r", "zeros w", "a pipe w", "an older copy of the store r"});
}

// The fork handler closes the module's descriptors that the child has inherited, and no others.
TEST_F(LostDescriptors, AForkLeavesTheApplicationsFilesOpen) {
  const std::vector<int> ours = store_descriptors();
  const int theirs = open_with(scratch.path() + "/of the application", "mine");
  for (const int number : ours) ASSERT_EQ(dup2(theirs, number), number);
  EXPECT_EQ(in_child([&] {
              for (const int number : ours)
                require(is_open(number), "the fork handler has closed a file of the application");
              require_service(session, key, "in the child");
              for (const int number : ours) require(is_open(number), "a call has closed a file of the application");
            }),
            "");
  require_service(session, key, "in the parent");
  for (const int number : ours) EXPECT_TRUE(is_open(number));
  expect_sound({"before", "in the child", "in the parent"});
}

}  // namespace
}  // namespace vtpm::conformance
