// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/operation/aead_crypt.h"

#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/operation/untangled.h"

namespace vtpm::pkcs11 {
namespace {

using crypto::AeadMode;

/// The parameter, copied from the caller's memory.
struct AeadStart {
  Bytes nonce, associated;
  size_t tag_bytes = 16;
  std::optional<size_t> data_bytes;  // CCM: the length of the data, which must be known at the start

  crypto::AeadMessage message() const { return {nonce, associated}; }
};

AeadStart aead_start(const Mechanism& row, const CK_MECHANISM& mechanism) {
  AeadStart start;
  switch (row.parameter) {
    case Parameter::kGcm: {
      const auto given = mechanism_parameter<CK_GCM_PARAMS>(mechanism);
      start.nonce = parameter_bytes(given.pIv, given.ulIvLen);
      start.associated = parameter_bytes(given.pAAD, given.ulAADLen);
      refuse_parameter_if(given.ulTagBits % 8 != 0, "the length of the tag must be a multiple of 8 bits");
      start.tag_bytes = given.ulTagBits / 8;
      break;
    }
    case Parameter::kCcm: {
      const auto given = mechanism_parameter<CK_CCM_PARAMS>(mechanism);
      start.nonce = parameter_bytes(given.pNonce, given.ulNonceLen);
      start.associated = parameter_bytes(given.pAAD, given.ulAADLen);
      start.tag_bytes = given.ulMACLen;
      start.data_bytes = given.ulDataLen;
      break;
    }
    default: {
      const auto given = mechanism_parameter<CK_SALSA20_CHACHA20_POLY1305_PARAMS>(mechanism);
      start.nonce = parameter_bytes(given.pNonce, poly1305_nonce_bytes(given.ulNonceLen));
      start.associated = parameter_bytes(given.pAAD, given.ulAADLen);
    }
  }
  refuse_parameter_if(!crypto::aead_takes_nonce(*row.aead, start.nonce.size()),
                      "the mechanism does not support a nonce of this length");
  refuse_parameter_if(!crypto::aead_takes_tag(*row.aead, start.tag_bytes),
                      "the mechanism does not support a tag of this length");
  return start;
}

class Sealing : public Crypt {
 public:
  Sealing(AeadMode mode, ByteView key, AeadStart start)
      : key_(mode, key), start_(std::move(start)), sealer_(key_, start_.message(), start_.tag_bytes) {}

  size_t message_bytes(size_t in) const override { return in + start_.tag_bytes; }
  bool exact() const override { return true; }
  size_t message(ByteView in, MutableByteView out) override {
    require_length(in.size());
    refuse_if(in.size() > crypto::aead_bytes_at_most(key_.mode(), start_.nonce.size()), CKR_DATA_LEN_RANGE,
              "data length out of range for the mechanism and nonce");
    const Untangled from(in, out);
    key_.seal(start_.message(), from.view(), out.first(in.size()), out.subspan(in.size(), start_.tag_bytes));
    return in.size() + start_.tag_bytes;
  }

  size_t update_bytes(size_t in) const override { return sealer_.update_bytes(in); }
  void update(ByteView in, MutableByteView out) override {
    require_at_most(sealer_.total() + in.size());
    const Untangled from(in, out);
    refuse_if(!sealer_.update(from.view(), out), CKR_DATA_LEN_RANGE,
              "data length out of range for the mechanism and nonce");
  }
  size_t finish_bytes() const override { return sealer_.finish_bytes() + start_.tag_bytes; }
  void finish(MutableByteView out) override {
    require_length(sealer_.total());
    const size_t text = sealer_.finish_bytes();
    sealer_.finish(out.first(text), out.subspan(text));
  }

 private:
  void require_length(uint64_t bytes) const {
    refuse_if(start_.data_bytes && *start_.data_bytes != bytes, CKR_DATA_LEN_RANGE,
              "the data do not have the length in the mechanism's parameter");
  }
  /// CCM keeps the parts until the end: data that exceed the length are rejected at once.
  void require_at_most(uint64_t bytes) const {
    refuse_if(start_.data_bytes && *start_.data_bytes < bytes, CKR_DATA_LEN_RANGE,
              "the data exceed the length in the mechanism's parameter");
  }

  crypto::AeadKey key_;
  AeadStart start_;
  crypto::AeadSealer sealer_;
};

class Opening : public Crypt {
 public:
  Opening(AeadMode mode, ByteView key, AeadStart start)
      : key_(mode, key), start_(std::move(start)), opener_(key_, start_.message(), start_.tag_bytes) {}

  size_t message_bytes(size_t in) const override { return in > start_.tag_bytes ? in - start_.tag_bytes : 0; }
  bool exact() const override { return true; }
  size_t message(ByteView in, MutableByteView out) override {
    require_length(in.size());
    const size_t text = in.size() - start_.tag_bytes;
    const Untangled from(in, out);
    refuse_if(!key_.open(start_.message(), from.view().first(text), from.view().subspan(text), out.first(text)),
              CKR_ENCRYPTED_DATA_INVALID, "the tag is wrong");
    return text;
  }

  size_t update_bytes(size_t) const override { return 0; }
  void update(ByteView in, MutableByteView) override {
    refuse_if(start_.data_bytes && opener_.size() + in.size() > *start_.data_bytes + start_.tag_bytes,
              CKR_ENCRYPTED_DATA_LEN_RANGE, "the data exceed the length in the mechanism's parameter");
    refuse_if(!opener_.update(in), CKR_ENCRYPTED_DATA_LEN_RANGE,
              "data length out of range for the mechanism and nonce");
  }
  size_t finish_bytes() const override { return message_bytes(opener_.size()); }
  void finish(MutableByteView out) override {
    require_length(opener_.size());
    refuse_if(opener_.finish(out) != crypto::AeadOpener::Result::kGood, CKR_ENCRYPTED_DATA_INVALID, "the tag is wrong");
  }

 private:
  /// `bytes`: the length with the tag.
  void require_length(size_t bytes) const {
    const size_t tag = start_.tag_bytes;
    const auto at_most = crypto::aead_bytes_at_most(key_.mode(), start_.nonce.size());
    refuse_if(bytes < tag || bytes - tag > at_most, CKR_ENCRYPTED_DATA_LEN_RANGE,
              "encrypted data length out of range: shorter than the tag, or too long for the mechanism and nonce");
    // The standard does not say whether ulDataLen includes the tag; applications do both.
    refuse_if(start_.data_bytes && *start_.data_bytes != bytes && *start_.data_bytes != bytes - tag,
              CKR_ENCRYPTED_DATA_LEN_RANGE, "the data do not have the length in the mechanism's parameter");
  }

  crypto::AeadKey key_;
  AeadStart start_;
  crypto::AeadOpener opener_;
};

}  // namespace

std::unique_ptr<Crypt> make_aead_crypt(const Mechanism& row, const CK_MECHANISM& mechanism, ByteView key,
                                       crypto::Direction direction) {
  AeadStart start = aead_start(row, mechanism);
  if (direction == crypto::Direction::kEncrypt) return std::make_unique<Sealing>(*row.aead, key, std::move(start));
  return std::make_unique<Opening>(*row.aead, key, std::move(start));
}

}  // namespace vtpm::pkcs11
