// SPDX-License-Identifier: Apache-2.0
#include "crypto/symmetric/cipher.h"

#include <algorithm>
#include <functional>

#include "crypto/symmetric/cipher_engine.h"

namespace vtpm::crypto {
namespace {

constexpr size_t kBlock = 16;
constexpr uint64_t kWithoutEnd = UINT64_MAX;
constexpr uint64_t kXtsUnit = uint64_t{16} << 20;  // IEEE 1619: at most 2^20 blocks

[[noreturn]] void refuse(const char* sentence) { throw Error(ErrorCode::kInvalidArgument, sentence); }

void check_sizes(const CipherParameters& parameters, ByteView key) {
  const CipherMode mode = parameters.mode;
  if (parameters.iv.size() != (mode == CipherMode::kEcb ? 0 : kBlock)) {
    refuse("the initialization vector does not have the size that the mode requires");
  }
  if (mode == CipherMode::kXts && key.size() != 32 && key.size() != 64)
    refuse("an AES-XTS key must have 32 or 64 bytes");
  if (mode == CipherMode::kChaCha20 && key.size() != 32) refuse("a ChaCha20 key must have 32 bytes");
  if (mode == CipherMode::kCtr && (parameters.counter_bits < 1 || parameters.counter_bits > 128)) {
    refuse("counter width out of range (1 to 128 bits)");
  }
  if (mode == CipherMode::kChaCha20 && parameters.counter_bits != 32 && parameters.counter_bits != 64) {
    refuse("a ChaCha20 counter must have 32 bits (RFC 8439) or 64 bits (the original)");
  }
}

// 2^bits - start blocks of `block` bytes each, or kWithoutEnd if that cannot be reached. `start`: big-endian.
uint64_t bytes_until_wrap(ByteView start, unsigned bits, uint64_t block) {
  uint64_t inverted = 0;  // 2^bits - 1 - start
  for (unsigned bit = bits; bit-- > 0;) {
    if ((inverted >> 56) != 0) return kWithoutEnd;
    const uint8_t byte = start[start.size() - 1 - bit / 8];
    inverted = inverted << 1 | (~(byte >> bit % 8) & 1u);
  }
  return (inverted + 1) * block;
}

uint64_t bytes_at_most(const CipherParameters& parameters) {
  switch (parameters.mode) {
    case CipherMode::kCtr:
      return bytes_until_wrap(parameters.iv, parameters.counter_bits, kBlock);
    case CipherMode::kChaCha20: {
      Bytes counter = to_bytes(parameters.iv.first(parameters.counter_bits / 8));
      std::ranges::reverse(counter);
      return bytes_until_wrap(counter, parameters.counter_bits, 64);
    }
    case CipherMode::kXts:
      return kXtsUnit;
    default:
      return kWithoutEnd;
  }
}

bool overlap(ByteView in, MutableByteView out) {
  std::less<const uint8_t*> before;
  return !in.empty() && !out.empty() && before(in.data(), out.data() + out.size()) &&
         before(out.data(), in.data() + in.size());
}

// RFC 5652, 6.3: how many bytes of a block are no padding; nothing reveals where a wrong padding differs. kBlock when
// it is wrong: a padding of no bytes does not exist.
size_t without_padding(ByteView block) {
  const unsigned count = block[kBlock - 1];
  unsigned wrong = static_cast<unsigned>(count == 0) | static_cast<unsigned>(count > kBlock);
  for (unsigned i = 0; i < kBlock; ++i) {
    const unsigned inside = static_cast<unsigned>(kBlock - i <= count);
    wrong |= (0u - inside) & (block[i] ^ count);
  }
  return wrong != 0 ? kBlock : kBlock - count;
}

}  // namespace

Cipher::Cipher(const CipherParameters& parameters, ByteView key, Direction direction)
    : padded_(parameters.mode == CipherMode::kCbcPad), direction_(direction) {
  check_sizes(parameters, key);
  switch (parameters.mode) {
    case CipherMode::kEcb:
    case CipherMode::kCbc:
      keeping_ = Keeping::kPartOfABlock;
      break;
    case CipherMode::kCbcPad:
      keeping_ = direction == Direction::kEncrypt ? Keeping::kPartOfABlock : Keeping::kLastBlock;
      break;
    case CipherMode::kCts:
      keeping_ = Keeping::kMoreThanABlock;
      break;
    case CipherMode::kXts:
      keeping_ = Keeping::kEverything;
      break;
    default:
      keeping_ = Keeping::kNothing;
  }
  bytes_left_ = bytes_at_most(parameters);
  engine_ = make_engine(parameters, key, direction);
}

Cipher::~Cipher() = default;
Cipher::Cipher(Cipher&&) noexcept = default;
Cipher& Cipher::operator=(Cipher&&) noexcept = default;

Cipher::Cipher(const Cipher& other)
    : keeping_(other.keeping_),
      padded_(other.padded_),
      direction_(other.direction_),
      bytes_left_(other.bytes_left_),
      engine_(other.engine_->clone()),
      held_(other.held_.clone()) {}

Cipher& Cipher::operator=(const Cipher& other) {
  if (this != &other) *this = Cipher(other);
  return *this;
}

// The part of `total` bytes that has not been returned yet.
size_t Cipher::released(size_t total) const {
  switch (keeping_) {
    case Keeping::kNothing:
      return total;
    case Keeping::kPartOfABlock:
      return total / kBlock * kBlock;
    case Keeping::kLastBlock:
      return total == 0 ? 0 : (total - 1) / kBlock * kBlock;
    case Keeping::kMoreThanABlock:
      return total < 2 * kBlock ? 0 : total / kBlock * kBlock - kBlock;
    case Keeping::kEverything:
      return 0;
  }
  return 0;
}

size_t Cipher::update_bytes(size_t in) const { return released(held_.size() + in); }

CipherResult Cipher::update(ByteView in, MutableByteView out) {
  if (in.size() > bytes_left_) return {CipherStatus::kLength, 0};
  const size_t bytes = update_bytes(in.size());
  if (out.size() < bytes) refuse("the buffer for the output of the cipher is too small");
  out = out.first(bytes);

  // The output may be longer than the input by the bytes that were held back.
  SecretBytes apart;
  if (overlap(in, out) && !(held_.empty() && in.data() == out.data())) {
    apart = SecretBytes(in);
    in = apart;
  }
  if (bytes_left_ != kWithoutEnd) bytes_left_ -= in.size();

  if (bytes != 0 && !held_.empty()) {
    const size_t missing = (kBlock - held_.size() % kBlock) % kBlock;
    held_.append(in.first(missing));
    in = in.subspan(missing);
    const size_t first = std::min(held_.size(), bytes);
    engine_->run(held_.view().first(first), out.data());
    out = out.subspan(first);
    SecretBytes rest(held_.view().subspan(first));
    held_ = std::move(rest);
  }
  const size_t now = bytes == 0 ? 0 : out.size();
  engine_->run(in.first(now), out.data());
  held_.append(in.subspan(now));
  return {CipherStatus::kDone, bytes};
}

size_t Cipher::finish_bytes() const {
  if (keeping_ == Keeping::kLastBlock) {
    return held_.size() == kBlock ? without_padding(open_last_block()) : 0;
  }
  if (padded_) return kBlock;
  return keeping_ == Keeping::kPartOfABlock ? 0 : held_.size();
}

SecretBytes Cipher::open_last_block() const {
  SecretBytes block(kBlock);
  engine_->clone()->run(held_, block.data());
  return block;
}

CipherResult Cipher::finish(MutableByteView out) {
  CipherResult bad_length = {CipherStatus::kLength, 0};
  switch (keeping_) {
    case Keeping::kNothing:
      return {CipherStatus::kDone, 0};
    case Keeping::kPartOfABlock: {
      if (!padded_) return held_.empty() ? CipherResult{CipherStatus::kDone, 0} : bad_length;
      const size_t count = kBlock - held_.size();
      held_.append(Bytes(count, static_cast<uint8_t>(count)));
      break;
    }
    case Keeping::kLastBlock: {
      if (held_.size() != kBlock) return bad_length;
      const SecretBytes block = open_last_block();
      const size_t bytes = without_padding(block);
      if (bytes == kBlock) return {CipherStatus::kPadding, 0};
      if (out.size() < bytes) refuse("the buffer for the output of the cipher is too small");
      std::copy_n(block.begin(), bytes, out.begin());
      return {CipherStatus::kDone, bytes};
    }
    case Keeping::kMoreThanABlock:
      if (held_.size() < kBlock) return bad_length;
      if (held_.size() > kBlock) return steal(out);
      break;
    case Keeping::kEverything:
      if (held_.size() < kBlock) return bad_length;
      break;
  }
  if (out.size() < held_.size()) refuse("the buffer for the output of the cipher is too small");
  engine_->run(held_, out.data());
  return {CipherStatus::kDone, held_.size()};
}

// CBC-CS1: the last block but one is shortened to the size of the last plain block. Decrypting the last block gives the
// rest of it.
CipherResult Cipher::steal(MutableByteView out) {
  const size_t bytes = held_.size(), part = bytes - kBlock;
  if (out.size() < bytes) refuse("the buffer for the output of the cipher is too small");
  SecretBytes blocks(2 * kBlock);
  if (direction_ == Direction::kEncrypt) {
    std::ranges::copy(held_, blocks.begin());  // the last block is filled with zeros
    engine_->run(blocks, blocks.data());
    std::copy_n(blocks.begin(), part, out.begin());
    std::copy_n(blocks.begin() + kBlock, kBlock, out.begin() + static_cast<ptrdiff_t>(part));
  } else {
    uint8_t before[kBlock];
    engine_->chained(before);
    SecretBytes last(held_.view().subspan(part)), opened(kBlock);
    engine_->clone()->run(last, opened.data());
    for (size_t i = 0; i < kBlock; ++i) opened[i] ^= before[i];  // the bare decryption of the last block
    std::copy_n(held_.begin(), part, blocks.begin());
    std::copy(opened.begin() + static_cast<ptrdiff_t>(part), opened.end(),
              blocks.begin() + static_cast<ptrdiff_t>(part));
    SecretBytes first(kBlock);
    engine_->run(blocks.view().first(kBlock), first.data());
    std::copy(first.begin(), first.end(), out.begin());
    for (size_t i = 0; i < part; ++i) out[kBlock + i] = opened[i] ^ held_[i];
  }
  return {CipherStatus::kDone, bytes};
}

size_t Cipher::most_held() const {
  switch (keeping_) {
    case Keeping::kNothing:
      return 0;
    case Keeping::kPartOfABlock:
      return kBlock - 1;
    case Keeping::kLastBlock:
      return kBlock;
    case Keeping::kMoreThanABlock:
      return 2 * kBlock - 1;
    case Keeping::kEverything:
      return kXtsUnit;
  }
  return 0;
}

// bytes_left_ (8 bytes) | how many bytes the engine's state has | that | what is held
SecretBytes Cipher::save() const {
  const SecretBytes engine = engine_->save();
  const uint8_t size = static_cast<uint8_t>(engine.size());
  SecretBytes saved(ByteView(reinterpret_cast<const uint8_t*>(&bytes_left_), sizeof bytes_left_));
  saved.append({&size, 1});
  saved.append(engine);
  saved.append(held_);
  return saved;
}

void Cipher::load(ByteView saved) {
  constexpr const char* kWrong = "the bytes are not a saved state of this cipher";
  constexpr size_t kFixed = sizeof bytes_left_ + 1;
  uint64_t left = 0;
  if (saved.size() < kFixed || saved.size() - kFixed < saved[kFixed - 1]) refuse(kWrong);
  std::memcpy(&left, saved.data(), sizeof left);
  const ByteView engine = saved.subspan(kFixed, saved[kFixed - 1]), held = saved.subspan(kFixed + engine.size());
  if (left > bytes_left_ || held.size() > most_held()) refuse(kWrong);
  engine_->load(engine);
  bytes_left_ = left;
  held_ = SecretBytes(held);
}

}  // namespace vtpm::crypto
