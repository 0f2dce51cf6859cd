// SPDX-License-Identifier: Apache-2.0
// The attribute `kdf` of a key slot, which values are rejected, and the kinds of secrets.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "base/der.h"
#include "store/vault/key_slot.h"
#include "store/vault/recovery_phrase.h"
#include "tests/store/disk/scratch.h"

namespace vtpm::store {
namespace {

Bytes kdf_values(std::string_view name, std::vector<uint64_t> numbers, size_t salt) {
  Bytes out;
  write_der(out, DerTag::kIa5String, as_bytes(name));
  for (uint64_t number : numbers) write_der_unsigned(out, number);
  if (salt != 0) write_der(out, DerTag::kOctetString, Bytes(salt));
  return out;
}

bool is_taken(std::string_view name, std::vector<uint64_t> numbers, size_t salt = 32) {
  const Bytes values = kdf_values(name, std::move(numbers), salt);
  try {
    return encode_kdf(read_kdf("keyslot/1", values)) == values;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    return false;
  }
}

TEST(KeySlotKdf, CostsAreBoundedWhenTheyAreRead) {
  EXPECT_TRUE(is_taken("argon2id", {8192, 1, 1}));
  EXPECT_TRUE(is_taken("argon2id", {1 << 20, 64, 16}));
  EXPECT_FALSE(is_taken("argon2id", {8191, 1, 1}));
  EXPECT_FALSE(is_taken("argon2id", {(1 << 20) + 1, 1, 1}));
  EXPECT_FALSE(is_taken("argon2id", {8192, 0, 1}));
  EXPECT_FALSE(is_taken("argon2id", {8192, 65, 1}));
  EXPECT_FALSE(is_taken("argon2id", {8192, 1, 17}));
  EXPECT_FALSE(is_taken("argon2id", {8192, 1}));
  EXPECT_TRUE(is_taken("pbkdf2", {10'000}));
  EXPECT_TRUE(is_taken("pbkdf2", {10'000'000}));
  EXPECT_FALSE(is_taken("pbkdf2", {9'999}));
  EXPECT_FALSE(is_taken("pbkdf2", {10'000'001}));
  EXPECT_FALSE(is_taken("pbkdf2", {uint64_t{1} << 40}));
  EXPECT_FALSE(is_taken("pbkdf2", {10'000}, 31));
  EXPECT_FALSE(is_taken("pbkdf2", {10'000, 1}));
  EXPECT_TRUE(is_taken("raw", {16}, 0));
  EXPECT_TRUE(is_taken("raw", {24}, 0));
  EXPECT_FALSE(is_taken("raw", {17}, 0));
  EXPECT_FALSE(is_taken("raw", {64}, 0));
  EXPECT_FALSE(is_taken("raw", {16}, 32)) << "a raw key has no salt";
  EXPECT_FALSE(is_taken("scrypt", {10'000}));
}

TEST(KeySlotKdf, ASlotOfPbkdf2OpensAndRejectsAWrongSecret) {
  ScratchDirectory scratch;
  const std::string path = scratch.file("store.vtpm");
  CreateOptions options = cheap_options();
  options.kdf = crypto::Pbkdf2Parameters{10'000};
  {
    auto vault = make_store(path, options);
    put(*vault, "obj/a", "sealed");
    EXPECT_EQ(vault->slots()[1].kdf, "pbkdf2, 10000 iterations");
  }
  auto vault = Vault::open(path);
  EXPECT_EQ(vault->unlock(Role::kUser, as_bytes("12345")), UnlockResult::kWrongSecret);
  EXPECT_EQ(vault->unlock(Role::kUser, as_bytes(kUserPin)), UnlockResult::kUnlocked);
  EXPECT_EQ(get(*vault, "obj/a"), "sealed");
  EXPECT_EQ(vault->change_secret(Role::kUser, as_bytes(kUserPin), as_bytes("5678")), UnlockResult::kUnlocked);
  EXPECT_EQ(vault->slots()[1].kdf, "pbkdf2, 10000 iterations") << "a store keeps its cost";
  EXPECT_EQ(vault->verify(Role::kUser, as_bytes(kUserPin)), UnlockResult::kWrongSecret);
  EXPECT_TRUE(outside_tools_read(path));
}

TEST(KeySlotKdf, TheBytesOfAFileAreASecretOfTheirOwnRole) {
  ScratchDirectory scratch;
  const std::string path = scratch.file("store.vtpm");
  Bytes bytes(100'000);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * i >> 3);
  auto vault = make_store(path);
  DesiredState desired;
  desired.role = Role::kKeyfile;
  desired.secret = SecretBytes(bytes);
  vault->amend(desired);
  auto reader = Vault::open(path);
  EXPECT_EQ(reader->unlock(Role::kUser, bytes), UnlockResult::kWrongSecret) << "a file is not typed";
  bytes.back() ^= 1;
  EXPECT_EQ(reader->unlock(Role::kKeyfile, bytes), UnlockResult::kWrongSecret);
  bytes.back() ^= 1;
  EXPECT_EQ(reader->unlock(Role::kKeyfile, bytes), UnlockResult::kUnlocked);
}

// --- recovery phrases ---

using Verdict = PhraseReading::Verdict;

TEST(RecoveryPhrase, IsReadAsItWasGenerated) {
  std::set<std::string> all;
  for (int i = 0; i < 200; ++i) {
    const SecretBytes phrase = generate_recovery_phrase();
    const std::string text(as_text(phrase));
    all.insert(text);
    ASSERT_EQ(text.size(), 35u);
    EXPECT_EQ(text.find_first_not_of("0123456789ABCDEFGHJKMNPQRSTVWXYZ-"), std::string::npos);
    PhraseReading reading = read_recovery_phrase(phrase);
    ASSERT_EQ(reading.verdict, Verdict::kRight) << text;
    EXPECT_EQ(as_text(reading.canonical), text);
  }
  EXPECT_EQ(all.size(), 200u);
}

TEST(RecoveryPhrase, IsReadHoweverItIsTyped) {
  const std::string text(as_text(generate_recovery_phrase()));
  std::string typed = " ";
  for (char c : text) {
    if (c == '-') continue;
    if (c == '0') c = 'o';
    if (c == '1') c = 'l';
    typed += static_cast<char>(std::tolower(c));
    if (typed.size() % 7 == 0) typed += ' ';
  }
  PhraseReading reading = read_recovery_phrase(as_bytes(typed));
  ASSERT_EQ(reading.verdict, Verdict::kRight) << typed;
  EXPECT_EQ(as_text(reading.canonical), text);
}

TEST(RecoveryPhrase, EveryTypoIsFoundAndASingleOneLocated) {
  const std::string_view alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  const std::string text(as_text(generate_recovery_phrase()));
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '-') continue;
    for (char wrong : alphabet) {
      if (wrong == text[at]) continue;
      std::string typed = text;
      typed[at] = wrong;
      PhraseReading reading = read_recovery_phrase(as_bytes(typed));
      ASSERT_EQ(reading.verdict, Verdict::kMistyped);
      ASSERT_EQ(reading.group, at / 6 + 1) << typed;
    }
    for (size_t other = at + 1; other < text.size(); ++other) {
      std::string swapped = text;
      std::swap(swapped[at], swapped[other]);
      if (text[other] == '-' || swapped == text) continue;
      ASSERT_EQ(read_recovery_phrase(as_bytes(swapped)).verdict, Verdict::kMistyped);
    }
  }
}

TEST(RecoveryPhrase, AnythingElseIsTakenByteForByte) {
  for (std::string_view text :
       {"", "phrase", "1234", "00000-00000-00000-00000-00000-0000", "UUUUU-00000-00000-00000-00000-00000"}) {
    EXPECT_EQ(read_recovery_phrase(as_bytes(text)).verdict, Verdict::kNotAPhrase) << text;
    EXPECT_EQ(as_text(recovery_secret(as_bytes(text))), text);
  }
}

TEST(RecoveryPhrase, LogsTheUserInHoweverItIsTyped) {
  ScratchDirectory scratch;
  const std::string path = scratch.file("store.vtpm");
  auto vault = make_store(path);
  const SecretBytes phrase = generate_recovery_phrase();
  DesiredState desired;
  desired.role = Role::kRecovery;
  desired.secret = phrase.clone();
  vault->amend(desired);
  std::string typed(as_text(phrase));
  for (char& c : typed) c = c == '-' ? ' ' : static_cast<char>(std::tolower(c));
  EXPECT_EQ(Vault::open(path)->unlock(Role::kUser, as_bytes(typed)), UnlockResult::kUnlocked);
  // The slot that logged in is the one that changes; its new phrase may be typed in any way as well.
  const SecretBytes second = generate_recovery_phrase();
  std::string lower(as_text(second));
  for (char& c : lower) c = static_cast<char>(std::tolower(c));
  EXPECT_EQ(vault->change_secret(Role::kUser, as_bytes(typed), as_bytes(lower)), UnlockResult::kUnlocked);
  EXPECT_EQ(Vault::open(path)->unlock(Role::kUser, second), UnlockResult::kUnlocked);
  EXPECT_EQ(Vault::open(path)->unlock(Role::kUser, phrase), UnlockResult::kWrongSecret);
  EXPECT_EQ(Vault::open(path)->unlock(Role::kUser, as_bytes(kUserPin)), UnlockResult::kUnlocked);
}

TEST(KeySlotKdf, SlotsOfUnexpectedCostAreTriedLast) {
  const crypto::Argon2Parameters usual, twice{128 * 1024, 3, 1}, passes{64 * 1024, 13, 1}, memory{129 * 1024, 1, 1};
  EXPECT_EQ(unexpected({usual, twice, crypto::Pbkdf2Parameters{}}, usual), std::vector<bool>(3, false));
  EXPECT_EQ(unexpected({passes, usual, memory, crypto::Pbkdf2Parameters{10'000'000}}, usual),
            (std::vector<bool>{true, false, true, true}));
  EXPECT_EQ(unexpected({passes}, passes), std::vector<bool>{false}) << "the configuration makes it";
  // Many of them: the cheapest first, of the same cost the first.
  const std::vector<bool> many = unexpected(std::vector<KdfCost>(32, usual), usual);
  EXPECT_EQ(std::count(many.begin(), many.end(), false), 8);
  EXPECT_TRUE(std::is_sorted(many.begin(), many.end()));
  std::vector<KdfCost> planted(31, twice);
  planted.push_back(usual);
  EXPECT_FALSE(unexpected(planted, usual).back());
}

}  // namespace
}  // namespace vtpm::store
