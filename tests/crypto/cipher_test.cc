// SPDX-License-Identifier: Apache-2.0
#include "crypto/symmetric/cipher.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "crypto/library/openssl.h"
#include "crypto/symmetric/xchacha.h"
#include "tests/crypto/vectors.h"

namespace vtpm::crypto {
namespace {

CipherMode mode_of(const Case& c) {
  static const std::map<std::string, CipherMode> kModes = {
      {"ecb", CipherMode::kEcb},       {"cbc", CipherMode::kCbc},   {"cbc-pad", CipherMode::kCbcPad},
      {"ctr", CipherMode::kCtr},       {"cts", CipherMode::kCts},   {"ofb", CipherMode::kOfb},
      {"cfb1", CipherMode::kCfb1},     {"cfb8", CipherMode::kCfb8}, {"cfb64", CipherMode::kCfb64},
      {"cfb128", CipherMode::kCfb128}, {"xts", CipherMode::kXts},   {"chacha20", CipherMode::kChaCha20},
  };
  return kModes.at(c.text("mode"));
}

BlockCipher block_cipher_of(const Case& c) {
  static const std::map<std::string, BlockCipher> kCiphers = {{"camellia", BlockCipher::kCamellia},
                                                              {"aria", BlockCipher::kAria}};
  return c.has("algorithm") ? kCiphers.at(c.text("algorithm")) : BlockCipher::kAes;
}

struct Message {
  explicit Message(const Case& c, Direction way)
      : direction(way),
        mode(mode_of(c)),
        iv(c.bytes("iv")),
        key(c.bytes("key")),
        in(c.bytes(way == Direction::kEncrypt ? "plain" : "cipher")),
        out(c.bytes(way == Direction::kEncrypt ? "cipher" : "plain")),
        bits(c.has("bits") ? c.number("bits") : 128),
        block_cipher(block_cipher_of(c)) {}
  Cipher start() const { return Cipher({mode, iv, bits, block_cipher}, key, direction); }

  Direction direction;
  CipherMode mode;
  Bytes iv, key, in, out;
  unsigned bits;
  BlockCipher block_cipher;
};

void for_each_message(const std::function<void(const Message&)>& check) {
  for (const char* file : {"cipher.txt", "block_cipher.txt"}) {
    for_each_case(file, [&](const Case& c) {
      check(Message(c, Direction::kEncrypt));
      check(Message(c, Direction::kDecrypt));
    });
  }
  EXPECT_EQ(ERR_peek_error(), 0u);
}

Bytes updated(Cipher& cipher, ByteView in) {
  Bytes out(cipher.update_bytes(in.size()));
  CipherResult result = cipher.update(in, out);
  EXPECT_EQ(result.status, CipherStatus::kDone);
  EXPECT_EQ(result.bytes, out.size());
  return out;
}

Bytes finished(Cipher& cipher) {
  Bytes out(cipher.finish_bytes());
  CipherResult result = cipher.finish(out);
  EXPECT_EQ(result.status, CipherStatus::kDone);
  EXPECT_EQ(result.bytes, out.size()) << "what was foretold";
  return out;
}

Bytes run(Cipher cipher, ByteView in) {
  Bytes out = updated(cipher, in);
  append(out, finished(cipher));
  return out;
}

TEST(Cipher, GoesOnFromItsSavedState) {
  for_each_message([](const Message& m) {
    for (size_t at = 0; at <= m.in.size(); at = at < 70 ? at + 1 : at * 2) {
      Cipher first = m.start(), second = m.start();
      Bytes out = updated(first, ByteView(m.in).first(at));
      second.load(first.save());
      append(out, run(second, ByteView(m.in).subspan(at)));
      ASSERT_EQ(to_hex(out), to_hex(m.out)) << at;
    }
  });
}

TEST(Cipher, RejectsBytesThatCannotBeASavedState) {
  for_each_message([](const Message& m) {
    Cipher cipher = m.start();
    updated(cipher, ByteView(m.in).first(std::min<size_t>(m.in.size(), 5)));
    const SecretBytes good = cipher.save();
    for (size_t size = 0; size < 9; ++size) {
      ASSERT_EQ(error_of([&] { cipher.load(good.view().first(size)); }), ErrorCode::kInvalidArgument) << size;
    }
    SecretBytes other = good.clone();
    other[8] ^= 0xff;  // the size of the engine's part
    ASSERT_EQ(error_of([&] { cipher.load(other); }), ErrorCode::kInvalidArgument);
    if (m.mode == CipherMode::kXts) return;  // holds everything
    other = good.clone();
    other.resize(other.size() + 40);
    ASSERT_EQ(error_of([&] { cipher.load(other); }), ErrorCode::kInvalidArgument);
  });
}

// As with MACs (mac_test.cc), a foreign state gives another text or is rejected.
TEST(Cipher, ADamagedStateDoesNoHarm) {
  size_t taken = 0, refused = 0;
  for_each_message([&](const Message& m) {
    Cipher running = m.start();
    updated(running, ByteView(m.in).first(std::min<size_t>(m.in.size(), 21)));
    const SecretBytes good = running.save();
    for (size_t at = 0; at < good.size(); ++at) {
      SecretBytes damaged = good.clone();
      damaged[at] ^= static_cast<uint8_t>(0x80 >> at % 8);
      Cipher cipher = m.start();
      try {
        cipher.load(damaged);
        Bytes out(cipher.update_bytes(m.in.size()));
        if (cipher.update(m.in, out).status != CipherStatus::kDone) continue;
        out.resize(cipher.finish_bytes());
        cipher.finish(out);
        ++taken;
      } catch (const Error& error) {
        ASSERT_EQ(error.code(), ErrorCode::kInvalidArgument);
        ++refused;
      }
    }
  });
  EXPECT_GT(taken, 100u);
  EXPECT_GT(refused, 100u);
}

TEST(Cipher, ASavedCounterHasNoMoreRoomThanItsBeginning) {
  const Bytes key(16, 1), iv(16, 0);  // a counter of one bit: two blocks
  const auto start = [&] { return Cipher({CipherMode::kCtr, iv, 1}, key, Direction::kEncrypt); };
  Cipher first = start(), second = start();
  updated(first, Bytes(20));
  second.load(first.save());
  Bytes out(32);
  EXPECT_EQ(second.update(Bytes(13), out).status, CipherStatus::kLength);
  EXPECT_EQ(second.update(Bytes(12), out).status, CipherStatus::kDone);
}

TEST(Cipher, MatchesThePublishedVectors) {
  for_each_message([](const Message& m) { EXPECT_EQ(to_hex(run(m.start(), m.in)), to_hex(m.out)); });
}

// Pieces of n, of n - 1, … bytes and again, for several n, with empty ones between them. Before each piece two clones
// are made: one processes the rest of the message in one piece, the other one processes other data.
TEST(Cipher, WorksInPiecesOfOddSizesAndInCopies) {
  for_each_message([](const Message& m) {
    for (size_t most : {1u, 2u, 5u, 15u, 16u, 17u, 33u}) {
      Cipher cipher = m.start();
      Bytes out;
      ByteView rest = m.in;
      for (size_t size = most; !rest.empty(); size = size == 1 ? most : size - 1) {
        Cipher clone = cipher, astray = cipher;
        cipher = Cipher(clone);  // the state that was copied from is gone
        updated(astray, Bytes(size, 0x5a));
        Bytes whole = out;
        append(whole, run(std::move(clone), rest));
        ASSERT_EQ(to_hex(whole), to_hex(m.out));
        ByteView piece = rest.first(std::min(size, rest.size()));
        rest = rest.subspan(piece.size());
        append(out, updated(cipher, piece));
        append(out, updated(cipher, {}));
      }
      append(out, finished(cipher));
      ASSERT_EQ(to_hex(out), to_hex(m.out)) << most;
    }
  });
}

// The output begins where the input does, or a few bytes before or behind it.
TEST(Cipher, WorksInPlace) {
  for_each_message([](const Message& m) {
    constexpr size_t kMargin = 64;
    for (size_t first : {size_t{0}, size_t{3}, size_t{16}, size_t{19}}) {
      for (ptrdiff_t offset : {0, -1, 1, 16, -16, 40}) {
        Cipher cipher = m.start();
        ByteView head = ByteView(m.in).first(std::min(first, m.in.size())), tail = ByteView(m.in).subspan(head.size());
        Bytes out = updated(cipher, head);
        Bytes memory(kMargin + tail.size() + kMargin + 48);
        std::copy(tail.begin(), tail.end(), memory.begin() + kMargin);
        size_t bytes = cipher.update_bytes(tail.size());
        MutableByteView there = MutableByteView(memory).subspan(static_cast<size_t>(kMargin + offset), bytes);
        ASSERT_EQ(cipher.update(ByteView(memory).subspan(kMargin, tail.size()), there).status, CipherStatus::kDone);
        append(out, there);
        append(out, finished(cipher));
        ASSERT_EQ(to_hex(out), to_hex(m.out)) << first << " " << offset;
      }
    }
  });
}

TEST(Cipher, SizeQueriesChangeNothing) {
  for_each_message([](const Message& m) {
    Cipher cipher = m.start();
    Bytes out;
    for (uint8_t byte : m.in) {
      for (size_t ask : {0u, 1u, 16u, 1000u}) cipher.update_bytes(ask);
      cipher.finish_bytes();
      append(out, updated(cipher, {&byte, 1}));
    }
    EXPECT_EQ(cipher.finish_bytes(), cipher.finish_bytes());
    append(out, finished(cipher));
    ASSERT_EQ(to_hex(out), to_hex(m.out));
  });
}

TEST(Cipher, ABufferThatIsTooSmallIsRejectedAndChangesNothing) {
  for_each_message([](const Message& m) {
    Cipher cipher = m.start();
    size_t bytes = cipher.update_bytes(m.in.size());
    if (bytes == 0) return;
    Bytes small(bytes - 1);
    EXPECT_EQ(error_of([&] { cipher.update(m.in, small); }), ErrorCode::kInvalidArgument);
    EXPECT_EQ(to_hex(run(std::move(cipher), m.in)), to_hex(m.out));
  });
}

Cipher aes(CipherMode mode, Direction direction, unsigned bits = 128, const Bytes& iv = Bytes(16, 1)) {
  return Cipher({mode, mode == CipherMode::kEcb ? ByteView() : ByteView(iv), bits},
                from_hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"), direction);
}

CipherStatus status_after(Cipher cipher, size_t bytes) {
  updated(cipher, Bytes(bytes));
  Bytes out(64 + bytes);
  return cipher.finish(out).status;
}

TEST(Cipher, RejectsLengthsThatTheModeDoesNotSupport) {
  for (Direction direction : {Direction::kEncrypt, Direction::kDecrypt}) {
    for (size_t bytes : {1u, 15u, 17u, 33u}) {
      EXPECT_EQ(status_after(aes(CipherMode::kEcb, direction), bytes), CipherStatus::kLength);
      EXPECT_EQ(status_after(aes(CipherMode::kCbc, direction), bytes), CipherStatus::kLength);
    }
    for (size_t bytes : {0u, 1u, 15u}) {
      EXPECT_EQ(status_after(aes(CipherMode::kCts, direction), bytes), CipherStatus::kLength);
      EXPECT_EQ(status_after(aes(CipherMode::kXts, direction), bytes), CipherStatus::kLength);
    }
    EXPECT_EQ(status_after(aes(CipherMode::kEcb, direction), 0), CipherStatus::kDone);
    EXPECT_EQ(status_after(aes(CipherMode::kOfb, direction), 0), CipherStatus::kDone);
  }
  for (size_t bytes : {0u, 1u, 15u, 17u, 31u}) {
    EXPECT_EQ(status_after(aes(CipherMode::kCbcPad, Direction::kDecrypt), bytes), CipherStatus::kLength);
  }
}

TEST(Cipher, AnXtsDataUnitHasAtMostAMillionBlocks) {
  Cipher cipher = aes(CipherMode::kXts, Direction::kEncrypt);
  updated(cipher, Bytes(16 << 20));
  Bytes more(1);
  EXPECT_EQ(cipher.update(more, more).status, CipherStatus::kLength);
  Bytes out(cipher.finish_bytes());
  EXPECT_EQ(cipher.finish(out).bytes, size_t{16} << 20);
}

// The test chooses the last plain block: each wrong padding is rejected, each right one is removed.
TEST(Cipher, PaddingIsChecked) {
  for (unsigned count = 0; count <= 18; ++count) {
    for (unsigned changed = 0; changed <= 16; ++changed) {  // 16: none
      Bytes block(16, static_cast<uint8_t>(count));
      if (changed < 16) block[changed] ^= 0x40;
      Bytes sealed = run(aes(CipherMode::kCbc, Direction::kEncrypt), block);
      Cipher cipher = aes(CipherMode::kCbcPad, Direction::kDecrypt);
      EXPECT_TRUE(updated(cipher, sealed).empty());
      bool good = count >= 1 && count <= 16 && (changed == 16 || changed + count < 16);
      Bytes out(cipher.finish_bytes());
      EXPECT_EQ(out.size(), good ? 16 - count : 16);
      CipherResult result = cipher.finish(out);
      EXPECT_EQ(result.status, good ? CipherStatus::kDone : CipherStatus::kPadding) << count << " " << changed;
      EXPECT_EQ(result.bytes, good ? 16 - count : 0);
    }
  }
}

// PKCS #11, CK_AES_CTR_PARAMS: with two counter bits that begin at 1, three blocks can be processed.
TEST(Cipher, ACounterDoesNotBeginAgain) {
  auto blocks = [](unsigned bits, const char* counter_block) -> uint64_t {
    for (uint64_t most = 0; most < 300; ++most) {
      Cipher cipher = aes(CipherMode::kCtr, Direction::kEncrypt, bits, from_hex(counter_block));
      Bytes data(16 * most + 1);
      if (cipher.update(data, data).status == CipherStatus::kLength) {
        updated(cipher, Bytes(16 * most));  // the refusal changed nothing
        EXPECT_EQ(cipher.update({data.data(), 1}, data).status, CipherStatus::kLength);
        return most;
      }
    }
    return UINT64_MAX;
  };
  EXPECT_EQ(blocks(2, "00000000000000000000000000000001"), 3u);
  EXPECT_EQ(blocks(2, "fffffffffffffffffffffffffffffffc"), 4u);
  EXPECT_EQ(blocks(1, "00000000000000000000000000000001"), 1u);
  EXPECT_EQ(blocks(1, "00000000000000000000000000000000"), 2u);
  EXPECT_EQ(blocks(8, "000000000000000000000000000000f0"), 16u);
  EXPECT_EQ(blocks(9, "00000000000000000000000000000100"), 256u);
  EXPECT_EQ(blocks(32, "0000000000000000000000fffffffffe"), 2u);
  EXPECT_EQ(blocks(64, "0000000000000000ffffffffffffffff"), 1u);
  EXPECT_EQ(blocks(65, "0000000000000000ffffffffffffffff"), UINT64_MAX);
  EXPECT_EQ(blocks(128, "fffffffffffffffffffffffffffffffd"), 3u);
  EXPECT_EQ(blocks(128, "00000000000000000000000000000000"), UINT64_MAX);
}

TEST(Cipher, AChaChaCounterDoesNotBeginAgain) {
  Bytes iv = from_hex("feffffff000000000000000000000000"), data(129);
  Cipher narrow({CipherMode::kChaCha20, iv, 32}, Bytes(32, 7), Direction::kEncrypt);
  EXPECT_EQ(narrow.update(data, data).status, CipherStatus::kLength);
  EXPECT_EQ(narrow.update(ByteView(data).first(128), data).status, CipherStatus::kDone);
  EXPECT_EQ(narrow.update({data.data(), 1}, data).status, CipherStatus::kLength);
  Cipher wide({CipherMode::kChaCha20, iv, 64}, Bytes(32, 7), Direction::kEncrypt);
  EXPECT_EQ(wide.update(data, data).status, CipherStatus::kDone);
}

TEST(Cipher, RejectsInvalidParameters) {
  auto refused = [](CipherMode mode, size_t key, size_t iv, unsigned bits = 32) {
    Bytes bytes(key), vector(iv);
    for (size_t i = 0; i < key; ++i) bytes[i] = static_cast<uint8_t>(i);
    return error_of([&] { Cipher({mode, vector, bits}, bytes, Direction::kEncrypt); }) == ErrorCode::kInvalidArgument;
  };
  for (size_t key : {0u, 15u, 17u, 33u, 64u}) {
    EXPECT_TRUE(refused(CipherMode::kCbc, key, 16));
    EXPECT_TRUE(refused(CipherMode::kCfb64, key, 16));
  }
  EXPECT_TRUE(refused(CipherMode::kEcb, 16, 16));
  EXPECT_TRUE(refused(CipherMode::kCbc, 16, 15));
  EXPECT_TRUE(refused(CipherMode::kCfb64, 16, 8));
  EXPECT_TRUE(refused(CipherMode::kXts, 48, 16));
  EXPECT_TRUE(refused(CipherMode::kXts, 16, 16));
  EXPECT_TRUE(refused(CipherMode::kCtr, 16, 16, 0));
  EXPECT_TRUE(refused(CipherMode::kCtr, 16, 16, 129));
  EXPECT_TRUE(refused(CipherMode::kChaCha20, 16, 16));
  EXPECT_TRUE(refused(CipherMode::kChaCha20, 32, 12));
  EXPECT_TRUE(refused(CipherMode::kChaCha20, 32, 16, 33));
  EXPECT_EQ(error_of([] {
              Cipher({CipherMode::kXts, Bytes(16)}, Bytes(32, 1), Direction::kEncrypt);
            }),
            ErrorCode::kInvalidArgument)
      << "equal halves";
}

TEST(Cipher, HChaCha20MatchesTheDraftAndRejectsOtherSizes) {
  for_each_case("hchacha20.txt", [](const Case& c) {
    EXPECT_EQ(to_hex(hchacha20(c.bytes("key"), c.bytes("nonce"))), c.text("derived"));
  });
  EXPECT_EQ(error_of([] { hchacha20(Bytes(31), Bytes(16)); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([] { hchacha20(Bytes(32), Bytes(24)); }), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace vtpm::crypto
