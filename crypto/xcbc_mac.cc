#include "crypto/xcbc_mac.h"

#include <algorithm>

namespace vtpm::crypto {

// RFC 3566, 4: K1, K2 and K3 are the encryptions of blocks of ones, twos and threes.
XcbcMac::XcbcMac(ByteView key) {
  if (key.size() != kBlock) throw Error(ErrorCode::kInvalidArgument, "an AES-XCBC-MAC key has 16 octets");
  NativeCipher aes = native_aes(key.size(), "ECB");
  CipherContext deriving = start_cipher(aes.get(), key.data(), nullptr, Direction::kEncrypt);
  Block first, constant;
  uint8_t number = 0;
  for (Block* derived : {&first, &whole_, &padded_}) {
    constant.fill(++number);
    run_cipher(deriving.get(), constant, derived->data());
  }
  cipher_ = start_cipher(aes.get(), first.data(), nullptr, Direction::kEncrypt);
  wipe(first.data(), first.size());
}

XcbcMac::XcbcMac(const XcbcMac& other)
    : cipher_(copy_cipher(other.cipher_.get())),
      whole_(other.whole_),
      padded_(other.padded_),
      chain_(other.chain_),
      held_(other.held_),
      held_octets_(other.held_octets_) {}

XcbcMac::~XcbcMac() {
  for (Block* block : {&whole_, &padded_, &chain_, &held_}) wipe(block->data(), block->size());
}

void XcbcMac::chain() {
  for (size_t i = 0; i < kBlock; ++i) chain_[i] ^= held_[i];
  run_cipher(cipher_.get(), chain_, chain_.data());
}

// A full block waits until more comes: the last one is treated differently.
void XcbcMac::update(ByteView data) {
  while (!data.empty()) {
    if (held_octets_ == kBlock) {
      chain();
      held_octets_ = 0;
    }
    const size_t taken = std::min(data.size(), kBlock - held_octets_);
    std::ranges::copy(data.first(taken), held_.begin() + static_cast<ptrdiff_t>(held_octets_));
    held_octets_ += taken;
    data = data.subspan(taken);
  }
}

void XcbcMac::finish(MutableByteView out) {
  const Block& last_key = held_octets_ == kBlock ? whole_ : padded_;
  if (held_octets_ < kBlock) {
    std::fill(held_.begin() + static_cast<ptrdiff_t>(held_octets_), held_.end(), uint8_t{0});
    held_[held_octets_] = 0x80;
  }
  for (size_t i = 0; i < kBlock; ++i) held_[i] ^= last_key[i];
  chain();
  std::ranges::copy(chain_, out.begin());
}

}  // namespace vtpm::crypto
