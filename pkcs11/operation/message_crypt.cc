// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/operation/message_crypt.h"

#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/operation/untangled.h"

namespace vtpm::pkcs11 {
namespace {

using crypto::AeadMessage;

crypto::AeadMessage aead_message(const MessageParameter& parameter, ByteView associated) {
  return {parameter.nonce, associated};
}

/// What both directions have in common: the present message in parts.
template <typename Running>
class AeadMessages : public MessageCrypt {
 public:
  AeadMessages(crypto::AeadMode mode, ByteView key, CK_RV length_error)
      : key_(mode, key), length_error_(length_error) {}

  bool in_message() const override { return running_.has_value(); }
  void drop() override { running_.reset(); }

 protected:
  void start(const MessageParameter& parameter, ByteView associated) {
    nonce_bytes_ = parameter.nonce.size();
    tag_bytes_ = parameter.tag_bytes;
    data_bytes_ = parameter.data_bytes;
    running_.emplace(key_, aead_message(parameter, associated), tag_bytes_);
  }
  void require_length(const std::optional<size_t>& promised, uint64_t bytes, size_t nonce_bytes) const {
    refuse_if(promised && *promised != bytes, length_error_,
              "the message does not have the length in the mechanism's parameter");
    require_possible(bytes <= crypto::aead_bytes_at_most(key_.mode(), nonce_bytes));
  }
  /// Must be called before a part is accepted, because CCM keeps the parts until the end.
  void require_room(uint64_t bytes) const {
    refuse_if(data_bytes_ && *data_bytes_ < bytes, length_error_,
              "the message exceeds the length in the mechanism's parameter");
  }
  void require_possible(bool possible) const {
    refuse_if(!possible, length_error_, "message length out of range for the mechanism and nonce");
  }
  /// The tag of the message in parts, from the parameter of the last part.
  MutableByteView last_tag(const MessageParameter* parameter) const {
    refuse_parameter_if(!parameter || parameter->tag_bytes != tag_bytes_,
                        "the tag has another length than when the message began");
    return parameter->tag();
  }

  crypto::AeadKey key_;
  const CK_RV length_error_;
  std::optional<Running> running_;
  size_t nonce_bytes_ = 0, tag_bytes_ = 0;
  std::optional<size_t> data_bytes_;
};

class Encryption : public AeadMessages<crypto::AeadSealer> {
 public:
  Encryption(crypto::AeadMode mode, ByteView key) : AeadMessages(mode, key, CKR_DATA_LEN_RANGE) {}

  void message(const MessageParameter& parameter, ByteView associated, ByteView in, MutableByteView out) override {
    require_length(parameter.data_bytes, in.size(), parameter.nonce.size());
    const MutableByteView tag = parameter.tag();
    nonces_.fill(parameter);
    const Untangled from(in, out);
    key_.seal(aead_message(parameter, associated), from.view(), out, tag);
  }
  void begin(const MessageParameter& parameter, ByteView associated) override {
    nonces_.fill(parameter);
    start(parameter, associated);
  }
  size_t next_bytes(size_t in, bool last) const override {
    return last ? running_->finish_bytes() + in : running_->update_bytes(in);
  }
  void next(const MessageParameter* parameter, ByteView in, MutableByteView out, bool last) override {
    const MutableByteView tag = last ? last_tag(parameter) : MutableByteView();
    require_room(running_->total() + in.size());
    const Untangled from(in, out);
    const size_t begun = running_->update_bytes(in.size());
    require_possible(running_->update(from.view(), out.first(begun)));
    if (!last) return;
    require_length(data_bytes_, running_->total(), nonce_bytes_);
    running_->finish(out.subspan(begun), tag);
    drop();
  }

 private:
  NonceGenerator nonces_;
};

class Decryption : public AeadMessages<crypto::AeadOpener> {
 public:
  Decryption(crypto::AeadMode mode, ByteView key) : AeadMessages(mode, key, CKR_ENCRYPTED_DATA_LEN_RANGE) {}

  void message(const MessageParameter& parameter, ByteView associated, ByteView in, MutableByteView out) override {
    require_length(parameter.data_bytes, in.size(), parameter.nonce.size());
    const Untangled from(in, out);
    require_good(key_.open(aead_message(parameter, associated), from.view(), parameter.tag(), out));
  }
  void begin(const MessageParameter& parameter, ByteView associated) override { start(parameter, associated); }
  size_t next_bytes(size_t in, bool last) const override { return last ? running_->size() + in : 0; }
  void next(const MessageParameter* parameter, ByteView in, MutableByteView out, bool last) override {
    const MutableByteView tag = last ? last_tag(parameter) : MutableByteView();
    require_room(running_->size() + in.size());
    require_possible(running_->update(in));
    if (!last) return;
    require_length(data_bytes_, running_->size(), nonce_bytes_);
    require_good(running_->finish(tag, out) == crypto::AeadOpener::Result::kGood);
    drop();
  }

 private:
  static void require_good(bool good) { refuse_if(!good, CKR_AEAD_DECRYPT_FAILED, "the tag is wrong"); }
};

}  // namespace

std::unique_ptr<MessageCrypt> make_message_crypt(const Mechanism& row, ByteView key, crypto::Direction direction) {
  if (direction == crypto::Direction::kEncrypt) return std::make_unique<Encryption>(*row.aead, key);
  return std::make_unique<Decryption>(*row.aead, key);
}

}  // namespace vtpm::pkcs11
