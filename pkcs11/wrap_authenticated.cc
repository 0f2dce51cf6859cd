// The cipher of C_WrapKeyAuthenticated and C_UnwrapKeyAuthenticated (PKCS#11 3.2, 5.18): one message of an AEAD.
#include "pkcs11/message_crypt.h"
#include "pkcs11/refusal.h"
#include "pkcs11/wrap.h"

namespace vtpm::pkcs11 {
namespace {

/// One call is the whole process of messages: a counter would begin anew with each, and give the same nonce again.
void require_generator(CK_GENERATOR_FUNCTION generator) {
  refuse_if(generator == CKG_GENERATE_COUNTER || generator == CKG_GENERATE_COUNTER_XOR, CKR_MECHANISM_PARAM_INVALID,
            "a counter makes no nonce for a single key; let it be random (CKG_GENERATE_RANDOM) or bring your own");
}

class OneMessage : public Crypt {
 public:
  OneMessage(std::unique_ptr<MessageCrypt> crypt, const MessageParameter& parameter, ByteView associated)
      : crypt_(std::move(crypt)), parameter_(parameter), associated_(associated) {}

  size_t message_octets(size_t in) const override { return in; }
  bool exact() const override { return true; }
  size_t message(ByteView in, MutableByteView out) override {
    crypt_->message(parameter_, associated_, in, out);
    return in.size();
  }

  // A key comes whole.
  bool takes_parts() const override { return false; }
  size_t update_octets(size_t) const override { return 0; }
  void update(ByteView, MutableByteView) override {}
  size_t finish_octets() const override { return 0; }
  void finish(MutableByteView) override {}

 private:
  std::unique_ptr<MessageCrypt> crypt_;
  MessageParameter parameter_;
  ByteView associated_;
};

}  // namespace

const Mechanism& require_authenticated_mechanism(const CK_MECHANISM* mechanism, CK_FLAGS use) {
  const Mechanism& row = require_mechanism(mechanism, use);
  refuse_if(!row.aead, CKR_MECHANISM_INVALID, "the mechanism takes no associated data");
  return row;
}

std::unique_ptr<Crypt> make_authenticated_crypt(const WrapCall& call, crypto::Direction direction) {
  const MessageParameter parameter =
      message_parameter(call.row, call.mechanism.pParameter, call.mechanism.ulParameterLen);
  if (direction == crypto::Direction::kEncrypt) require_generator(parameter.generator);
  const SecretAttributes secret = call.session.token->secret_of(call.key);
  return std::make_unique<OneMessage>(make_message_crypt(call.row, secret.get(CKA_VALUE), direction), parameter,
                                      *call.associated);
}

}  // namespace vtpm::pkcs11
