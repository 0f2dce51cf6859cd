// SPDX-License-Identifier: Apache-2.0
// swtpm's files, as swtpm 0.7.1 wrote them: `swtpm_setup --tpm2 --keyfile` with the key 37…37 (32 bytes, aes-256-cbc),
// and `--pwdfile` with the passphrase "password1" (pbkdf2, aes-cbc). Also foreign states that were damaged.
#include "tpm/use/swtpm_state.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "tests/tpm/errors.h"
#include "tpm/command/commands.h"
#include "tpm/engine/storage_root.h"
#include "tpm/use/foreign_state.h"

namespace vtpm::tpm {
namespace {

Bytes file(const std::string& name) {
  std::ifstream in(std::string(VTPM_TEST_DATA) + "/swtpm/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

const Bytes kKey(32, 0x37);
SecretBytes passphrase_key() { return swtpm_key(as_bytes("password1"), SwtpmKdf::kPbkdf2, 16); }

TEST(SwtpmState, FilesThatSwtpmWroteAreOpened) {
  for (const SecretBytes& state :
       {unwrap_swtpm(file("key256.permall"), kKey), unwrap_swtpm(file("passphrase.permall"), passphrase_key())}) {
    EXPECT_NO_THROW(examine_foreign_state(state));
    bool has_root = true;
    Engine::inspect(state, [&](Commands& tpm) { has_root = find_storage_root(tpm).has_value(); });
    EXPECT_FALSE(has_root);
    const SecretBytes ours = adopt_foreign_state(state, {}, {});
    Engine::inspect(ours, [&](Commands& tpm) { has_root = find_storage_root(tpm).has_value(); });
    EXPECT_TRUE(has_root);
  }
}

TEST(SwtpmState, AWrongKeyAndAMissingKeyAreDifferentErrors) {
  const auto code = [](const char* name, ByteView key) { return code_of([&] { unwrap_swtpm(file(name), key); }); };
  EXPECT_EQ(code("key256.permall", {}), ErrorCode::kLocked);
  EXPECT_EQ(code("key256.permall", Bytes(32, 1)), ErrorCode::kAuthFailed);
  EXPECT_EQ(code("key256.permall", Bytes(16, 0x37)), ErrorCode::kAuthFailed);
  EXPECT_EQ(code("passphrase.permall", swtpm_key(as_bytes("password1"), SwtpmKdf::kSha512, 16)),
            ErrorCode::kAuthFailed);
  const SecretBytes state = unwrap_swtpm(file("key256.permall"), kKey);
  EXPECT_EQ(code_of([&] { unwrap_swtpm(wrap_swtpm(state, {}), kKey); }), ErrorCode::kInvalidArgument);
}

TEST(SwtpmState, EveryChangedByteIsNoticed) {
  const Bytes good = file("key256.permall");
  ASSERT_FALSE(unwrap_swtpm(good, kKey).empty());
  for (size_t at = 0; at < good.size(); ++at) {
    Bytes bad = good;
    bad[at] ^= 0x10;
    if (at == 0) continue;  // the version of the writer, which readers ignore: the least version counts
    EXPECT_ANY_THROW(unwrap_swtpm(bad, kKey)) << at;
  }
  for (size_t size = 0; size < good.size(); size += 7)
    EXPECT_ANY_THROW(unwrap_swtpm(ByteView(good).first(size), kKey)) << size;
}

TEST(SwtpmState, WhatWasWrappedUnwraps) {
  const SecretBytes state = unwrap_swtpm(file("key256.permall"), kKey);
  for (const Bytes& key : {Bytes(), Bytes(16, 3), Bytes(32, 4)})
    EXPECT_TRUE(equal(unwrap_swtpm(wrap_swtpm(state, key), key), state));
  EXPECT_TRUE(equal(unwrap_swtpm(state, {}), state)) << "the bare state, as some versions wrote it";
}

TEST(SwtpmState, AnInvalidHexadecimalKeyNamesThePosition) {
  EXPECT_EQ(swtpm_hex_key(as_bytes("0x000102030405060708090a0b0c0d0e0F\n")).size(), 16u);
  EXPECT_EQ(swtpm_hex_key(as_bytes("000102030405060708090a0b0c0d0e0F"))[15], 15);
  try {
    swtpm_hex_key(as_bytes("0001O2030405060708090a0b0c0d0e0f"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.sentence().find("character 5"), std::string::npos) << error.sentence();
  }
  EXPECT_EQ(code_of([] { swtpm_hex_key(as_bytes("0011")); }), ErrorCode::kInvalidArgument);
}

TEST(SwtpmState, ATpm12IsRejected) {
  const Bytes other(100, 5);
  EXPECT_EQ(code_of([&] { unwrap_swtpm(wrap_swtpm(other, {}), {}); }), ErrorCode::kUnsupported);
}

// VTPM_MUTATIONS=10000 makes it a long test.
TEST(ForeignState, DamagedStatesNeverHarmTheCaller) {
  const SecretBytes state = unwrap_swtpm(file("passphrase.permall"), passphrase_key());
  const char* asked = getenv("VTPM_MUTATIONS");
  const unsigned rounds = asked ? static_cast<unsigned>(atoi(asked)) : 200;
  std::mt19937 random(20240817);
  unsigned refused = 0;
  for (unsigned i = 0; i < rounds; ++i) {
    SecretBytes bad = state.clone();
    for (unsigned changes = 1 + random() % 4; changes > 0; --changes)
      bad[random() % bad.size()] = static_cast<uint8_t>(random());
    try {
      examine_foreign_state(bad);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kCorrupt) << error.sentence();
      ++refused;
    }
  }
  EXPECT_GT(refused, 0u);
  RecordProperty("refused", static_cast<int>(refused));
}

TEST(SwtpmState, ASuspendedMachineIsCarriedUnread) {
  const Bytes blob = {0xDE, 0xAD, 0xBE, 0xEF, 0};
  for (const Bytes& key : {Bytes(), Bytes(16, 1), Bytes(32, 2)}) {
    const Bytes wrapped = wrap_swtpm(blob, key);
    EXPECT_TRUE(equal(unwrap_swtpm_suspended(wrapped, key), blob));
    EXPECT_ANY_THROW(unwrap_swtpm_suspended(wrapped, Bytes(key.size() == 16 ? 32 : 16, 1)));
  }
  EXPECT_ANY_THROW(unwrap_swtpm_suspended(blob, {}));
  EXPECT_ANY_THROW(unwrap_swtpm_suspended({}, {}));
}

TEST(SwtpmDirectoryTest, AVolatileStateNeverStandsBesideAnotherPermanentOne) {
  std::string path = testing::TempDir() + "/vtpm-swtpm-XXXXXX";
  ASSERT_NE(mkdtemp(path.data()), nullptr);
  const SecretBytes first = Engine::manufacture(), second = Engine::manufacture();
  {
    SwtpmDirectory directory(path, SwtpmDirectory::Mode::kWrite);
    directory.write(first, {SecretBytes(Bytes{1, 2}), SecretBytes(Bytes{3})}, {}, false);
    EXPECT_TRUE(directory.suspended());
    const SuspendedState read = directory.suspended_state({});
    EXPECT_TRUE(equal(read.volatile_state.value(), Bytes{1, 2}));
    EXPECT_TRUE(equal(read.save_state.value(), Bytes{3}));
    EXPECT_EQ(code_of([&] { directory.write(second, {}, {}, false); }), ErrorCode::kExists);
    EXPECT_TRUE(directory.suspended()) << "a refusal changes nothing";
    directory.write(second, {}, {}, true);
    EXPECT_FALSE(directory.suspended());
    EXPECT_TRUE(equal(unwrap_swtpm(directory.permanent(), {}), second));
  }
  std::filesystem::remove_all(path);
}

// The next export fails as well, and the machine continues where it was suspended.
TEST(SwtpmDirectoryTest, AProcessThatIsKilledBeforeItReplacesAStateLosesNothingOfIt) {
  std::string path = testing::TempDir() + "/vtpm-swtpm-XXXXXX";
  ASSERT_NE(mkdtemp(path.data()), nullptr);
  const SecretBytes first = Engine::manufacture(), second = Engine::manufacture();
  SwtpmDirectory(path, SwtpmDirectory::Mode::kWrite)
      .write(first, {SecretBytes(Bytes{1, 2}), SecretBytes(Bytes{3})}, {}, false);
  const pid_t child = fork();
  if (child == 0) {
    SwtpmDirectory(path, SwtpmDirectory::Mode::kWrite).write(second, {}, {}, true, [] { _exit(9); });
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 9);
  {
    SwtpmDirectory directory(path, SwtpmDirectory::Mode::kWrite);
    EXPECT_FALSE(directory.suspended()) << "it was put aside";
    const auto fail = [] { throw Error(ErrorCode::kIo, "the store cannot be written"); };
    EXPECT_EQ(code_of([&] { directory.write(second, {}, {}, true, fail); }), ErrorCode::kIo);
    EXPECT_TRUE(equal(unwrap_swtpm(directory.permanent(), {}), first));
    const SuspendedState read = directory.suspended_state({});
    EXPECT_TRUE(equal(read.volatile_state.value(), Bytes{1, 2}));
    EXPECT_TRUE(equal(read.save_state.value(), Bytes{3}));
    directory.write(second, {}, {}, true);
    EXPECT_FALSE(directory.suspended());
  }
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    const std::string name = entry.path().filename();
    EXPECT_FALSE(name.starts_with("TMP2") || name.starts_with("OLD2")) << name;
  }
  std::filesystem::remove_all(path);
}

}  // namespace
}  // namespace vtpm::tpm
