// SPDX-License-Identifier: Apache-2.0
// Wrapping with AES-GCM and AES-CCM (PKCS#11 3.2, 5.18 and 6.13). C_WrapKeyAuthenticated and C_UnwrapKeyAuthenticated
// process one message, whose tag is in the parameter. For C_WrapKey and C_UnwrapKey the tag follows the wrapped key,
// and the parameter is CK_GCM_WRAP_PARAMS or CK_CCM_WRAP_PARAMS, or that of encryption (before 3.2). CCM's ulDataLen is
// the length of the key, whatever the parameter has.
#include <algorithm>

#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/keys/wrap/wrap.h"
#include "pkcs11/operation/aead_crypt.h"
#include "pkcs11/operation/message_crypt.h"

namespace vtpm::pkcs11 {
namespace {

/// A call is a whole sequence of messages: a counter would start again in each call and make the same nonce.
void require_generator(CK_GENERATOR_FUNCTION generator) {
  refuse_parameter_if(generator == CKG_GENERATE_COUNTER || generator == CKG_GENERATE_COUNTER_XOR,
                      "a counter cannot make the nonce of a single key: use CKG_GENERATE_RANDOM, or give the nonce");
}

/// A cipher for a message in one part.
class WholeCrypt : public Crypt {
 public:
  bool exact() const override { return true; }
  bool takes_parts() const override { return false; }
  size_t update_bytes(size_t) const override { return 0; }
  void update(ByteView, MutableByteView) override {}
  size_t finish_bytes() const override { return 0; }
  void finish(MutableByteView) override {}
};

class OneMessage : public WholeCrypt {
 public:
  OneMessage(std::unique_ptr<MessageCrypt> crypt, const MessageParameter& parameter, ByteView associated)
      : crypt_(std::move(crypt)), parameter_(parameter), associated_(associated) {}

  size_t message_bytes(size_t in) const override { return in; }
  size_t message(ByteView in, MutableByteView out) override {
    crypt_->message(parameter_, associated_, in, out);
    return in.size();
  }

 private:
  std::unique_ptr<MessageCrypt> crypt_;
  MessageParameter parameter_;
  ByteView associated_;
};

// --- the tag behind the key ---

/// The contents of the four structures. The memory belongs to the caller; a generated nonce is written there.
struct WrapParameter {
  MessageParameter message;  // without a tag
  CK_BYTE_PTR associated;
  CK_ULONG associated_bytes, tag;  // the tag's length: for GCM in bits, for CCM in bytes
};

MutableByteView nonce_memory(CK_BYTE* first, CK_ULONG bytes) {
  parameter_view(first, bytes);
  return {first, bytes};
}

WrapParameter read_gcm(const CK_MECHANISM& mechanism) {
  if (mechanism.ulParameterLen == sizeof(CK_GCM_PARAMS)) {
    const auto given = mechanism_parameter<CK_GCM_PARAMS>(mechanism);
    return {{nonce_memory(given.pIv, given.ulIvLen)}, given.pAAD, given.ulAADLen, given.ulTagBits};
  }
  const auto given = mechanism_parameter<CK_GCM_WRAP_PARAMS>(mechanism);
  return {{nonce_memory(given.pIv, given.ulIvLen), given.ulIvFixedBits, given.ivGenerator},
          given.pAAD,
          given.ulAADLen,
          given.ulTagBits};
}

WrapParameter read_ccm(const CK_MECHANISM& mechanism) {
  if (mechanism.ulParameterLen == sizeof(CK_CCM_PARAMS)) {
    const auto given = mechanism_parameter<CK_CCM_PARAMS>(mechanism);
    return {{nonce_memory(given.pNonce, given.ulNonceLen)}, given.pAAD, given.ulAADLen, given.ulMACLen};
  }
  const auto given = mechanism_parameter<CK_CCM_WRAP_PARAMS>(mechanism);
  return {{nonce_memory(given.pNonce, given.ulNonceLen), given.ulNonceFixedBits, given.nonceGenerator},
          given.pAAD,
          given.ulAADLen,
          given.ulMACLen};
}

class TagBehind : public WholeCrypt {
 public:
  TagBehind(const WrapCall& call, crypto::Direction direction)
      : call_(call),
        direction_(direction),
        given_(call.row.parameter == Parameter::kGcm ? read_gcm(call.mechanism) : read_ccm(call.mechanism)),
        key_(call.session.token->catalogue().secret_of(call.key).get(CKA_VALUE)) {
    if (is_unwrapping()) return;  // fixed bits and generator are ignored
    require_nonce(call.row, given_.message);
    require_generator(given_.message.generator);
  }

  size_t message_bytes(size_t in) const override { return encryption(in)->message_bytes(in); }
  size_t message(ByteView in, MutableByteView out) override {
    if (!is_unwrapping()) NonceGenerator().fill(given_.message);
    return encryption(in.size())->message(in, out);
  }

 private:
  bool is_unwrapping() const { return direction_ == crypto::Direction::kDecrypt; }
  /// The cipher for `in` bytes, with the present nonce.
  std::unique_ptr<Crypt> encryption(size_t in) const {
    const MutableByteView nonce = given_.message.nonce;
    CK_GCM_PARAMS gcm{nonce.data(), nonce.size(), 8 * nonce.size(), given_.associated, given_.associated_bytes,
                      given_.tag};
    const size_t data = is_unwrapping() ? in - std::min<size_t>(in, given_.tag) : in;
    CK_CCM_PARAMS ccm{data, nonce.data(), nonce.size(), given_.associated, given_.associated_bytes, given_.tag};
    const CK_MECHANISM mechanism = call_.row.parameter == Parameter::kGcm
                                       ? CK_MECHANISM{call_.row.type, &gcm, sizeof gcm}
                                       : CK_MECHANISM{call_.row.type, &ccm, sizeof ccm};
    return make_aead_crypt(call_.row, mechanism, key_, direction_);
  }

  WrapCall call_;
  crypto::Direction direction_;
  WrapParameter given_;
  SecretBytes key_;  // unsealed once; the cipher is made for the size and again for the bytes
};

}  // namespace

const Mechanism& require_authenticated_mechanism(const CK_MECHANISM* mechanism, CK_FLAGS use) {
  const Mechanism& row = require_mechanism(mechanism, use);
  refuse_if(!row.aead, CKR_MECHANISM_INVALID, "the mechanism does not support associated data");
  return row;
}

std::unique_ptr<Crypt> make_aead_wrap(const WrapCall& call, crypto::Direction direction) {
  if (!call.associated) return std::make_unique<TagBehind>(call, direction);
  MessageParameter parameter =
      message_parameter(call.row, call.mechanism.pParameter, call.mechanism.ulParameterLen, direction);
  parameter.tag();
  parameter.data_bytes.reset();
  if (direction == crypto::Direction::kEncrypt) require_generator(parameter.generator);
  const SecretAttributes secret = call.session.token->catalogue().secret_of(call.key);
  return std::make_unique<OneMessage>(make_message_crypt(call.row, secret.get(CKA_VALUE), direction), parameter,
                                      *call.associated);
}

}  // namespace vtpm::pkcs11
