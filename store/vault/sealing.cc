// SPDX-License-Identifier: Apache-2.0
#include "store/vault/sealing.h"

#include <algorithm>

#include "base/der.h"
#include "base/error.h"
#include "base/numbers.h"
#include "crypto/hash/digest.h"
#include "crypto/kdf/kdf.h"
#include "crypto/library/constant_time.h"
#include "crypto/library/random.h"
#include "crypto/symmetric/aes_cbc.h"
#include "store/format/blind_index.h"
#include "store/format/encoding.h"

namespace vtpm::store {
namespace {

constexpr size_t kCbcTagBytes = 32;

// Padding is zeros: `realsize` says how many bytes count.
size_t cbc_blocks(size_t plain) { return round_up(std::max<size_t>(plain, 1), crypto::kAesBlock); }

// The third value of `enc`.
std::optional<ByteView> iv_of(const EntryView& entry) {
  auto values = entry.find(entry.mandatory, attribute::kEncryption);
  if (!values) return std::nullopt;
  DerReader reader(*values);
  reader.next(DerTag::kIa5String);
  reader.next(DerTag::kInteger);
  auto iv = reader.next(DerTag::kOctetString);
  if (!iv || !reader.empty() || iv->contents.size() != crypto::kAesBlock) return std::nullopt;
  return iv->contents;
}

}  // namespace

MasterKey::MasterKey(SecretBytes key, const Uuid& uuid, uint64_t epoch)
    : key_(std::move(key)), uuid_(uuid), epoch_(epoch), siv_(derive("seal", crypto::Siv::kKeyBytes)) {
  mac_key_ = derive("clear", 32);
  index_key_ = derive("index", 32);
  cbc_key_ = derive("cbc", key_.size());
  cbc_mac_key_ = derive("cbc-mac", 32);
  digest_ = to_bytes(derive("digest", 32));
}

SecretBytes MasterKey::derive(std::string_view purpose, size_t size) const {
  Bytes info = to_bytes(as_bytes(purpose));
  write_be(info, epoch_, 8);
  return crypto::hkdf(key_, uuid_, info, size);
}

size_t MasterKey::sealed_bytes(Cipher cipher, size_t plain) {
  if (cipher == Cipher::kAesCbc) return cbc_blocks(plain) + kCbcTagBytes;
  return crypto::Siv::kTagBytes + std::max<size_t>(plain, 1);
}

Attribute MasterKey::encryption(Cipher cipher) const {
  Attribute encryption = text_attribute(attribute::kEncryption, cipher_name(cipher));
  write_der_unsigned(encryption.values, epoch_);
  if (cipher == Cipher::kAesCbc) {
    write_der(encryption.values, DerTag::kOctetString, crypto::random_bytes(crypto::kAesBlock));
  }
  return encryption;
}

void MasterKey::seal(MutableByteView bytes, const EntryView& layout, ByteView plain) const {
  const Bytes box = layout.cipher == kCipherCbc ? cbc_sealed(layout, plain) : siv_sealed(layout, plain);
  if (box.size() != layout.data_bytes) throw Error(ErrorCode::kInternal, "the size of a seal is wrong");
  std::copy(box.begin(), box.end(), bytes.begin() + static_cast<ptrdiff_t>(layout.data_at));
}

std::optional<SecretBytes> MasterKey::unseal(const EntryView& entry) const {
  auto plain = entry.cipher == kCipherCbc ? cbc_unsealed(entry) : siv_unsealed(entry);
  if (!plain || entry.size > plain->size()) return std::nullopt;
  plain->resize(entry.size);
  return plain;
}

Bytes MasterKey::siv_sealed(const EntryView& layout, ByteView plain) const {
  SealedContext context = sealed_context(layout);
  SecretBytes padded(plain);
  padded.resize(layout.data_bytes - crypto::Siv::kTagBytes);
  return siv_.seal({uuid_, context.before, context.after}, padded);
}

std::optional<SecretBytes> MasterKey::siv_unsealed(const EntryView& entry) const {
  SealedContext context = sealed_context(entry);
  return siv_.open({uuid_, context.before, context.after}, entry.data());
}

Bytes MasterKey::cbc_sealed(const EntryView& layout, ByteView plain) const {
  auto iv = iv_of(layout);
  if (!iv) throw Error(ErrorCode::kInternal, "an entry that is to be sealed has no IV");
  SecretBytes padded(plain);
  padded.resize(layout.data_bytes - kCbcTagBytes);
  Bytes box = crypto::aes_cbc_encrypt(cbc_key_, *iv, padded);
  append(box, cbc_tag(layout, box));
  return box;
}

std::optional<SecretBytes> MasterKey::cbc_unsealed(const EntryView& entry) const {
  auto iv = iv_of(entry);
  ByteView data = entry.data();
  if (!iv || data.size() < crypto::kAesBlock + kCbcTagBytes) return std::nullopt;
  ByteView box = data.first(data.size() - kCbcTagBytes);
  if (box.size() % crypto::kAesBlock != 0) return std::nullopt;
  if (!crypto::constant_time_equal(cbc_tag(entry, box), data.last(kCbcTagBytes))) return std::nullopt;
  return crypto::aes_cbc_decrypt(cbc_key_, *iv, box);
}

// Over the whole entry as it will stand, `box` in its place.
Bytes MasterKey::cbc_tag(const EntryView& entry, ByteView box) const {
  Bytes bytes = with_zeros(
      entry.bytes, {{entry.crc_at, kCrcBytes}, {entry.data_at + entry.data_bytes - kCbcTagBytes, kCbcTagBytes}});
  std::copy(box.begin(), box.end(), bytes.begin() + static_cast<ptrdiff_t>(entry.data_at));
  return crypto::Hmac(crypto::Hash::kSha256, cbc_mac_key_).begin().update(uuid_).update(bytes).finish();
}

Bytes MasterKey::mac_of(const EntryView& entry) const {
  return crypto::Hmac(crypto::Hash::kSha256, mac_key_)
      .begin()
      .update(uuid_)
      .update(with_zeros(entry.bytes, {{entry.crc_at, kCrcBytes}, {entry.mac_at, kMacBytes}}))
      .finish();
}

uint64_t MasterKey::tag(uint64_t kind, ByteView value) const {
  Bytes bytes;
  write_be(bytes, kind, 8);
  const Bytes mac = crypto::Hmac(crypto::Hash::kSha256, index_key_).begin().update(bytes).update(value).finish();
  return read_be(ByteView(mac).first(kTagBytes));
}

void MasterKey::write_mac(MutableByteView bytes, const EntryView& layout) const {
  Bytes mac = mac_of(layout);
  std::copy(mac.begin(), mac.end(), bytes.begin() + static_cast<ptrdiff_t>(layout.mac_at));
}

bool MasterKey::mac_matches(const EntryView& entry) const {
  return entry.mac_at != 0 && crypto::constant_time_equal(mac_of(entry), entry.bytes.subspan(entry.mac_at, kMacBytes));
}

Bytes with_zeros(ByteView bytes, std::initializer_list<Stretch> zeros) {
  Bytes copy = to_bytes(bytes);
  for (const Stretch& zero : zeros) std::fill_n(copy.begin() + static_cast<ptrdiff_t>(zero.at), zero.bytes, uint8_t{0});
  return copy;
}

SealedContext sealed_context(const EntryView& entry) {
  size_t behind = entry.data_at + entry.data_bytes;
  return {with_zeros(entry.bytes.first(entry.data_at), {{entry.crc_at, kCrcBytes}}),
          to_bytes(entry.bytes.subspan(behind))};
}

}  // namespace vtpm::store
