// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/keys/wrap/wrap.h"

#include "crypto/key/private_key_info.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/keys/wrap/wrapper.h"
#include "pkcs11/mechanism/family_table.h"

namespace vtpm::pkcs11 {
namespace {

constexpr size_t kBlock = 16, kSemiblock = 8;

// The errors of encryption, and what C_WrapKey returns for them.
constexpr Translation kOfWrapping[] = {{CKR_DATA_LEN_RANGE, CKR_KEY_SIZE_RANGE},
                                       {CKR_DATA_INVALID, CKR_KEY_SIZE_RANGE},
                                       {CKR_KEY_SIZE_RANGE, CKR_WRAPPING_KEY_SIZE_RANGE}};

std::unique_ptr<Crypt> make_plain_wrap(const WrapCall& call, crypto::Direction direction) {
  return make_crypt(call.session, call.row, call.mechanism, call.key, direction);
}

using MakeCrypt = std::unique_ptr<Crypt> (*)(const WrapCall& call, crypto::Direction direction);

template <MakeCrypt kMake>
size_t encrypted_bytes(const WrapCall& call, size_t payload) {
  return kMake(call, crypto::Direction::kEncrypt)->message_bytes(payload);
}

template <MakeCrypt kMake>
Bytes encrypt(const WrapCall& call, ByteView payload) {
  const std::unique_ptr<Crypt> crypt = kMake(call, crypto::Direction::kEncrypt);
  Bytes wrapped(crypt->message_bytes(payload.size()));
  wrapped.resize(crypt->message(payload, wrapped));
  return wrapped;
}

template <MakeCrypt kMake>
SecretBytes decrypt(const WrapCall& call, ByteView wrapped) {
  const std::unique_ptr<Crypt> crypt = kMake(call, crypto::Direction::kDecrypt);
  SecretBytes payload(crypt->message_bytes(wrapped.size()));
  payload.resize(crypt->message(wrapped, payload.span()));
  return payload;
}

template <MakeCrypt kMake>
constexpr Wrapper by() {
  return {encrypted_bytes<kMake>, encrypt<kMake>, decrypt<kMake>};
}
constexpr Wrapper by_rsa(bool hides_padding, bool is_number) {
  Wrapper wrapper = by<make_plain_wrap>();
  wrapper.only_secret_keys = true;
  wrapper.hides_padding = hides_padding;
  wrapper.is_number = is_number;
  return wrapper;
}

constexpr FamilyTable<Wrapper> kWrappers({
    {Family::kRsaPkcs, by_rsa(true, false)},
    {Family::kRsaOaep, by_rsa(false, false)},
    {Family::kRsaX509, by_rsa(false, true)},
    {Family::kCipher, by<make_plain_wrap>()},
    {Family::kAead, by<make_aead_wrap>()},
    {Family::kKeyWrap, by<make_plain_wrap>()},
    {Family::kRsaAesWrap, {rsa_aes_bytes, wrap_by_rsa_aes, unwrap_by_rsa_aes}},
    {Family::kEcdhAesWrap, {ecdh_aes_bytes, wrap_by_ecdh_aes, unwrap_by_ecdh_aes}},
});
static_assert(kWrappers.covers(CKF_WRAP, &Wrapper::bytes) && kWrappers.covers(CKF_WRAP, &Wrapper::wrap));
static_assert(kWrappers.covers(CKF_UNWRAP, &Wrapper::open));

void require_wrappable(const WrapCall& call, const Object& key) {
  const KeyPart part = key.key_part();
  refuse_if(part != KeyPart::kSecret && part != KeyPart::kPrivate, CKR_KEY_NOT_WRAPPABLE,
            "only secret and private keys can be wrapped");
  refuse_if(!key.shown.flag(CKA_EXTRACTABLE), CKR_KEY_UNEXTRACTABLE, "CKA_EXTRACTABLE of the key is CK_FALSE");
  refuse_if(key.shown.flag(CKA_WRAP_WITH_TRUSTED) && !call.key.shown.flag(CKA_TRUSTED), CKR_KEY_NOT_WRAPPABLE,
            "CKA_WRAP_WITH_TRUSTED of the key is CK_TRUE, and CKA_TRUSTED of the wrapping key is not");
  refuse_if(part == KeyPart::kPrivate && !takes_private_keys(call.row), CKR_KEY_NOT_WRAPPABLE,
            "the mechanism wraps secret keys only");
  for (const auto& [type, value] : decode_template(call.key.shown.get(CKA_WRAP_TEMPLATE))) {
    refuse_if(!has_value(call.session, key, type, value), CKR_KEY_HANDLE_INVALID,
              "the key does not match CKA_WRAP_TEMPLATE of the wrapping key");
  }
}

SecretBytes filled(SecretBytes bytes, size_t unit) {
  bytes.resize((bytes.size() + unit - 1) / unit * unit);
  return bytes;
}

SecretBytes payload_of(Session& session, const Object& key, const Mechanism& row) {
  if (key.key_part() == KeyPart::kPrivate) {
    const auto* software = dynamic_cast<crypto::SoftwareKey*>(session.token->catalogue().private_key(key).get());
    refuse_if(!software, CKR_KEY_UNEXTRACTABLE, "the key lives in the TPM and never leaves it");
    return filled(crypto::private_key_info(*software), unit_of(row));
  }
  return filled(SecretBytes(session.token->catalogue().secret_of(key).get(CKA_VALUE)), unit_of(row));
}

}  // namespace

const Wrapper& wrapper_of(const Mechanism& row) { return kWrappers[row.family]; }

bool has_whole_blocks(const Mechanism& row) {
  return row.mode == crypto::CipherMode::kEcb || row.mode == crypto::CipherMode::kCbc;
}

size_t unit_of(const Mechanism& row) {
  if (has_whole_blocks(row)) return kBlock;
  return row.variant == Variant::kKw ? kSemiblock : 1;
}

bool takes_private_keys(const Mechanism& row) { return !wrapper_of(row).only_secret_keys && !has_whole_blocks(row); }

ObjectPtr require_a_key(Session& session, CK_OBJECT_HANDLE handle, CK_RV refusal) {
  ObjectPtr key = session.token->catalogue().object(handle);
  refuse_if(!key || !key->is_key(), refusal, "there is no such key, or it is private and no user is logged in");
  return key;
}

ObjectPtr require_wrapping_key(Session& session, CK_OBJECT_HANDLE handle, const Mechanism& mechanism) {
  ObjectPtr key = require_a_key(session, handle, CKR_WRAPPING_KEY_HANDLE_INVALID);
  require_fit(*key, CKO_PUBLIC_KEY, mechanism, CKR_WRAPPING_KEY_TYPE_INCONSISTENT);
  require_use(*key, CKA_WRAP, mechanism);
  return key;
}

Wrapping::Wrapping(const WrapCall& call, const Object& key) : call_(call) {
  require_wrappable(call, key);
  payload_ = payload_of(call.session, key, call.row);
  bytes_ = translated(kOfWrapping, [&] { return wrapper_of(call.row).bytes(call, payload_.size()); });
}

Bytes Wrapping::wrap() {
  return translated(kOfWrapping, [&] { return wrapper_of(call_.row).wrap(call_, payload_); });
}

}  // namespace vtpm::pkcs11
