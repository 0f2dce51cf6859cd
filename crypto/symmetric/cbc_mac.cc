// SPDX-License-Identifier: Apache-2.0
#include "crypto/symmetric/cbc_mac.h"

#include <algorithm>

namespace vtpm::crypto {
namespace {

constexpr size_t kAtOnce = 512;  // of the unused output of the chain

/// SP 800-38B, 6.1: a shift to the left in GF(2^128), without a branch on the secret bit.
template <typename Block>
void double_block(const Block& from, Block& to) {
  const unsigned carry = from[0] >> 7;
  for (size_t i = 0; i + 1 < from.size(); ++i) to[i] = static_cast<uint8_t>(from[i] << 1 | from[i + 1] >> 7);
  to.back() = static_cast<uint8_t>(from.back() << 1 ^ ((0u - carry) & 0x87));
}

}  // namespace

std::unique_ptr<CbcMac> CbcMac::cmac(ByteView key) {
  std::unique_ptr<CbcMac> mac(new CbcMac);
  mac->start(key);
  Block zero{};
  run_cipher(mac->cipher_.get(), zero, zero.data());
  restart_cipher(mac->cipher_.get(), mac->chain_.data());
  double_block(zero, mac->whole_);
  double_block(mac->whole_, mac->padded_);
  wipe(zero.data(), zero.size());
  return mac;
}

// RFC 3566, 4: K1, K2 and K3 are the encryptions of blocks of ones, twos and threes.
std::unique_ptr<CbcMac> CbcMac::xcbc(ByteView key) {
  if (key.size() != kBlock) throw Error(ErrorCode::kInvalidArgument, "an AES-XCBC-MAC key must have 16 bytes");
  std::unique_ptr<CbcMac> mac(new CbcMac);
  CipherContext deriving = start_cipher(native_aes(kBlock, "ECB").get(), key.data(), nullptr, Direction::kEncrypt);
  Block first, constant;
  uint8_t number = 0;
  for (Block* derived : {&first, &mac->whole_, &mac->padded_}) {
    constant.fill(++number);
    run_cipher(deriving.get(), constant, derived->data());
  }
  mac->start(first);
  wipe(first.data(), first.size());
  return mac;
}

void CbcMac::start(ByteView key) {
  cipher_ = start_cipher(native_aes(key.size(), "CBC").get(), key.data(), chain_.data(), Direction::kEncrypt);
}

CbcMac::CbcMac(const CbcMac& other)
    : cipher_(copy_cipher(other.cipher_.get())),
      whole_(other.whole_),
      padded_(other.padded_),
      chain_(other.chain_),
      held_(other.held_),
      held_bytes_(other.held_bytes_) {}

CbcMac::~CbcMac() {
  for (Block* block : {&whole_, &padded_, &chain_, &held_}) wipe(block->data(), block->size());
}

void CbcMac::chain(ByteView blocks) {
  std::array<uint8_t, kAtOnce> out;
  while (!blocks.empty()) {
    const ByteView piece = blocks.first(std::min(blocks.size(), kAtOnce));
    run_cipher(cipher_.get(), piece, out.data());
    std::copy_n(out.begin() + static_cast<ptrdiff_t>(piece.size() - kBlock), kBlock, chain_.begin());
    blocks = blocks.subspan(piece.size());
  }
  wipe(out.data(), out.size());
}

// A full block is kept until more data follows: the last one is treated differently.
void CbcMac::update(ByteView data) {
  if (data.empty()) return;
  const size_t missing = std::min(data.size(), kBlock - held_bytes_);
  std::ranges::copy(data.first(missing), held_.begin() + static_cast<ptrdiff_t>(held_bytes_));
  held_bytes_ += missing;
  data = data.subspan(missing);
  if (data.empty()) return;
  chain(held_);
  const size_t now = (data.size() - 1) / kBlock * kBlock;
  chain(data.first(now));
  data = data.subspan(now);
  std::ranges::copy(data, held_.begin());
  held_bytes_ = data.size();
}

void CbcMac::finish(MutableByteView out) {
  const Block& last_key = held_bytes_ == kBlock ? whole_ : padded_;
  if (held_bytes_ < kBlock) {
    std::fill(held_.begin() + static_cast<ptrdiff_t>(held_bytes_), held_.end(), uint8_t{0});
    held_[held_bytes_] = 0x80;
  }
  for (size_t i = 0; i < kBlock; ++i) held_[i] ^= last_key[i];
  chain(held_);
  std::ranges::copy(chain_, out.begin());
}

std::optional<SecretBytes> CbcMac::save() const {
  SecretBytes saved{ByteView(chain_)};
  saved.append(ByteView(held_).first(held_bytes_));
  return saved;
}

void CbcMac::load(ByteView saved) {
  if (saved.size() < kBlock || saved.size() > 2 * kBlock) {
    throw Error(ErrorCode::kInvalidArgument, "the bytes are not a saved state of this MAC");
  }
  std::ranges::copy(saved.first(kBlock), chain_.begin());
  std::ranges::copy(saved.subspan(kBlock), held_.begin());
  held_bytes_ = saved.size() - kBlock;
  restart_cipher(cipher_.get(), chain_.data());
}

}  // namespace vtpm::crypto
