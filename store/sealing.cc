#include "store/sealing.h"

#include <algorithm>

#include "crypto/digest.h"
#include "crypto/error.h"
#include "crypto/kdf.h"

namespace vtpm::store {

MasterKey::MasterKey(SecretBytes key, const Uuid& uuid, uint64_t epoch)
    : key_(std::move(key)), uuid_(uuid), epoch_(epoch), siv_(derive("seal", crypto::Siv::kKeyOctets)) {
  mac_key_ = derive("clear", 32);
  digest_ = to_bytes(derive("digest", 32));
}

SecretBytes MasterKey::derive(std::string_view purpose, size_t size) const {
  Bytes info = to_bytes(as_bytes(purpose));
  write_be(info, epoch_, 8);
  return crypto::hkdf(key_, uuid_, info, size);
}

void MasterKey::seal(MutableByteView octets, const EntryView& layout, ByteView plain) const {
  SealedContext context = sealed_context(layout);
  SecretBytes padded(plain);
  padded.resize(layout.data_octets - crypto::Siv::kTagOctets);
  Bytes sealed = siv_.seal({uuid_, context.before, context.after}, padded);
  if (sealed.size() != layout.data_octets)
    throw Error(ErrorCode::kInternal, "a seal has not the size that it must have");
  std::copy(sealed.begin(), sealed.end(), octets.begin() + static_cast<ptrdiff_t>(layout.data_at));
}

std::optional<SecretBytes> MasterKey::unseal(const EntryView& entry) const {
  SealedContext context = sealed_context(entry);
  auto plain = siv_.open({uuid_, context.before, context.after}, entry.data());
  if (!plain || entry.size > plain->size()) return std::nullopt;
  plain->resize(entry.size);
  return plain;
}

Bytes MasterKey::mac_of(const EntryView& entry) const {
  return crypto::Hmac(crypto::Hash::kSha256, mac_key_)
      .begin()
      .update(uuid_)
      .update(with_zeros(entry.octets, {{entry.crc_at, kCrcOctets}, {entry.mac_at, kMacOctets}}))
      .finish();
}

void MasterKey::write_mac(MutableByteView octets, const EntryView& layout) const {
  Bytes mac = mac_of(layout);
  std::copy(mac.begin(), mac.end(), octets.begin() + static_cast<ptrdiff_t>(layout.mac_at));
}

bool MasterKey::mac_matches(const EntryView& entry) const {
  return entry.mac_at != 0 && constant_time_equal(mac_of(entry), entry.octets.subspan(entry.mac_at, kMacOctets));
}

Bytes with_zeros(ByteView octets, std::initializer_list<Stretch> zeros) {
  Bytes copy = to_bytes(octets);
  for (const Stretch& zero : zeros)
    std::fill_n(copy.begin() + static_cast<ptrdiff_t>(zero.at), zero.octets, uint8_t{0});
  return copy;
}

SealedContext sealed_context(const EntryView& entry) {
  size_t behind = entry.data_at + entry.data_octets;
  return {with_zeros(entry.octets.first(entry.data_at), {{entry.crc_at, kCrcOctets}}),
          to_bytes(entry.octets.subspan(behind))};
}

}  // namespace vtpm::store
