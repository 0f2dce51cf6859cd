// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/keys/wrap/wrap.h"

#include <algorithm>

#include "base/der.h"
#include "crypto/key/private_key_info.h"
#include "crypto/library/random.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/mechanism/family_table.h"
#include "pkcs11/object/key_factory.h"
#include "pkcs11/object/key_kind.h"
#include "pkcs11/object/secret_key.h"
#include "pkcs11/session/object_factory.h"

namespace vtpm::pkcs11 {
namespace {

constexpr size_t kBlock = 16, kSemiblock = 8;

// What encryption refuses, in the words of wrapping.
constexpr Translation kOfWrapping[] = {{CKR_DATA_LEN_RANGE, CKR_KEY_SIZE_RANGE},
                                       {CKR_DATA_INVALID, CKR_KEY_SIZE_RANGE},
                                       {CKR_KEY_SIZE_RANGE, CKR_WRAPPING_KEY_SIZE_RANGE}};
constexpr Translation kOfUnwrapping[] = {{CKR_ENCRYPTED_DATA_LEN_RANGE, CKR_WRAPPED_KEY_LEN_RANGE},
                                         {CKR_ENCRYPTED_DATA_INVALID, CKR_WRAPPED_KEY_INVALID},
                                         {CKR_AEAD_DECRYPT_FAILED, CKR_WRAPPED_KEY_INVALID},
                                         {CKR_KEY_SIZE_RANGE, CKR_UNWRAPPING_KEY_SIZE_RANGE}};

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

/// What wrapping by a family does with the bytes of a key.
struct Wrapper {
  size_t (*bytes)(const WrapCall& call, size_t payload) = nullptr;
  Bytes (*wrap)(const WrapCall& call, ByteView payload) = nullptr;
  SecretBytes (*open)(const WrapCall& call, ByteView wrapped) = nullptr;
  bool only_secret_keys = false;
  bool hides_padding = false;  // an answer must not tell a wrong padding from a right one
  bool is_number = false;      // the key is the end of a number as long as the modulus
};
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
static_assert(kWrappers.covers(CKF_WRAP | CKF_UNWRAP));

bool has_whole_blocks(const Mechanism& row) {
  return row.mode == crypto::CipherMode::kEcb || row.mode == crypto::CipherMode::kCbc;
}

/// Mechanisms that keep the length: the key is filled up with zeros to a multiple of this, and cut to what the template
/// says when it comes back.
size_t unit_of(const Mechanism& row) {
  if (has_whole_blocks(row)) return kBlock;
  return row.variant == Variant::kKw ? kSemiblock : 1;
}

bool takes_private_keys(const Mechanism& row) {
  return !kWrappers[row.family].only_secret_keys && !has_whole_blocks(row);
}

ObjectPtr require_a_key(Session& session, CK_OBJECT_HANDLE handle, CK_RV refusal) {
  ObjectPtr key = session.token->catalogue().object(handle);
  refuse_if(!key || !key->is_key(), refusal, "there is no such key, or it is private and nobody is logged in");
  return key;
}

void require_wrappable(const WrapCall& call, const Object& key) {
  const KeyPart part = key.key_part();
  refuse_if(part != KeyPart::kSecret && part != KeyPart::kPrivate, CKR_KEY_NOT_WRAPPABLE,
            "only secret and private keys are wrapped");
  refuse_if(!key.shown.flag(CKA_EXTRACTABLE), CKR_KEY_UNEXTRACTABLE, "CKA_EXTRACTABLE of the key is CK_FALSE");
  refuse_if(key.shown.flag(CKA_WRAP_WITH_TRUSTED) && !call.key.shown.flag(CKA_TRUSTED), CKR_KEY_NOT_WRAPPABLE,
            "the key is only wrapped with keys that the SO trusts");
  refuse_if(part == KeyPart::kPrivate && !takes_private_keys(call.row), CKR_KEY_NOT_WRAPPABLE,
            "the mechanism wraps secret keys only");
  for (const auto& [type, value] : decode_template(call.key.shown.get(CKA_WRAP_TEMPLATE))) {
    refuse_if(!has_value(call.session, key, type, value), CKR_KEY_HANDLE_INVALID,
              "the key is not what CKA_WRAP_TEMPLATE of the wrapping key demands");
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

/// CKM_RSA_X_509: the key is taken from the end of the number, "however many bytes are specified in the template".
SecretBytes end_of_number(const SecretBytes& payload, std::optional<size_t> bytes) {
  refuse_if(!bytes, CKR_TEMPLATE_INCOMPLETE, "CKA_VALUE_LEN is missing: a number does not tell how long the key is");
  return SecretBytes(payload.view().last(std::min(*bytes, payload.size())));
}

/// Of whole blocks any number of bytes; of CKM_AES_KEY_WRAP the template takes all but at most seven (6.16).
bool may_be_cut(const Mechanism& row, size_t from, size_t to) {
  return to <= from && (has_whole_blocks(row) || from - to < unit_of(row));
}

/// CKM_AES_KEY_WRAP: the zeros behind the encoded key, which says itself where it ends.
ByteView without_trailing_zeros(ByteView payload) {
  DerReader reader(payload);
  const auto info = reader.next(DerTag::kSequence);
  if (!info) return payload;
  const ByteView rest = payload.subspan(info->bytes.size());
  const bool zeros = std::all_of(rest.begin(), rest.end(), [](uint8_t byte) { return byte == 0; });
  return zeros ? info->bytes : payload;
}

/// Nothing but a padding that nobody else has checked says how long the key is: a wrong length is told as that would
/// be.
bool hides_length(const Mechanism& row) {
  return kWrappers[row.family].hides_padding || row.mode == crypto::CipherMode::kCbcPad;
}

[[noreturn]] void refuse_wrapped() { refuse(CKR_WRAPPED_KEY_INVALID, "the wrapped bytes are not such a key"); }

Draft unwrap_private(const WrapCall& call, ByteView wrapped, const Template& wanted) {
  refuse_if(!takes_private_keys(call.row), CKR_TEMPLATE_INCONSISTENT, "the mechanism unwraps secret keys only");
  const CK_KEY_TYPE type = *wanted.number(CKA_KEY_TYPE);
  Draft draft = make_draft(Schema::of(CKO_PRIVATE_KEY, type), Making::kMake, wanted, call.session.token->login().who());
  if (!wanted.has(CKA_EXTRACTABLE)) draft.shown.set_flag(CKA_EXTRACTABLE, true);
  call.session.require_write(draft.is_token(), draft.is_private());
  const SecretBytes payload = translated(kOfUnwrapping, [&] { return kWrappers[call.row.family].open(call, wrapped); });
  const std::unique_ptr<crypto::SoftwareKey> key = refusing_invalid(CKR_WRAPPED_KEY_INVALID, [&] {
    return crypto::from_private_key_info(unit_of(call.row) == 1 ? payload.view() : without_trailing_zeros(payload));
  });
  refuse_if(!is_of_type(*key, type), CKR_WRAPPED_KEY_INVALID,
            "the wrapped key is of another type than the template says");
  if (const ByteView curve = wanted.get(CKA_EC_PARAMS); !curve.empty()) {
    refuse_if(require_curve(curve, type) != key->public_key().curve(), CKR_TEMPLATE_INCONSISTENT,
              "the wrapped key is on another curve than the template says");
  }
  place_private_key(draft, *key, key_making(call.session));
  return draft;
}

}  // namespace

ObjectPtr require_wrapping_key(Session& session, CK_OBJECT_HANDLE handle, const Mechanism& mechanism) {
  ObjectPtr key = require_a_key(session, handle, CKR_WRAPPING_KEY_HANDLE_INVALID);
  require_fit(*key, CKO_PUBLIC_KEY, mechanism, CKR_WRAPPING_KEY_TYPE_INCONSISTENT);
  require_use(*key, CKA_WRAP, mechanism);
  return key;
}

ObjectPtr require_unwrapping_key(Session& session, CK_OBJECT_HANDLE handle, const Mechanism& mechanism,
                                 CK_ATTRIBUTE_TYPE use) {
  ObjectPtr key = require_a_key(session, handle, CKR_UNWRAPPING_KEY_HANDLE_INVALID);
  require_fit(*key, CKO_PRIVATE_KEY, mechanism, CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT);
  require_use(*key, use, mechanism);
  return key;
}

Wrapping::Wrapping(const WrapCall& call, const Object& key) : call_(call) {
  require_wrappable(call, key);
  payload_ = payload_of(call.session, key, call.row);
  bytes_ = translated(kOfWrapping, [&] { return kWrappers[call.row.family].bytes(call, payload_.size()); });
}

Bytes Wrapping::wrap() {
  return translated(kOfWrapping, [&] { return kWrappers[call_.row.family].wrap(call_, payload_); });
}

Draft unwrap_secret(const WrapCall& call, ByteView wrapped, const Template& wanted) {
  const Wrapper& by = kWrappers[call.row.family];
  SecretKeyPlan plan(wanted, Making::kMake, call.session.token->login().who(),
                     wanted.number(CKA_KEY_TYPE).value_or(CKK_GENERIC_SECRET));
  if (!wanted.has(CKA_EXTRACTABLE)) plan.shown().set_flag(CKA_EXTRACTABLE, true);
  call.session.require_write(plan.is_token(), plan.is_private());
  const std::optional<size_t> bytes = plan.size();
  // RSA PKCS #1 v1.5: a wrong padding goes the way of a right one, with bytes that nobody knows, and ends with the
  // same answer as bytes of another length than the template's.
  bool padding_is_wrong = false;
  SecretBytes payload = translated(kOfUnwrapping, [&] {
    try {
      return by.open(call, wrapped);
    } catch (const Refusal& refusal) {
      if (!by.hides_padding || refusal.rv() != CKR_ENCRYPTED_DATA_INVALID) throw;
      padding_is_wrong = true;
      SecretBytes random(bytes.value_or(kBlock));
      crypto::random_fill(random.span());
      return random;
    }
  });
  if (by.is_number) payload = end_of_number(payload, bytes);
  if (bytes && may_be_cut(call.row, payload.size(), *bytes)) payload.resize(*bytes);
  const bool fits = (!bytes || payload.size() == *bytes) && plan.takes(payload.size());
  if (!fits && hides_length(call.row)) refuse_wrapped();
  refuse_if(!fits, CKR_WRAPPED_KEY_LEN_RANGE, "the wrapped key is not as long as the template or the key type says");
  try {
    Draft draft = std::move(plan).make(payload, {});
    if (padding_is_wrong) refuse_wrapped();
    return draft;
  } catch (const Refusal& refusal) {
    if (refusal.rv() == CKR_ATTRIBUTE_VALUE_INVALID) refuse_wrapped();
    throw;
  }
}

Draft unwrap_key(const WrapCall& call, ByteView wrapped, Template wanted) {
  wanted.impose(decode_template(call.key.shown.get(CKA_UNWRAP_TEMPLATE)));
  const std::optional<CK_ULONG> object_class = wanted.number(CKA_CLASS);
  refuse_if(!object_class, CKR_TEMPLATE_INCOMPLETE, "CKA_CLASS is missing");
  refuse_if(!wanted.has(CKA_KEY_TYPE), CKR_TEMPLATE_INCOMPLETE, "CKA_KEY_TYPE is missing");
  const KeyPart part = object_class_row(*object_class).key;
  refuse_if(part != KeyPart::kSecret && part != KeyPart::kPrivate, CKR_TEMPLATE_INCONSISTENT,
            "what comes of this is a secret or a private key");
  return part == KeyPart::kSecret ? unwrap_secret(call, wrapped, wanted) : unwrap_private(call, wrapped, wanted);
}

}  // namespace vtpm::pkcs11
