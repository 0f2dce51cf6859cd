// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/operation/begin.h"

namespace vtpm::pkcs11 {
namespace {

struct Side {
  CK_FLAGS flag;
  CK_OBJECT_CLASS key_class;  // of RSA keys
  CK_ATTRIBUTE_TYPE use;
};
constexpr Side kEncryption = {CKF_ENCRYPT, CKO_PUBLIC_KEY, CKA_ENCRYPT};
constexpr Side kDecryption = {CKF_DECRYPT, CKO_PRIVATE_KEY, CKA_DECRYPT};

// The bytes of a parameter, those that it points to in their place:
//   CK_CHACHA20_PARAMS  counter bits (1) | counter | nonce
//   CK_EDDSA_PARAMS     phFlag (1) | context
// The parameters of authenticated ciphers are not wanted: their operations cannot be saved.

Bytes parameter_of(const Mechanism& row, const CK_MECHANISM& mechanism) {
  if (row.parameter == Parameter::kNone) return {};
  if (row.parameter == Parameter::kChaCha20) {
    const auto given = mechanism_parameter<CK_CHACHA20_PARAMS>(mechanism);
    Bytes bytes = {static_cast<uint8_t>(given.blockCounterBits)};
    append(bytes, parameter_bytes(given.pBlockCounter, given.blockCounterBits / 8));
    append(bytes, parameter_bytes(given.pNonce, given.ulNonceBits / 8));
    return bytes;
  }
  if (row.parameter == Parameter::kEddsa && mechanism.ulParameterLen != 0) {
    const auto given = mechanism_parameter<CK_EDDSA_PARAMS>(mechanism);
    Bytes bytes = {given.phFlag};
    append(bytes, parameter_bytes(given.pContextData, given.ulContextDataLen));
    return bytes;
  }
  return parameter_bytes(mechanism.pParameter, mechanism.ulParameterLen);
}

Begun begun_with(const Mechanism& row, const CK_MECHANISM& mechanism, const ObjectPtr& key) {
  return {&row, parameter_of(row, mechanism), key};
}

}  // namespace

DigestOperation begin_digest(const CK_MECHANISM* mechanism) {
  const Mechanism& row = require_mechanism(mechanism, CKF_DIGEST);
  return {digest_of(row, *mechanism), false, begun_with(row, *mechanism, nullptr)};
}

CryptOperation begin_crypt(Session& session, crypto::Direction direction, const CK_MECHANISM* mechanism,
                           CK_OBJECT_HANDLE key) {
  const Side& side = direction == crypto::Direction::kEncrypt ? kEncryption : kDecryption;
  const Mechanism& row = require_mechanism(mechanism, side.flag);
  const ObjectPtr object = require_key_for(session, key, side.key_class, side.use, row);
  return {make_crypt(session, row, *mechanism, *object, direction), use_key(session, *object), false, std::nullopt,
          begun_with(row, *mechanism, object)};
}

SignOperation begin_signature(Session& session, const CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  const Mechanism& row = require_mechanism(mechanism, CKF_SIGN);
  const ObjectPtr object = require_key_for(session, key, CKO_PRIVATE_KEY, CKA_SIGN, row);
  return {make_signer(session, row, *mechanism, *object), use_key(session, *object), false,
          begun_with(row, *mechanism, object)};
}

VerifyOperation begin_verification(Session& session, const CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  const Mechanism& row = require_mechanism(mechanism, CKF_VERIFY);
  const ObjectPtr object = require_key_for(session, key, CKO_PUBLIC_KEY, CKA_VERIFY, row);
  // A public key asks for nothing; a secret key may be private.
  return {make_verifier(session, row, *mechanism, *object),
          row.works_with_secret_keys() ? use_key(session, *object) : KeyUse{}, false,
          begun_with(row, *mechanism, object)};
}

MechanismAgain::MechanismAgain(const Mechanism& row, Bytes parameter) : bytes_(std::move(parameter)) {
  mechanism_ = {row.type, bytes_.empty() ? nullptr : bytes_.data(), bytes_.size()};
  if (row.parameter == Parameter::kChaCha20 && bytes_.size() > 1 + 8) {
    const CK_ULONG bits = bytes_[0] == 64 ? 64 : 32;
    const size_t counter = bits / 8, nonce = bytes_.size() - 1 - counter;
    chacha_ = {bytes_.data() + 1, bits, bytes_.data() + 1 + counter, 8 * nonce};
    mechanism_.pParameter = &chacha_;
    mechanism_.ulParameterLen = sizeof chacha_;
  } else if (row.parameter == Parameter::kEddsa && !bytes_.empty()) {
    eddsa_ = {bytes_[0], bytes_.size() - 1, bytes_.data() + 1};
    mechanism_.pParameter = &eddsa_;
    mechanism_.ulParameterLen = sizeof eddsa_;
  }
}

}  // namespace vtpm::pkcs11
