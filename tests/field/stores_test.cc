// SPDX-License-Identifier: Apache-2.0
// The contents of a store directory: copies beside the store, renamed stores, links, tokens of another host, and
// unreadable files.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "tests/conformance/harness/harness.h"
#include "tests/conformance/harness/process.h"

namespace vtpm::conformance {
namespace {

namespace fs = std::filesystem;

template <size_t N>
std::string text(const unsigned char (&field)[N]) {
  std::string all(reinterpret_cast<const char*>(field), N);
  return all.erase(all.find_last_not_of(' ') + 1);
}

std::string bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_bytes(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

/// Whether the free slot has no token. The description of a slot says if its store cannot be read.
bool is_free_without_token(CK_SLOT_ID slot) {
  CK_SLOT_INFO info{};
  MUST(p11->C_GetSlotInfo(slot, &info));
  return !(info.flags & CKF_TOKEN_PRESENT) && text(info.slotDescription) == "vtpm-pkcs11 slot " + std::to_string(slot);
}

/// The labels of the tokens, each with its slot, as a new process sees them.
std::string listing() {
  std::string lines;
  for (const CK_SLOT_ID slot : slots()) {
    CK_TOKEN_INFO info{};
    const CK_RV rv = p11->C_GetTokenInfo(slot, &info);
    const bool is_free = rv == CKR_OK ? !(info.flags & CKF_TOKEN_INITIALIZED) : is_free_without_token(slot);
    const std::string what = is_free ? "free" : rv != CKR_OK ? rv_name(rv) : "token " + text(info.label);
    lines += std::to_string(slot) + ": " + what + "\n";
  }
  return lines;
}

const RegisterAct kListing("listing", [](const std::vector<std::string>&) {
  Library library;
  printf("%s", listing().c_str());
});

// guess LABEL PIN: prints the return value of C_Login.
const RegisterAct kGuess("guess", [](const std::vector<std::string>& arguments) {
  Library library;
  Session session(slot_of(arguments.at(0)));
  printf("%s", rv_name(session.try_login(CKU_USER, bytes(arguments.at(1)))).c_str());
});

std::string listing_of_a_stranger() {
  const Ran ran = run_act({"listing"});
  return ran.status == 0 ? ran.output : "failed: " + ran.output;
}
std::string guess_of_a_stranger(const std::string& label, const std::string& pin) {
  return run_act({"guess", label, pin}).output;
}

const std::string kUserPinText(kUserPin.begin(), kUserPin.end());

class Stores : public Fresh {
 protected:
  /// Makes a token, and returns its file.
  fs::path make(const std::string& label) {
    return scratch.store() + "/" + text(token_info(make_token(label)).serialNumber) + ".vtpm";
  }
  fs::path in_store(const std::string& name) const { return scratch.store() + "/" + name; }
  void look_again() { slots(); }
};

using Copies = Stores;
using SlotNumbers = Stores;
using Links = Stores;
using Unreadable = Stores;

// --- a copy beside the store ---

TEST_F(Copies, ABackupBesideTheStoreIsNeitherServedNorWritten) {
  const fs::path store = make("mail");
  const fs::path backup = in_store("backup.vtpm");
  fs::copy_file(store, backup);
  const std::string then = bytes_of(backup);
  for (const auto shift : {std::chrono::hours(-24), std::chrono::hours(24)}) {  // whichever of them has the older times
    fs::last_write_time(backup, fs::last_write_time(store) + shift);
    library.restart();
    EXPECT_EQ(listing(), "0: token mail\n1: free\n");
    Session session(slot_of("mail"));
    session.login();
    session.create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_LABEL, "kept"}});
  }
  Session session(slot_of("mail"));
  session.login();
  EXPECT_EQ(session.find({{CKA_LABEL, "kept"}}).size(), 2u);
  Bytes old_pin = kUserPin, new_pin = bytes("another-pin");
  MUST(p11->C_SetPIN(session, old_pin.data(), old_pin.size(), new_pin.data(), new_pin.size()));
  EXPECT_EQ(guess_of_a_stranger("mail", kUserPinText), "CKR_PIN_INCORRECT") << "the old PIN opens the copy";
  EXPECT_EQ(guess_of_a_stranger("mail", "another-pin"), "CKR_OK");
  EXPECT_EQ(bytes_of(backup), then);
}

TEST_F(Copies, FourCopiesGiveNoMoreGuesses) {
  const fs::path store = make("mail");
  for (const char* name : {"a.vtpm", "b.vtpm", "zz.vtpm", "0000000000000000.vtpm"})
    fs::copy_file(store, in_store(name));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(guess_of_a_stranger("mail", "wrong" + std::to_string(i)), "CKR_PIN_INCORRECT");
  EXPECT_EQ(guess_of_a_stranger("mail", kUserPinText), "CKR_PIN_LOCKED");
}

TEST_F(Copies, ATokenThatIsTruncatedDoesNotBringItsBackupToLife) {
  const fs::path store = make("mail");
  fs::copy_file(store, in_store("backup.vtpm"));
  const std::string whole = bytes_of(store);
  for (const size_t left : {whole.size() - 4096, whole.size() / 2, size_t{40}, size_t{0}}) {
    write_bytes(store, whole.substr(0, left));
    EXPECT_EQ(listing_of_a_stranger(), "0: CKR_TOKEN_NOT_RECOGNIZED\n1: free\n") << left;
  }
  fs::remove(store);
  fs::create_directory(store);
  EXPECT_EQ(listing_of_a_stranger(), "0: CKR_TOKEN_NOT_RECOGNIZED\n1: free\n") << "a directory";
  fs::remove(store);
  fs::create_symlink("nowhere", store);
  EXPECT_EQ(listing_of_a_stranger(), "0: CKR_TOKEN_NOT_RECOGNIZED\n1: free\n") << "a link to nothing";
  fs::remove(store);
  EXPECT_EQ(listing_of_a_stranger(), "0: token mail\n1: free\n") << "now the user has said so";
}

TEST_F(Copies, ARunningProcessStaysWithTheTokenWhenACopyAppears) {
  const fs::path store = make("mail");
  Session session(slot_of("mail"));
  session.login();
  fs::copy_file(store, in_store("aaa.vtpm"));
  look_again();
  session.create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_LABEL, "kept"}});
  EXPECT_EQ(session.find({{CKA_LABEL, "kept"}}).size(), 1u);
  EXPECT_EQ(listing(), "0: token mail\n1: free\n");
}

TEST_F(Copies, ARenamedStoreIsServedAsLongAsNoOtherFileHasItsSerial) {
  const fs::path store = make("mail");
  const fs::path renamed = in_store("mail of last year.vtpm"), second = in_store("mail.vtpm");
  fs::rename(store, renamed);
  EXPECT_EQ(listing_of_a_stranger(), "0: token mail\n1: free\n");
  fs::copy_file(renamed, second);
  const std::string none = "0: CKR_TOKEN_NOT_RECOGNIZED\n1: CKR_TOKEN_NOT_RECOGNIZED\n2: free\n";
  EXPECT_EQ(listing_of_a_stranger(), none) << "of two without the right name";
  look_again();
  EXPECT_EQ(listing(), none);
  fs::copy_file(renamed, store);
  EXPECT_EQ(listing_of_a_stranger(), "0: token mail\n1: free\n") << "the named one";
  EXPECT_EQ(listing(), "0: token mail\n1: free\n");
  fs::remove(store);
  fs::remove(second);
  EXPECT_EQ(listing_of_a_stranger(), "0: token mail\n1: free\n");
}

TEST_F(Copies, AFileWithAnotherSerialAsItsNameHoldsThatPlace) {
  const fs::path mail = make("mail"), web = make("web");
  fs::copy_file(mail, in_store("aside.copy"));
  fs::remove(mail);
  fs::copy_file(web, mail);  // restored under the wrong name: the file of `mail` contains `web`
  fs::rename(in_store("aside.copy"), in_store("mail.vtpm"));
  EXPECT_EQ(listing_of_a_stranger(), "0: free\n1: token web\n") << "neither is mail";
}

TEST_F(Copies, ACompactedTokenIsServedBesideItsBackup) {
  const fs::path store = make("mail");
  fs::copy_file(store, in_store("backup.vtpm"));
  Session session(slot_of("mail"));
  session.login();
  const Bytes large(20000, 'x');
  for (int i = 0; i < 30; ++i) {  // the store grows and is compacted
    const auto object = session.create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_VALUE, large}});
    look_again();
    MUST(p11->C_DestroyObject(session, object));
  }
  EXPECT_EQ(session.state(), CKS_RW_USER_FUNCTIONS) << "the token was taken for another one";
  EXPECT_EQ(listing(), "0: token mail\n1: free\n");
}

// --- slot numbers ---

/// Two tokens with the same slot number, each of which was made while the other was absent.
class TwoOfOneNumber : public Stores {
 protected:
  TwoOfOneNumber() {
    older = make("older");
    fs::rename(older, scratch.path() + "/elsewhere");
    look_again();
    // Headers count in seconds.
    const auto second = [] { return time(nullptr); };
    for (const auto began = second(); second() == began;) usleep(10000);
    younger = make("younger");
    fs::rename(scratch.path() + "/elsewhere", older);
    look_again();
    const std::string serial = younger.stem();
    other_number = 0x10000 + std::stoul(serial.substr(0, 6), nullptr, 16);
    both = "0: token older\n1: free\n" + std::to_string(other_number) + ": token younger\n";
  }
  fs::path older, younger;
  CK_SLOT_ID other_number = 0;
  std::string both;
};

TEST_F(TwoOfOneNumber, TheOlderKeepsItAndTheOtherHasOneOfItsSerial) {
  const std::string first = bytes_of(older), second = bytes_of(younger);
  EXPECT_EQ(listing(), both);
  fs::last_write_time(older, fs::last_write_time(older) + std::chrono::hours(24));
  EXPECT_EQ(listing_of_a_stranger(), both);
  EXPECT_EQ(bytes_of(older), first);
  EXPECT_EQ(bytes_of(younger), second);
  Session one(0), two(other_number);
  one.login();
  two.login();
  one.create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_LABEL, "of the older"}});
  EXPECT_TRUE(two.find({{CKA_LABEL, "of the older"}}).empty());
  EXPECT_EQ(listing(), both);
}

TEST_F(TwoOfOneNumber, BothKeepTheirSlotsWhenTheyAInitializedAnew) {
  MUST(try_init_token(0, kSoPin, "older"));
  EXPECT_EQ(listing(), both);
  EXPECT_EQ(listing_of_a_stranger(), both);
  MUST(try_init_token(other_number, kSoPin, "younger"));
  EXPECT_EQ(listing(), both);
  EXPECT_EQ(listing_of_a_stranger(), both);
  fs::remove(older);
  EXPECT_EQ(listing(), "0: free\n" + std::to_string(other_number) + ": token younger\n") << "it was given that number";
}

// --- links, as Kubernetes mounts secrets ---

class Mounted : public Stores {
 protected:
  Mounted() {
    const fs::path made = make("mail");
    name = made.filename();
    fs::create_directory(in_store("..2026_01"));
    fs::rename(made, in_store("..2026_01") / name);
    fs::create_symlink("..2026_01", in_store("..data"));
    fs::create_symlink("..data/" + name, in_store(name));
    look_again();
  }
  std::string name;
};

TEST_F(Mounted, IsServedReadOnlyAndNeverWrittenThrough) {
  EXPECT_EQ(listing(), "0: token mail\n1: free\n");
  EXPECT_EQ(listing_of_a_stranger(), "0: token mail\n1: free\n");
  const fs::path target = in_store("..2026_01") / name;
  const std::string then = bytes_of(target);
  EXPECT_TRUE(token_flags(0) & CKF_WRITE_PROTECTED);
  CK_SESSION_HANDLE handle = 0;
  EXPECT_RV(CKR_TOKEN_WRITE_PROTECTED,
            p11->C_OpenSession(0, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &handle));
  {
    Session session(0, Session::kReadOnly);
    session.login();
  }
  EXPECT_RV(CKR_TOKEN_WRITE_PROTECTED, try_init_token(0, kSoPin, "mine"));
  EXPECT_EQ(bytes_of(target), then);
  EXPECT_TRUE(fs::is_symlink(in_store(name)));
}

TEST_F(Mounted, TheNextVersionIsSeenWhenTheSlotsAreListed) {
  MUST(p11->C_Finalize(nullptr));
  const std::string other = scratch.path() + "/other";
  setenv("VTPM_PKCS11_STORE", other.c_str(), 1);
  library.initialize();
  make_token("web");
  MUST(p11->C_Finalize(nullptr));
  unsetenv("VTPM_PKCS11_STORE");
  library.initialize();
  EXPECT_EQ(listing(), "0: token mail\n1: free\n");
  fs::create_directory(in_store("..2026_02"));
  fs::rename(*fs::directory_iterator(other), in_store("..2026_02") / name);
  fs::create_symlink("..2026_02", in_store("..data_tmp"));
  fs::rename(in_store("..data_tmp"), in_store("..data"));
  EXPECT_EQ(listing(), "0: token web\n1: free\n");
  fs::remove_all(in_store("..2026_01"));
  EXPECT_EQ(listing(), "0: token web\n1: free\n");
}

// --- files that cannot be read ---

TEST_F(Unreadable, ADirectoryIsOneSlotWithoutATokenAndNeverAFreeOne) {
  MUST(p11->C_Finalize(nullptr));
  const auto expect_none = [&](const std::string& what) {
    SCOPED_TRACE(what);
    library.initialize();
    CK_ULONG count = 7;
    EXPECT_RV(CKR_OK, p11->C_GetSlotList(CK_TRUE, nullptr, &count));
    EXPECT_EQ(count, 0u);
    ASSERT_EQ(slots().size(), 1u);
    const CK_SLOT_ID slot = slots()[0];
    CK_SLOT_INFO info{};
    EXPECT_RV(CKR_OK, p11->C_GetSlotInfo(slot, &info));
    EXPECT_FALSE(info.flags & CKF_TOKEN_PRESENT);
    EXPECT_EQ(text(info.slotDescription).find("cannot read /"), 0u) << text(info.slotDescription);
    CK_TOKEN_INFO token{};
    EXPECT_RV(CKR_TOKEN_NOT_PRESENT, p11->C_GetTokenInfo(slot, &token));
    CK_SESSION_HANDLE session = 0;
    EXPECT_RV(CKR_TOKEN_NOT_PRESENT, p11->C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &session));
    EXPECT_RV(CKR_TOKEN_NOT_PRESENT, try_init_token(slot, kSoPin, "mine"));
    MUST(p11->C_Finalize(nullptr));
  };
  write_bytes(scratch.store(), "a file");
  expect_none("a file");
  fs::remove(scratch.store());
  fs::create_symlink("store", scratch.store());
  expect_none("a link to itself");
  fs::remove(scratch.store());
  library.initialize();
  EXPECT_EQ(listing(), "0: free\n");
}

TEST_F(Unreadable, ADirectoryThatBecomesSoLeavesWhatIsOpen) {
  make("mail");
  Session session(0);
  session.login();
  const std::string aside = scratch.path() + "/aside";
  fs::rename(scratch.store(), aside);
  fs::create_symlink("store", scratch.store());
  EXPECT_EQ(slots().size(), 2u);
  EXPECT_RV(CKR_TOKEN_NOT_PRESENT, try_init_token(1, kSoPin, "mine"));
  fs::remove(scratch.store());
  fs::rename(aside, scratch.store());
  EXPECT_EQ(listing(), "0: token mail\n1: free\n");
  EXPECT_EQ(session.state(), CKS_RW_USER_FUNCTIONS);
}

TEST_F(Unreadable, AStoreKeepsItsSlotAndIsNotToBeInitialized) {
  const fs::path store = make("mail");
  write_bytes(store, "no store at all");
  library.restart();
  EXPECT_EQ(listing(), "0: CKR_TOKEN_NOT_RECOGNIZED\n1: free\n");
  CK_SLOT_INFO info{};
  EXPECT_RV(CKR_OK, p11->C_GetSlotInfo(0, &info));
  EXPECT_NE(text(info.slotDescription).find("cannot use"), std::string::npos) << text(info.slotDescription);
  CK_SESSION_HANDLE session = 0;
  EXPECT_RV(CKR_TOKEN_NOT_RECOGNIZED, p11->C_OpenSession(0, CKF_SERIAL_SESSION, nullptr, nullptr, &session));
  EXPECT_RV(CKR_TOKEN_NOT_RECOGNIZED, try_init_token(0, kSoPin, "mine"));
  EXPECT_EQ(bytes_of(store), "no store at all");
}

}  // namespace
}  // namespace vtpm::conformance
