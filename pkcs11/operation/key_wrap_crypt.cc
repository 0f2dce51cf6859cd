// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/operation/key_wrap_crypt.h"

#include <algorithm>

#include "crypto/symmetric/key_wrap.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/mechanism/family_table.h"

namespace vtpm::pkcs11 {
namespace {

using crypto::WrapMode;

constexpr size_t kUnit = 8;  // bytes

struct KeyWrapForm {
  bool kw = false;    // wraps or unwraps by KW, whose initial value has 8 bytes
  bool kwp = false;   // wraps or unwraps by KWP, whose initial value has 4 bytes
  bool pads = false;  // pads as PKCS #7 does, before KW
};
constexpr VariantTable<KeyWrapForm> kForms({
    {Variant::kKw, {.kw = true}},
    {Variant::kKwp, {.kwp = true}},
    {Variant::kKwpOrKw, {.kw = true, .kwp = true, .pads = true}},
    {Variant::kPaddedKw, {.kw = true, .pads = true}},
});
static_assert(kForms.covers(Family::kKeyWrap));

class KeyWrapCrypt : public Crypt {
 public:
  KeyWrapCrypt(const KeyWrapForm& form, ByteView key, Bytes iv) : form_(form), key_(key), iv_(std::move(iv)) {
    const bool kwp = form.kwp && (!form.kw || iv_.size() != kUnit);
    mode_ = kwp ? WrapMode::kKwp : WrapMode::kKw;
    pads_ = form.pads && !kwp;
  }
  bool takes_parts() const override { return false; }
  size_t update_bytes(size_t) const override { return 0; }
  void update(ByteView, MutableByteView) override {}
  size_t finish_bytes() const override { return 0; }
  void finish(MutableByteView) override {}

 protected:
  const KeyWrapForm& form_;
  WrapMode mode_;
  bool pads_;
  SecretBytes key_;
  Bytes iv_;
};

class KeyWrapEncryption : public KeyWrapCrypt {
 public:
  using KeyWrapCrypt::KeyWrapCrypt;
  bool exact() const override { return true; }
  size_t message_bytes(size_t in) const override {
    if (pads_) return (in / kUnit + 2) * kUnit;
    return (in + kUnit - 1) / kUnit * kUnit + kUnit;
  }
  size_t message(ByteView in, MutableByteView out) override {
    SecretBytes plain(in);
    if (pads_) {
      const size_t padding = kUnit - in.size() % kUnit;
      plain.append(Bytes(padding, static_cast<uint8_t>(padding)));
    }
    refuse_if(!crypto::can_wrap(mode_, plain.size()), CKR_DATA_LEN_RANGE, "the key is too short for the mechanism");
    const Bytes wrapped = crypto::wrap(mode_, key_, plain, iv_);
    std::copy(wrapped.begin(), wrapped.end(), out.begin());
    return wrapped.size();
  }
};

class KeyWrapDecryption : public KeyWrapCrypt {
 public:
  using KeyWrapCrypt::KeyWrapCrypt;
  bool exact() const override { return mode_ == WrapMode::kKw && !pads_; }
  size_t message_bytes(size_t in) const override { return in > kUnit ? in - kUnit : 0; }
  size_t message(ByteView in, MutableByteView out) override {
    refuse_if(in.size() < 2 * kUnit || in.size() % kUnit != 0, CKR_ENCRYPTED_DATA_LEN_RANGE,
              "wrapped key length out of range (a multiple of 8 bytes, at least 16)");
    std::optional<SecretBytes> plain = crypto::unwrap(mode_, key_, in, iv_);
    if (plain && pads_) plain = without_padding(std::move(*plain));
    // CKM_AES_KEY_WRAP_PAD was KW after PKCS #7 padding in PKCS#11 2.40 and in earlier versions of this module. The
    // integrity check shows which of the two it was.
    if (!plain && form_.kw && form_.kwp && iv_.empty()) {
      plain = crypto::unwrap(WrapMode::kKw, key_, in);
      if (plain) plain = without_padding(std::move(*plain));
    }
    refuse_if(!plain, CKR_ENCRYPTED_DATA_INVALID, "the wrapped bytes were not wrapped with this key");
    std::copy(plain->begin(), plain->end(), out.begin());
    return plain->size();
  }

 private:
  // The integrity check has passed, so that the bytes were wrapped by a holder of the key, and reporting a wrong
  // padding reveals nothing.
  static std::optional<SecretBytes> without_padding(SecretBytes plain) {
    const size_t padding = plain[plain.size() - 1];
    if (padding == 0 || padding > kUnit) return std::nullopt;
    if (!std::all_of(plain.end() - static_cast<ptrdiff_t>(padding), plain.end(),
                     [&](uint8_t byte) { return byte == padding; })) {
      return std::nullopt;
    }
    plain.resize(plain.size() - padding);
    return plain;
  }
};

}  // namespace

std::unique_ptr<Crypt> make_key_wrap_crypt(const Mechanism& row, const CK_MECHANISM& mechanism, ByteView key,
                                           crypto::Direction direction) {
  Bytes iv = parameter_bytes(mechanism.pParameter, mechanism.ulParameterLen);
  const KeyWrapForm& form = kForms[row.variant];
  const bool of_kw = iv.size() == kUnit && form.kw;
  const bool of_kwp = iv.size() == kUnit / 2 && form.kwp;
  refuse_parameter_if(!iv.empty() && !of_kw && !of_kwp,
                      "the initial value must have 8 bytes (KWP: 4, PAD: 4 or 8), or be absent");
  if (direction == crypto::Direction::kEncrypt) return std::make_unique<KeyWrapEncryption>(form, key, std::move(iv));
  return std::make_unique<KeyWrapDecryption>(form, key, std::move(iv));
}

}  // namespace vtpm::pkcs11
