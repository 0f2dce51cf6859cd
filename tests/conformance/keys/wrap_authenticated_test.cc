// SPDX-License-Identifier: Apache-2.0
// C_WrapKeyAuthenticated and C_UnwrapKeyAuthenticated (PKCS#11 3.2, 5.18): vectors, nonces, tags, and which keys may be
// wrapped.
#include <set>

#include "tests/conformance/harness/keys.h"
#include "tests/conformance/harness/message_parameter.h"

namespace vtpm::conformance {
namespace {

Template aead_wrapper(const Bytes& value = Bytes(32, 0x57)) {
  return {
      {CKA_CLASS, CKO_SECRET_KEY}, {CKA_KEY_TYPE, CKK_AES}, {CKA_VALUE, value}, {CKA_WRAP, true}, {CKA_UNWRAP, true}};
}

class WrapAuthenticated : public WithUser {
 protected:
  /// The call is preceded by a size query and by a call with a buffer that is one byte too small, neither of which
  /// changes nonce or tag.
  CK_RV try_wrap(MessageParameter& parameter, CK_OBJECT_HANDLE by, CK_OBJECT_HANDLE key, const Bytes& data,
                 Bytes* wrapped = nullptr) {
    CK_MECHANISM mechanism{parameter.mechanism, parameter.data(), parameter.size()};
    const auto call = [&](CK_BYTE* to, CK_ULONG* size) {
      return p11_3().C_WrapKeyAuthenticated(session, &mechanism, by, key, bytes_pointer(data), data.size(), to, size);
    };
    const Bytes nonce = parameter.nonce, tag = parameter.tag;
    CK_ULONG size = 0;
    CK_RV rv = call(nullptr, &size);
    if (rv != CKR_OK) return rv;
    const CK_ULONG all = size--;
    Bytes out(all + 1, 0xEE);
    EXPECT_RV(CKR_BUFFER_TOO_SMALL, call(out.data(), &size));
    EXPECT_EQ(size, all);
    EXPECT_EQ(out, Bytes(all + 1, 0xEE));
    EXPECT_EQ(parameter.nonce, nonce);
    EXPECT_EQ(parameter.tag, tag);
    rv = call(out.data(), &size);
    if (rv != CKR_OK) return rv;
    EXPECT_EQ(size, all);
    EXPECT_EQ(out.back(), 0xEE) << "written beyond the size that was announced";
    out.resize(size);
    if (wrapped) *wrapped = out;
    return CKR_OK;
  }
  CK_RV try_unwrap(MessageParameter parameter, CK_OBJECT_HANDLE by, const Bytes& wrapped, const Bytes& data,
                   Template wanted, CK_OBJECT_HANDLE* key = nullptr) {
    CK_MECHANISM mechanism{parameter.mechanism, parameter.data(), parameter.size()};
    CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
    return p11_3().C_UnwrapKeyAuthenticated(session, &mechanism, by, bytes_pointer(wrapped), wrapped.size(),
                                            wanted.data(), wanted.size(), bytes_pointer(data), data.size(),
                                            key ? key : &made);
  }

  const Bytes beside = bytes("for whom, and from whom"), value = Bytes(32, 0x42);
  CK_OBJECT_HANDLE wrapper = session.create(aead_wrapper());
  CK_OBJECT_HANDLE secret = secret_key(session, CKK_GENERIC_SECRET, value);
  MessageParameter gcm{CKM_AES_GCM, Bytes(12, 7), Bytes(16)};
  MessageParameter ccm{CKM_AES_CCM, Bytes(12, 7), Bytes(16), 0, CKG_NO_GENERATE, 32};
};

TEST_F(WrapAuthenticated, MatchesThePublishedVectors) {
  size_t wrapped_ones = 0, bad_ones = 0;
  for_each_line("aead.txt", [&](const Line& line) {
    const CK_MECHANISM_TYPE type = aead_of(line);
    const Bytes cipher = line.bytes("cipher"), tag = line.bytes("tag"), associated = line.bytes("associated");
    if (type == CKM_CHACHA20_POLY1305 || cipher.empty()) return;  // there is nothing to unwrap, because no key is empty
    const bool good = line.text("result") == "good";
    const CK_OBJECT_HANDLE by = session.create(aead_wrapper(line.bytes("key")));
    MessageParameter given{type, line.bytes("nonce"), tag};
    given.data_bytes = cipher.size();
    CK_OBJECT_HANDLE came = CK_INVALID_HANDLE;
    EXPECT_RV(good ? CKR_OK : CKR_WRAPPED_KEY_INVALID,
              try_unwrap(given, by, cipher, associated, shown_secret(0), &came));
    bad_ones += good ? 0 : 1;
    if (good) {
      ++wrapped_ones;
      EXPECT_EQ(to_hex(session.get(came, CKA_VALUE)), line.text("plain"));
      given.tag = Bytes(tag.size());
      Bytes wrapped;
      EXPECT_RV(CKR_OK, try_wrap(given, by, came, associated, &wrapped));
      EXPECT_EQ(to_hex(wrapped), to_hex(cipher));
      EXPECT_EQ(to_hex(given.tag), to_hex(tag));
    }
    MUST(p11->C_DestroyObject(session, by));
  });
  EXPECT_GT(wrapped_ones, 0u);
  EXPECT_GT(bad_ones, 0u);
}

TEST_F(WrapAuthenticated, AnyChangedByteIsRejected) {
  for (MessageParameter parameter : {gcm, ccm}) {
    SCOPED_TRACE(parameter.mechanism);
    Bytes wrapped;
    MUST(try_wrap(parameter, wrapper, secret, beside, &wrapped));
    EXPECT_EQ(wrapped.size(), value.size()) << "the tag is in the parameter";
    const auto answer = [&](const MessageParameter& with, const Bytes& bytes, const Bytes& data) {
      return try_unwrap(with, wrapper, bytes, data, shown_secret(0));
    };
    EXPECT_RV(CKR_OK, answer(parameter, wrapped, beside));
    Bytes changed = wrapped;
    changed[31] ^= 1;
    EXPECT_RV(CKR_WRAPPED_KEY_INVALID, answer(parameter, changed, beside));
    EXPECT_RV(CKR_WRAPPED_KEY_INVALID, answer(parameter, wrapped, bytes("for another recipient")));
    EXPECT_RV(CKR_WRAPPED_KEY_INVALID, answer(parameter, wrapped, {}));
    MessageParameter other = parameter;
    other.tag[0] ^= 1;
    EXPECT_RV(CKR_WRAPPED_KEY_INVALID, answer(other, wrapped, beside));
    other = parameter;
    other.nonce[0] ^= 1;
    EXPECT_RV(CKR_WRAPPED_KEY_INVALID, answer(other, wrapped, beside));
  }
}

TEST_F(WrapAuthenticated, PrivateKeysAreWrappedAndPlacedInTheTpm) {
  const KeyPair pair = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}},
                                        {{CKA_SENSITIVE, false}, {CKA_EXTRACTABLE, true}});
  const Template wanted = {{CKA_CLASS, CKO_PRIVATE_KEY}, {CKA_KEY_TYPE, CKK_EC}, {CKA_EXTRACTABLE, false}};
  Bytes wrapped;
  MUST(try_wrap(gcm, wrapper, pair.private_key, beside, &wrapped));
  CK_OBJECT_HANDLE came = CK_INVALID_HANDLE;
  MUST(try_unwrap(gcm, wrapper, wrapped, beside, wanted, &came));
  EXPECT_TRUE(session.flag(came, kVtpmResident));
  const Bytes digest(32, 1);
  EXPECT_RV(CKR_OK, session.try_verify(CKM_ECDSA, pair.public_key, digest, session.sign(CKM_ECDSA, came, digest)));
  EXPECT_RV(CKR_WRAPPED_KEY_INVALID, try_unwrap(gcm, wrapper, wrapped, beside, wanted.with({{CKA_KEY_TYPE, CKK_RSA}})));
  // The token knows how long the key is, whatever CCM's ulDataLen says (3.2, 6.13).
  for (const CK_ULONG said : {CK_ULONG{0}, CK_ULONG{32}, kAbsurd}) {
    MessageParameter parameter = ccm;
    parameter.data_bytes = said;
    EXPECT_RV(CKR_OK, try_wrap(parameter, wrapper, pair.private_key, beside, &wrapped));
    EXPECT_RV(CKR_OK, try_unwrap(parameter, wrapper, wrapped, beside, wanted));
  }
  // With a nonce of 13 bytes CCM accepts at most 2^16 - 1 bytes (RFC 3610).
  MessageParameter short_length{CKM_AES_CCM, Bytes(13, 7), Bytes(16)};
  EXPECT_RV(CKR_WRAPPED_KEY_LEN_RANGE, try_unwrap(short_length, wrapper, Bytes(65536, 1), beside, wanted));
  EXPECT_RV(CKR_WRAPPED_KEY_INVALID, try_unwrap(short_length, wrapper, Bytes(65535, 1), beside, wanted));
}

TEST_F(WrapAuthenticated, GeneratedNoncesDoNotRepeat) {
  for (const MessageParameter& kind : {gcm, ccm}) {
    SCOPED_TRACE(kind.mechanism);
    for (const CK_GENERATOR_FUNCTION generator : {CKG_GENERATE, CKG_GENERATE_RANDOM}) {
      std::set<Bytes> nonces;
      for (int i = 0; i < 8; ++i) {
        MessageParameter parameter = kind;
        parameter.generator = generator;
        parameter.fixed_bits = 32;
        Bytes wrapped;
        MUST(try_wrap(parameter, wrapper, secret, beside, &wrapped));
        EXPECT_EQ(Bytes(parameter.nonce.begin(), parameter.nonce.begin() + 4), Bytes(4, 7)) << "the fixed bits";
        nonces.insert(parameter.nonce);
        EXPECT_RV(CKR_OK, try_unwrap(parameter, wrapper, wrapped, beside, shown_secret(0)));
      }
      EXPECT_EQ(nonces.size(), 8u);
    }
    // Each call is an operation of its own, so a counter would start anew, repeat the nonce and so reveal the
    // authentication key.
    for (const CK_GENERATOR_FUNCTION generator : {CKG_GENERATE_COUNTER, CKG_GENERATE_COUNTER_XOR}) {
      MessageParameter parameter = kind;
      parameter.generator = generator;
      EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, try_wrap(parameter, wrapper, secret, beside));
      parameter.generator = CKG_NO_GENERATE;
      Bytes wrapped;
      MUST(try_wrap(parameter, wrapper, secret, beside, &wrapped));
      parameter.generator = generator;
      EXPECT_RV(CKR_OK, try_unwrap(parameter, wrapper, wrapped, beside, shown_secret(0))) << "no nonce is made";
    }
  }
}

TEST_F(WrapAuthenticated, TheRulesOfC_WrapKeyApply) {
  const Template key = {{CKA_CLASS, CKO_SECRET_KEY}, {CKA_KEY_TYPE, CKK_AES}, {CKA_VALUE, Bytes(16, 1)}};
  const Template trusting = key.with({{CKA_EXTRACTABLE, true}, {CKA_WRAP_WITH_TRUSTED, true}});
  const KeyPair pair = session.generate_ec(kP256);
  EXPECT_RV(CKR_KEY_UNEXTRACTABLE, try_wrap(gcm, wrapper, session.create(key), beside));
  EXPECT_RV(CKR_KEY_UNEXTRACTABLE, try_wrap(gcm, wrapper, pair.private_key, beside)) << "in the TPM";
  EXPECT_RV(CKR_KEY_NOT_WRAPPABLE, try_wrap(gcm, wrapper, pair.public_key, beside));
  EXPECT_RV(CKR_KEY_NOT_WRAPPABLE, try_wrap(gcm, wrapper, session.create(trusting), beside));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, try_wrap(gcm, wrapper, 0, beside));
  EXPECT_RV(CKR_WRAPPING_KEY_HANDLE_INVALID, try_wrap(gcm, 0, secret, beside));
  EXPECT_RV(CKR_WRAPPING_KEY_TYPE_INCONSISTENT, try_wrap(gcm, secret, secret, beside));
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED,
            try_wrap(gcm, session.create(aead_wrapper().with({{CKA_WRAP, false}})), secret, beside));
  Bytes wrapped;
  MUST(try_wrap(gcm, wrapper, secret, beside, &wrapped));
  EXPECT_RV(CKR_UNWRAPPING_KEY_HANDLE_INVALID, try_unwrap(gcm, 0, wrapped, beside, shown_secret(0)));
  EXPECT_RV(CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT, try_unwrap(gcm, secret, wrapped, beside, shown_secret(0)));
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, try_unwrap(gcm, session.create(aead_wrapper().with({{CKA_UNWRAP, false}})),
                                                       wrapped, beside, shown_secret(0)));
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, try_unwrap(gcm, wrapper, wrapped, beside, {{CKA_CLASS, CKO_SECRET_KEY}}));
  EXPECT_RV(CKR_WRAPPED_KEY_LEN_RANGE, try_unwrap(gcm, wrapper, wrapped, beside, shown_secret(31)));
}

TEST_F(WrapAuthenticated, RejectsBadArguments) {
  CK_MECHANISM mechanism{CKM_AES_GCM, gcm.data(), gcm.size()};
  Bytes data = beside, room(64);
  CK_ULONG size = room.size();
  const auto wraps = [&](CK_MECHANISM* how, CK_BYTE* associated, CK_ULONG length, CK_ULONG* to) {
    return p11_3().C_WrapKeyAuthenticated(session, how, wrapper, secret, associated, length, room.data(), to);
  };
  EXPECT_RV(CKR_ARGUMENTS_BAD, wraps(nullptr, data.data(), data.size(), &size));
  EXPECT_RV(CKR_ARGUMENTS_BAD, wraps(&mechanism, nullptr, 1, &size));
  EXPECT_RV(CKR_ARGUMENTS_BAD, wraps(&mechanism, data.data(), kAbsurd, &size));
  EXPECT_RV(CKR_ARGUMENTS_BAD, wraps(&mechanism, data.data(), data.size(), nullptr));
  EXPECT_RV(CKR_OK, wraps(&mechanism, nullptr, 0, &size));
  Template wanted = shown_secret(0);
  CK_ATTRIBUTE* rows = wanted.data();
  const CK_ULONG count = wanted.size();
  CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
  const auto unwraps = [&](CK_MECHANISM* how, CK_BYTE* bytes, CK_BYTE* associated, CK_ULONG length,
                           CK_OBJECT_HANDLE* key) {
    return p11_3().C_UnwrapKeyAuthenticated(session, how, wrapper, bytes, 32, rows, count, associated, length, key);
  };
  EXPECT_RV(CKR_ARGUMENTS_BAD, unwraps(nullptr, room.data(), nullptr, 0, &made));
  EXPECT_RV(CKR_ARGUMENTS_BAD, unwraps(&mechanism, nullptr, nullptr, 0, &made));
  EXPECT_RV(CKR_ARGUMENTS_BAD, unwraps(&mechanism, room.data(), nullptr, 1, &made));
  EXPECT_RV(CKR_ARGUMENTS_BAD, unwraps(&mechanism, room.data(), nullptr, 0, nullptr));
  EXPECT_RV(CKR_OK, unwraps(&mechanism, room.data(), nullptr, 0, &made));
  // Mechanisms without associated data, and parameters of C_EncryptInit, are rejected.
  for (const CK_MECHANISM_TYPE type : {CKM_AES_KEY_WRAP, CKM_AES_CBC_PAD, CKM_RSA_PKCS, CKM_CHACHA20_POLY1305}) {
    CK_MECHANISM other{type, gcm.data(), gcm.size()};
    EXPECT_RV(CKR_MECHANISM_INVALID, wraps(&other, data.data(), data.size(), &size)) << type;
    EXPECT_RV(CKR_MECHANISM_INVALID, unwraps(&other, room.data(), nullptr, 0, &made)) << type;
  }
  Bytes iv(12, 1);
  CK_GCM_PARAMS plain{iv.data(), iv.size(), 96, nullptr, 0, 128};
  CK_MECHANISM of_encryption{CKM_AES_GCM, &plain, sizeof plain};
  CK_MECHANISM without{CKM_AES_GCM, nullptr, 0};
  for (CK_MECHANISM* bad : {&of_encryption, &without}) {
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, wraps(bad, data.data(), data.size(), &size));
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, unwraps(bad, room.data(), nullptr, 0, &made));
  }
  MessageParameter short_tag = gcm;
  short_tag.tag.resize(3);
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, try_wrap(short_tag, wrapper, secret, beside));
}

}  // namespace
}  // namespace vtpm::conformance
