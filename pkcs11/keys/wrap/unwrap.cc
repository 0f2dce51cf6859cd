// SPDX-License-Identifier: Apache-2.0
// C_UnwrapKey and C_UnwrapKeyAuthenticated, and the half of C_DecapsulateKey that they share.
#include <algorithm>

#include "base/der.h"
#include "crypto/key/private_key_info.h"
#include "crypto/library/random.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/keys/wrap/wrapper.h"
#include "pkcs11/object/key_factory.h"
#include "pkcs11/object/key_kind.h"
#include "pkcs11/object/secret_key.h"
#include "pkcs11/session/object_factory.h"

namespace vtpm::pkcs11 {
namespace {

constexpr size_t kRandomBytes = 16;  // in the place of a key whose padding is wrong, when the template has no length

// The errors of decryption, and what C_UnwrapKey returns for them.
constexpr Translation kOfUnwrapping[] = {{CKR_ENCRYPTED_DATA_LEN_RANGE, CKR_WRAPPED_KEY_LEN_RANGE},
                                         {CKR_ENCRYPTED_DATA_INVALID, CKR_WRAPPED_KEY_INVALID},
                                         {CKR_AEAD_DECRYPT_FAILED, CKR_WRAPPED_KEY_INVALID},
                                         {CKR_KEY_SIZE_RANGE, CKR_UNWRAPPING_KEY_SIZE_RANGE}};

/// CKM_RSA_X_509: the key is the end of the number, as many bytes as the template specifies (PKCS#11 3.2, 6.1).
SecretBytes end_of_number(const SecretBytes& payload, std::optional<size_t> bytes) {
  refuse_if(!bytes, CKR_TEMPLATE_INCOMPLETE,
            "CKA_VALUE_LEN is missing: the number does not determine the length of the key");
  return SecretBytes(payload.view().last(std::min(*bytes, payload.size())));
}

/// Whether a key of `from` bytes may be cut to `to`: one in whole blocks to any length, one that CKM_AES_KEY_WRAP has
/// wrapped by at most seven bytes (PKCS#11 3.2, 6.16).
bool may_be_cut(const Mechanism& row, size_t from, size_t to) {
  return to <= from && (has_whole_blocks(row) || from - to < unit_of(row));
}

/// CKM_AES_KEY_WRAP: the encoded key without the zeros that fill it up. The encoding determines where the key ends.
ByteView without_trailing_zeros(ByteView payload) {
  DerReader reader(payload);
  const auto info = reader.next(DerTag::kSequence);
  if (!info) return payload;
  const ByteView rest = payload.subspan(info->bytes.size());
  const bool zeros = std::all_of(rest.begin(), rest.end(), [](uint8_t byte) { return byte == 0; });
  return zeros ? info->bytes : payload;
}

/// Whether only a padding, which no integrity check protects, determines the length of the key. Then a wrong length
/// must return the same code as a wrong padding.
bool hides_length(const Mechanism& row) {
  return wrapper_of(row).hides_padding || row.mode == crypto::CipherMode::kCbcPad;
}

[[noreturn]] void refuse_wrapped() { refuse(CKR_WRAPPED_KEY_INVALID, "the wrapped bytes are not a key of this type"); }

Draft unwrap_private(const WrapCall& call, ByteView wrapped, const Template& wanted) {
  refuse_if(!takes_private_keys(call.row), CKR_TEMPLATE_INCONSISTENT, "the mechanism unwraps secret keys only");
  const CK_KEY_TYPE type = *wanted.number(CKA_KEY_TYPE);
  Draft draft = make_draft(Schema::of(CKO_PRIVATE_KEY, type), Making::kMake, wanted, call.session.token->login().who());
  if (!wanted.has(CKA_EXTRACTABLE)) draft.shown.set_flag(CKA_EXTRACTABLE, true);
  call.session.require_write(draft.is_token(), draft.is_private());
  const SecretBytes payload = translated(kOfUnwrapping, [&] { return wrapper_of(call.row).open(call, wrapped); });
  const std::unique_ptr<crypto::SoftwareKey> key = refusing_invalid(CKR_WRAPPED_KEY_INVALID, [&] {
    return crypto::from_private_key_info(unit_of(call.row) == 1 ? payload.view() : without_trailing_zeros(payload));
  });
  refuse_if(!is_of_type(*key, type), CKR_WRAPPED_KEY_INVALID, "the wrapped key has another key type than the template");
  if (const ByteView curve = wanted.get(CKA_EC_PARAMS); !curve.empty()) {
    refuse_if(require_curve(curve, type) != key->public_key().curve(), CKR_TEMPLATE_INCONSISTENT,
              "the wrapped key is on another curve than the template");
  }
  place_private_key(draft, *key, key_making(call.session));
  return draft;
}

}  // namespace

ObjectPtr require_unwrapping_key(Session& session, CK_OBJECT_HANDLE handle, const Mechanism& mechanism,
                                 CK_ATTRIBUTE_TYPE use) {
  ObjectPtr key = require_a_key(session, handle, CKR_UNWRAPPING_KEY_HANDLE_INVALID);
  require_fit(*key, CKO_PRIVATE_KEY, mechanism, CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT);
  require_use(*key, use, mechanism);
  return key;
}

Draft unwrap_secret(const WrapCall& call, ByteView wrapped, const Template& wanted) {
  const Wrapper& by = wrapper_of(call.row);
  SecretKeyPlan plan(wanted, Making::kMake, call.session.token->login().who(),
                     wanted.number(CKA_KEY_TYPE).value_or(CKK_GENERIC_SECRET));
  if (!wanted.has(CKA_EXTRACTABLE)) plan.shown().set_flag(CKA_EXTRACTABLE, true);
  call.session.require_write(plan.is_token(), plan.is_private());
  const std::optional<size_t> bytes = plan.size();
  // RSA PKCS #1 v1.5: after a wrong padding the function continues with random bytes as after a right one, and returns
  // the same code as for a key of another length than the template's. Otherwise the function would be a padding oracle.
  bool padding_is_wrong = false;
  SecretBytes payload = translated(kOfUnwrapping, [&] {
    try {
      return by.open(call, wrapped);
    } catch (const Refusal& refusal) {
      if (!by.hides_padding || refusal.rv() != CKR_ENCRYPTED_DATA_INVALID) throw;
      padding_is_wrong = true;
      SecretBytes random(bytes.value_or(kRandomBytes));
      crypto::random_fill(random.span());
      return random;
    }
  });
  if (by.is_number) payload = end_of_number(payload, bytes);
  if (bytes && may_be_cut(call.row, payload.size(), *bytes)) payload.resize(*bytes);
  const bool fits = (!bytes || payload.size() == *bytes) && plan.takes(payload.size());
  if (!fits && hides_length(call.row)) refuse_wrapped();
  refuse_if(!fits, CKR_WRAPPED_KEY_LEN_RANGE,
            "the wrapped key does not have the length that the template or the key type requires");
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
            "CKA_CLASS must be CKO_SECRET_KEY or CKO_PRIVATE_KEY");
  return part == KeyPart::kSecret ? unwrap_secret(call, wrapped, wanted) : unwrap_private(call, wrapped, wanted);
}

}  // namespace vtpm::pkcs11
