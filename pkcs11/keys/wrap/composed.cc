// SPDX-License-Identifier: Apache-2.0
// CKM_RSA_AES_KEY_WRAP (PKCS#11 3.2, 6.1), and CKM_ECDH_AES_KEY_WRAP, CKM_ECDH_COF_AES_KEY_WRAP and
// CKM_ECDH_X_AES_KEY_WRAP (6.3).
#include "crypto/key/software_key.h"
#include "crypto/library/random.h"
#include "crypto/symmetric/key_wrap.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/keys/derive/derive.h"
#include "pkcs11/keys/wrap/wrap.h"
#include "pkcs11/mechanism/family_table.h"
#include "pkcs11/object/key_kind.h"
#include "pkcs11/operation/cipher.h"

namespace vtpm::pkcs11 {
namespace {

using crypto::WrapMode;

size_t aes_bytes(CK_ULONG bits) {
  refuse_parameter_if(bits != 128 && bits != 192 && bits != 256, "ulAESKeyBits must be 128, 192 or 256");
  return bits / 8;
}

// --- RSA: the AES key travels under OAEP ---

struct RsaAes {
  size_t bytes;
  CipherScheme oaep;

  static RsaAes read(const WrapCall& call) {
    const auto given = mechanism_parameter<CK_RSA_AES_KEY_WRAP_PARAMS>(call.mechanism);
    const CK_MECHANISM oaep{CKM_RSA_PKCS_OAEP, given.pOAEPParams,
                            given.pOAEPParams ? sizeof(CK_RSA_PKCS_OAEP_PARAMS) : 0};
    return {aes_bytes(given.ulAESKeyBits),
            CipherScheme(*find_mechanism(oaep.mechanism), oaep, *public_key_of(call.key))};
  }
};

// --- ECDH: a fresh key pair agrees on the AES key ---

struct EcdhAes {
  size_t bytes;
  CK_ULONG kdf;
  Bytes shared_data;

  static EcdhAes read(const WrapCall& call) {
    const auto given = mechanism_parameter<CK_ECDH_AES_KEY_WRAP_PARAMS>(call.mechanism);
    return {aes_bytes(given.ulAESKeyBits), given.kdf, parameter_bytes(given.pSharedData, given.ulSharedDataLen)};
  }
  SecretBytes key(SecretBytes secret) const {
    const Derivable derivable = apply_kdf(kdf, shared_data, std::move(secret));
    refuse_parameter_if(kdf == CKD_NULL && bytes > derivable.natural,
                        "the curve is too small for an AES key of this size without a derivation function");
    // "The first ulAESKeyBits bits of the derived key": C_DeriveKey would use the last ones of an agreed secret.
    SecretBytes result = derivable.bytes(kdf == CKD_NULL ? derivable.natural : bytes);
    result.resize(bytes);
    return result;
  }
};

Bytes bare_point(const crypto::PublicKey& key) { return key.point(); }

/// How the public half of the fresh key pair stands in the wrapped key. It is as long as that of the wrapping key.
constexpr VariantTable<Bytes (*)(const crypto::PublicKey&)> kPoints({
    {Variant::kBarePoint, bare_point},
    {Variant::kEncodedPoint, shown_point},
});
static_assert(kPoints.covers(Family::kEcdhAesWrap));

Bytes transport_point(const WrapCall& call, const crypto::PublicKey& key) { return kPoints[call.row.variant](key); }

}  // namespace

size_t rsa_aes_bytes(const WrapCall& call, size_t payload) {
  return RsaAes::read(call).oaep.block_bytes() + crypto::wrapped_bytes(WrapMode::kKwp, payload);
}

Bytes wrap_by_rsa_aes(const WrapCall& call, ByteView payload) {
  const RsaAes with = RsaAes::read(call);
  SecretBytes key(with.bytes);
  crypto::random_fill(key.span());
  Bytes wrapped = with.oaep.encrypt(key);
  append(wrapped, crypto::wrap(WrapMode::kKwp, key, payload));
  return wrapped;
}

SecretBytes unwrap_by_rsa_aes(const WrapCall& call, ByteView wrapped) {
  const RsaAes with = RsaAes::read(call);
  const size_t block = with.oaep.block_bytes();
  refuse_if(wrapped.size() <= block, CKR_ENCRYPTED_DATA_LEN_RANGE, "the wrapped key is too short");
  const SecretBytes key =
      with.oaep.decrypt(*call.session.token->catalogue().private_key(call.key), wrapped.first(block));
  std::optional<SecretBytes> payload;
  if (key.size() == with.bytes) payload = crypto::unwrap(WrapMode::kKwp, key, wrapped.subspan(block));
  refuse_if(!payload, CKR_ENCRYPTED_DATA_INVALID, "the wrapped key does not decrypt");
  return std::move(*payload);
}

size_t ecdh_aes_bytes(const WrapCall& call, size_t payload) {
  EcdhAes::read(call);
  return transport_point(call, *public_key_of(call.key)).size() + crypto::wrapped_bytes(WrapMode::kKwp, payload);
}

Bytes wrap_by_ecdh_aes(const WrapCall& call, ByteView payload) {
  const EcdhAes with = EcdhAes::read(call);
  const std::shared_ptr<const crypto::PublicKey> peer = public_key_of(call.key);
  const auto fresh = crypto::SoftwareKey::generate_ec(peer->curve());
  Bytes wrapped = transport_point(call, fresh->public_key());
  append(wrapped, crypto::wrap(WrapMode::kKwp, with.key(fresh->ecdh(peer->point())), payload));
  return wrapped;
}

SecretBytes unwrap_by_ecdh_aes(const WrapCall& call, ByteView wrapped) {
  const EcdhAes with = EcdhAes::read(call);
  const std::shared_ptr<const crypto::PublicKey> own = public_key_of(call.key);
  const size_t bytes = transport_point(call, *own).size();
  refuse_if(wrapped.size() <= bytes, CKR_ENCRYPTED_DATA_LEN_RANGE, "the wrapped key is too short");
  const std::optional<ByteView> point = read_point(wrapped.first(bytes), own->curve());
  refuse_if(!point, CKR_ENCRYPTED_DATA_INVALID, "the wrapped key does not begin with a point of the curve");
  try {
    SecretBytes secret = call.session.token->catalogue().private_key(call.key)->ecdh(*point);
    auto payload = crypto::unwrap(WrapMode::kKwp, with.key(std::move(secret)), wrapped.subspan(bytes));
    if (payload) return std::move(*payload);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInvalidArgument) throw;  // the point is not on the curve
  }
  refuse(CKR_ENCRYPTED_DATA_INVALID, "the wrapped key does not decrypt");
}

}  // namespace vtpm::pkcs11
