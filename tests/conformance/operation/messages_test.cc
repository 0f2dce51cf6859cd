// SPDX-License-Identifier: Apache-2.0
// Message-based encryption and decryption (PKCS#11 3.2, 5.9 and 5.11; parameters: 6.13, 6.66).
#include <algorithm>
#include <functional>
#include <set>

#include "tests/conformance/harness/message_parameter.h"

namespace vtpm::conformance {
namespace {

using Parameter = MessageParameter;

struct Direction {
  CK_RV (*init)(CK_SESSION_HANDLE, CK_MECHANISM*, CK_OBJECT_HANDLE);
  CK_RV (*message)(CK_SESSION_HANDLE, void*, CK_ULONG, CK_BYTE*, CK_ULONG, CK_BYTE*, CK_ULONG, CK_BYTE*, CK_ULONG*);
  CK_RV (*begin)(CK_SESSION_HANDLE, void*, CK_ULONG, CK_BYTE*, CK_ULONG);
  CK_RV (*next)(CK_SESSION_HANDLE, void*, CK_ULONG, CK_BYTE*, CK_ULONG, CK_BYTE*, CK_ULONG*, CK_FLAGS);
  CK_RV (*final)(CK_SESSION_HANDLE);
};
Direction encryption() {
  const auto& f = p11_3();
  return {f.C_MessageEncryptInit, f.C_EncryptMessage, f.C_EncryptMessageBegin, f.C_EncryptMessageNext,
          f.C_MessageEncryptFinal};
}
Direction decryption() {
  const auto& f = p11_3();
  return {f.C_MessageDecryptInit, f.C_DecryptMessage, f.C_DecryptMessageBegin, f.C_DecryptMessageNext,
          f.C_MessageDecryptFinal};
}

class Messages : public WithUser {
 protected:
  void init(const Direction& way, CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key) {
    Mechanism mechanism = type;
    MUST(way.init(session, mechanism.get(), key));
  }
  CK_RV whole(const Direction& way, Parameter& parameter, Bytes beside, Bytes in, Bytes* out) {
    out->assign(in.size() + 1, 0xEE);  // never a null pointer, which would ask for the size
    CK_ULONG size = in.size();
    void* data = parameter.data();
    const CK_RV rv = way.message(session, data, parameter.size(), beside.data(), beside.size(), in.data(), in.size(),
                                 out->data(), &size);
    out->resize(rv == CKR_OK ? size : 0);
    return rv;
  }
  /// Processes the message in parts of 1, 2, 3 … bytes, each with a buffer of the size that the query before it
  /// returned; the last part is empty.
  CK_RV parts(const Direction& way, Parameter& parameter, Bytes beside, Bytes in, Bytes* out) {
    out->clear();
    void* data = parameter.data();
    CK_RV rv = way.begin(session, data, parameter.size(), beside.data(), beside.size());
    for (size_t at = 0, part = 1; rv == CKR_OK; ++part) {
      const size_t here = std::min(part, in.size() - at);
      const CK_FLAGS flags = here == 0 ? CKF_END_OF_MESSAGE : 0;
      CK_ULONG size = 0;
      rv = way.next(session, data, parameter.size(), in.data() + at, here, nullptr, &size, flags);
      if (rv != CKR_OK) return rv;
      Bytes room(size + 1);
      rv = way.next(session, data, parameter.size(), in.data() + at, here, room.data(), &size, flags);
      if (rv == CKR_OK) out->insert(out->end(), room.begin(), room.begin() + static_cast<long>(size));
      if (flags) return rv;
      at += here;
    }
    return rv;
  }

  CK_OBJECT_HANDLE aes = secret_key(session, CKK_AES, Bytes(16, 1));
  Mechanism gcm = CKM_AES_GCM;
  const Bytes text = bytes("sixteen bytes...and some more");
};

TEST_F(Messages, MatchThePublishedVectors) {
  for_each_line("aead.txt", [&](const Line& line) {
    const CK_MECHANISM_TYPE type = aead_of(line);
    const bool good = line.text("result") == "good";
    const Bytes plain = good ? line.bytes("plain") : Bytes(), cipher = line.bytes("cipher"), tag = line.bytes("tag"),
                beside = line.bytes("associated"), nonce = line.bytes("nonce");
    const CK_OBJECT_HANDLE key =
        secret_key(session, type == CKM_CHACHA20_POLY1305 ? CKK_CHACHA20 : CKK_AES, line.bytes("key"));
    Parameter given{type, nonce, tag};
    given.data_bytes = cipher.size();
    Bytes out;
    init(decryption(), type, key);
    EXPECT_RV(good ? CKR_OK : CKR_AEAD_DECRYPT_FAILED, whole(decryption(), given, beside, cipher, &out));
    EXPECT_EQ(to_hex(out), good ? to_hex(plain) : "");
    EXPECT_RV(good ? CKR_OK : CKR_AEAD_DECRYPT_FAILED, parts(decryption(), given, beside, cipher, &out));
    EXPECT_EQ(to_hex(out), good ? to_hex(plain) : "");
    EXPECT_RV(CKR_OK, p11_3().C_MessageDecryptFinal(session));
    if (good) {
      init(encryption(), type, key);
      for (const bool in_parts : {false, true}) {
        Parameter made{type, nonce, Bytes(tag.size())};
        made.data_bytes = plain.size();
        EXPECT_RV(CKR_OK, in_parts ? parts(encryption(), made, beside, plain, &out)
                                   : whole(encryption(), made, beside, plain, &out));
        EXPECT_EQ(to_hex(out), to_hex(cipher));
        EXPECT_EQ(to_hex(made.tag), to_hex(tag));
      }
      EXPECT_RV(CKR_OK, p11_3().C_MessageEncryptFinal(session));
    }
    MUST(p11->C_DestroyObject(session, key));
  });
}

TEST_F(Messages, MayOverlapTheirOutputAnywhere) {
  Bytes expected;
  Parameter parameter{CKM_AES_GCM, Bytes(12, 7), Bytes(16)};
  init(encryption(), CKM_AES_GCM, aes);
  MUST(whole(encryption(), parameter, {}, text, &expected));
  const Bytes tag = parameter.tag;
  for (const size_t in_at : {0u, 1u, 9u}) {
    Bytes memory(text.size() + 9);
    std::copy(text.begin(), text.end(), memory.begin() + static_cast<long>(in_at));
    CK_ULONG size = text.size();
    void* data = parameter.data();
    EXPECT_RV(CKR_OK, p11_3().C_EncryptMessage(session, data, parameter.size(), nullptr, 0, memory.data() + in_at,
                                               text.size(), memory.data(), &size));
    memory.resize(size);
    EXPECT_EQ(to_hex(memory), to_hex(expected));
    EXPECT_EQ(parameter.tag, tag);
  }
}

TEST_F(Messages, SizeQueriesDoNotChangeTheMessage) {
  Parameter parameter{CKM_AES_GCM, Bytes(12), Bytes(16)};
  parameter.generator = CKG_GENERATE_COUNTER;
  init(encryption(), CKM_AES_GCM, aes);
  Bytes in = text, room(text.size());
  void* data = parameter.data();
  CK_ULONG size = 0;
  EXPECT_RV(CKR_OK, p11_3().C_EncryptMessage(session, data, parameter.size(), nullptr, 0, in.data(), in.size(), nullptr,
                                             &size));
  EXPECT_EQ(size, text.size());
  size = text.size() - 1;
  EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11_3().C_EncryptMessage(session, data, parameter.size(), nullptr, 0, in.data(),
                                                           in.size(), room.data(), &size));
  EXPECT_EQ(size, text.size());
  EXPECT_RV(CKR_OK, p11_3().C_EncryptMessage(session, data, parameter.size(), nullptr, 0, in.data(), in.size(),
                                             room.data(), &size));
  EXPECT_EQ(parameter.nonce, Bytes(12)) << "the counter still is at zero";
  // If the last part does not fit into the buffer, the message continues unchanged.
  MUST(p11_3().C_EncryptMessageBegin(session, data, parameter.size(), nullptr, 0));
  size = 1;
  EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11_3().C_EncryptMessageNext(session, data, parameter.size(), in.data(), in.size(),
                                                               room.data(), &size, CKF_END_OF_MESSAGE));
  EXPECT_RV(CKR_OK, p11_3().C_EncryptMessageNext(session, data, parameter.size(), in.data(), in.size(), room.data(),
                                                 &size, CKF_END_OF_MESSAGE));
  Bytes plain;
  init(decryption(), CKM_AES_GCM, aes);
  EXPECT_RV(CKR_OK, whole(decryption(), parameter, {}, room, &plain));
  EXPECT_EQ(plain, text);
}

// "Set the tag data before C_DecryptMessage or the final C_DecryptMessageNext" (3.2, 6.13); the same for encryption.
TEST_F(Messages, TheTagIsNamedAtTheEnd) {
  for (const CK_MECHANISM_TYPE type : {CKM_AES_GCM, CKM_AES_CCM}) {
    SCOPED_TRACE(type);
    Bytes nonce(12, 7), tag(16), cipher(text.size()), plain(text.size()), in = text;
    const auto parameter = [&](CK_BYTE* at) {
      return type == CKM_AES_GCM
                 ? bytes_of(CK_GCM_MESSAGE_PARAMS{nonce.data(), nonce.size(), 0, CKG_NO_GENERATE, at, 128})
                 : bytes_of(CK_CCM_MESSAGE_PARAMS{in.size(), nonce.data(), nonce.size(), 0, CKG_NO_GENERATE, at, 16});
    };
    Bytes early = parameter(nullptr), late = parameter(tag.data());
    CK_ULONG size = text.size();
    init(encryption(), type, aes);
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, p11_3().C_EncryptMessage(session, early.data(), early.size(), nullptr, 0,
                                                                    in.data(), in.size(), cipher.data(), &size));
    MUST(p11_3().C_EncryptMessageBegin(session, early.data(), early.size(), nullptr, 0));
    MUST(p11_3().C_EncryptMessageNext(session, early.data(), early.size(), in.data(), 0, cipher.data(), &size, 0));
    size = text.size();
    EXPECT_RV(CKR_OK, p11_3().C_EncryptMessageNext(session, late.data(), late.size(), in.data(), in.size(),
                                                   cipher.data(), &size, CKF_END_OF_MESSAGE));
    init(decryption(), type, aes);
    MUST(p11_3().C_DecryptMessageBegin(session, early.data(), early.size(), nullptr, 0));
    EXPECT_RV(CKR_OK, p11_3().C_DecryptMessageNext(session, late.data(), late.size(), cipher.data(), cipher.size(),
                                                   plain.data(), &size, CKF_END_OF_MESSAGE));
    EXPECT_EQ(plain, text);
    MUST(p11_3().C_DecryptMessageBegin(session, early.data(), early.size(), nullptr, 0));
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
              p11_3().C_DecryptMessageNext(session, early.data(), early.size(), cipher.data(), cipher.size(),
                                           plain.data(), &size, CKF_END_OF_MESSAGE));
    MUST(p11_3().C_MessageEncryptInit(session, nullptr, 0));
    MUST(p11_3().C_MessageDecryptInit(session, nullptr, 0));
  }
}

// "The ulIvFixedBits and ivGenerator fields are ignored" (3.2, 6.13).
TEST_F(Messages, DecryptionIgnoresTheGenerator) {
  Parameter parameter{CKM_AES_GCM, Bytes(12, 7), Bytes(16)};
  Bytes cipher, plain;
  init(encryption(), CKM_AES_GCM, aes);
  MUST(whole(encryption(), parameter, {}, text, &cipher));
  parameter.fixed_bits = kAbsurd;
  parameter.generator = 99;
  init(decryption(), CKM_AES_GCM, aes);
  EXPECT_RV(CKR_OK, whole(decryption(), parameter, {}, cipher, &plain));
  EXPECT_EQ(plain, text);
  EXPECT_RV(CKR_OK, parts(decryption(), parameter, {}, cipher, &plain));
  EXPECT_EQ(plain, text);
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, whole(encryption(), parameter, {}, text, &cipher));
}

// --- generators of nonces (6.13.2) ---

class Nonces : public Messages {
 protected:
  Nonces() { init(encryption(), CKM_AES_GCM, aes); }
  /// Encrypts the next message, checks that it decrypts, and returns its nonce.
  Bytes next(Parameter& parameter, CK_RV expected = CKR_OK) {
    Bytes cipher, plain;
    EXPECT_RV(expected, whole(encryption(), parameter, bytes("beside"), text, &cipher));
    if (expected != CKR_OK) return {};
    init(decryption(), parameter.mechanism, aes);
    EXPECT_RV(CKR_OK, whole(decryption(), parameter, bytes("beside"), cipher, &plain));
    EXPECT_EQ(plain, text);
    MUST(p11_3().C_MessageDecryptFinal(session));
    return parameter.nonce;
  }
};

TEST_F(Nonces, GeneratedByTheModuleDoNotRepeatAndKeepTheFixedBits) {
  for (const CK_GENERATOR_FUNCTION generator : {CKG_GENERATE, CKG_GENERATE_RANDOM}) {
    std::set<Bytes> seen;
    for (const CK_ULONG fixed : {0u, 8u, 13u, 32u}) {
      Parameter parameter{CKM_AES_GCM, Bytes(12, 0xA5), Bytes(16), fixed, generator};
      for (int i = 0; i < 50; ++i) {
        const Bytes nonce = next(parameter);
        EXPECT_TRUE(seen.insert(nonce).second);
        for (CK_ULONG bit = 0; bit < fixed; ++bit)
          EXPECT_EQ(nonce[bit / 8] >> (7 - bit % 8) & 1, 0xA5 >> (7 - bit % 8) & 1) << "fixed bit " << bit;
      }
    }
  }
}

TEST_F(Nonces, OfACounterBeginWithZero) {
  Parameter parameter{CKM_AES_GCM, from_hex("aabbccddffffffffffffffff"), Bytes(16), 32, CKG_GENERATE_COUNTER};
  EXPECT_EQ(to_hex(next(parameter)), "aabbccdd0000000000000000");
  EXPECT_EQ(to_hex(next(parameter)), "aabbccdd0000000000000001");
  parameter.fixed_bits = 92;
  EXPECT_EQ(to_hex(next(parameter)), "aabbccdd0000000000000002");
  MUST(p11_3().C_MessageEncryptFinal(session));
  init(encryption(), CKM_AES_GCM, aes);
  EXPECT_EQ(to_hex(next(parameter)), "aabbccdd0000000000000000") << "a new process of messages counts anew";
}

TEST_F(Nonces, AnExhaustedCounterIsRejectedNotRepeated) {
  Parameter parameter{CKM_AES_GCM, Bytes(12, 0xFF), Bytes(16), 94, CKG_GENERATE_COUNTER};
  const char* const expected[] = {"fc", "fd", "fe", "ff"};
  for (const char* last : expected) EXPECT_EQ(to_hex(next(parameter)), std::string(22, 'f') + last);
  next(parameter, CKR_MECHANISM_PARAM_INVALID);
  parameter.fixed_bits = 96;
  next(parameter, CKR_MECHANISM_PARAM_INVALID);
}

TEST_F(Nonces, OfAXorCounterAreTheFixedBytesXoredWithIt) {
  Parameter parameter{CKM_AES_GCM, from_hex("0102030405060708090a0b0c"), Bytes(16), 32, CKG_GENERATE_COUNTER_XOR};
  EXPECT_EQ(to_hex(next(parameter)), "0102030405060708090a0b0c");
  EXPECT_EQ(to_hex(next(parameter)), "0102030405060708090a0b0d");
  EXPECT_EQ(to_hex(next(parameter)), "0102030405060708090a0b0e");
  parameter.nonce = from_hex("0102030405060708090a0b0c");  // as the caller has set it at first
  EXPECT_EQ(to_hex(next(parameter)), "0102030405060708090a0b0f");
  parameter.nonce = from_hex("0102030405060708090a0b55");
  next(parameter, CKR_MECHANISM_PARAM_INVALID);
}

TEST_F(Nonces, RejectTooFewUnfixedBits) {
  Parameter parameter{CKM_AES_GCM, Bytes(12), Bytes(16), 33, CKG_GENERATE};
  next(parameter, CKR_MECHANISM_PARAM_INVALID);
  parameter.generator = CKG_GENERATE_RANDOM;
  next(parameter, CKR_MECHANISM_PARAM_INVALID);
  parameter.generator = 5;
  next(parameter, CKR_MECHANISM_PARAM_INVALID);
}

TEST_F(Nonces, CcmGeneratesTheUnfixedBitsOfItsNonces) {
  MUST(p11_3().C_MessageEncryptFinal(session));
  init(encryption(), CKM_AES_CCM, aes);
  Parameter parameter{CKM_AES_CCM, Bytes(13, 9), Bytes(8), 24, CKG_GENERATE, text.size()};
  const Bytes one = next(parameter), two = next(parameter);
  EXPECT_NE(one, two);
  EXPECT_EQ(Bytes(one.begin(), one.begin() + 3), Bytes(3, 9));
}

// --- the order of calls ---

TEST_F(Messages, InitAndFinalFollowTheStandard) {
  for (const Direction& way : {encryption(), decryption()}) {
    Parameter parameter{CKM_AES_GCM, Bytes(12, 1), Bytes(16)};
    void* data = parameter.data();
    Bytes room(64), in = text;
    CK_ULONG size = 64;
    EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, way.final(session));
    EXPECT_RV(CKR_ARGUMENTS_BAD, way.init(session, nullptr, aes)) << "nothing to cancel";
    MUST(way.init(session, gcm.get(), aes));
    EXPECT_RV(CKR_OPERATION_ACTIVE, way.init(session, gcm.get(), aes));
    EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED,
              way.next(session, data, parameter.size(), in.data(), in.size(), room.data(), &size, 0));
    MUST(way.begin(session, data, parameter.size(), nullptr, 0));
    EXPECT_RV(CKR_OPERATION_ACTIVE, way.begin(session, data, parameter.size(), nullptr, 0));
    EXPECT_RV(CKR_OPERATION_ACTIVE,
              way.message(session, data, parameter.size(), nullptr, 0, in.data(), in.size(), room.data(), &size));
    EXPECT_RV(CKR_OPERATION_ACTIVE, way.final(session)) << "a message is not at its end";
    EXPECT_RV(CKR_OK, way.init(session, nullptr, 0)) << "cancelled, with its message";
    EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, way.begin(session, data, parameter.size(), nullptr, 0));
    MUST(way.init(session, gcm.get(), aes));
    EXPECT_RV(CKR_OK, p11_3().C_SessionCancel(session, CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT));
    EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, way.final(session));
  }
}

TEST_F(Messages, AnErrorEndsTheMessageAndNotTheProcess) {
  Parameter parameter{CKM_AES_GCM, Bytes(12, 1), Bytes(16)};
  Bytes in = text, room(64), out;
  CK_ULONG size = 64;
  init(decryption(), CKM_AES_GCM, aes);
  void* data = parameter.data();
  MUST(p11_3().C_DecryptMessageBegin(session, data, parameter.size(), nullptr, 0));
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            p11_3().C_DecryptMessageNext(session, data, parameter.size(), nullptr, 5, room.data(), &size, 0));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED,
            p11_3().C_DecryptMessageNext(session, data, parameter.size(), in.data(), 5, room.data(), &size, 0));
  EXPECT_RV(CKR_AEAD_DECRYPT_FAILED, parts(decryption(), parameter, {}, text, &out));
  EXPECT_RV(CKR_AEAD_DECRYPT_FAILED, whole(decryption(), parameter, {}, text, &out));
  EXPECT_RV(CKR_OK, p11_3().C_MessageDecryptFinal(session));
}

TEST_F(Messages, RejectWrongParameters) {
  Bytes out;
  init(encryption(), CKM_AES_GCM, aes);
  const auto expect_invalid = [&](Parameter parameter) {
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, whole(encryption(), parameter, {}, text, &out));
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, parts(encryption(), parameter, {}, text, &out));
  };
  expect_invalid({CKM_AES_GCM, Bytes(129), Bytes(16)});
  expect_invalid({CKM_AES_GCM, Bytes(12), Bytes(17)});
  expect_invalid({CKM_AES_GCM, Bytes(12), Bytes(3)});
  expect_invalid({CKM_AES_GCM, Bytes(12), Bytes(16), 97});
  expect_invalid({CKM_AES_GCM, {}, Bytes(16)});
  expect_invalid({CKM_AES_GCM, Bytes(12), {}});
  expect_invalid({CKM_AES_CCM, Bytes(12), Bytes(16)});
  Bytes in = text;
  CK_ULONG size = 0;
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            p11_3().C_EncryptMessage(session, nullptr, 0, nullptr, 0, in.data(), in.size(), nullptr, &size));
  Mechanism odd = Mechanism::with_parameter(CKM_AES_GCM, Bytes(7));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, p11_3().C_MessageDecryptInit(session, odd.get(), aes));
  // CCM knows its length beforehand.
  init(decryption(), CKM_AES_CCM, aes);
  Parameter parameter{CKM_AES_CCM, Bytes(12), Bytes(16), 0, CKG_NO_GENERATE, text.size() + 1};
  EXPECT_RV(CKR_ENCRYPTED_DATA_LEN_RANGE, whole(decryption(), parameter, {}, text, &out));
  EXPECT_RV(CKR_ENCRYPTED_DATA_LEN_RANGE, parts(decryption(), parameter, {}, text, &out));
}

TEST_F(Messages, KeysAndMechanismsThatDoNotFitAreRejected) {
  Mechanism cbc = CKM_AES_CBC, hmac = CKM_SHA256_HMAC;
  const CK_OBJECT_HANDLE generic = secret_key(session, CKK_GENERIC_SECRET, Bytes(16, 1));
  const CK_OBJECT_HANDLE idle = session.create({{CKA_CLASS, CKO_SECRET_KEY},
                                                {CKA_KEY_TYPE, CKK_AES},
                                                {CKA_VALUE, Bytes(16, 3)},
                                                {CKA_ENCRYPT, false},
                                                {CKA_DECRYPT, false}});
  for (const Direction& way : {encryption(), decryption()}) {
    EXPECT_RV(CKR_MECHANISM_INVALID, way.init(session, cbc.get(), aes));
    EXPECT_RV(CKR_MECHANISM_INVALID, way.init(session, hmac.get(), generic));
    EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT, way.init(session, gcm.get(), generic));
    EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, way.init(session, gcm.get(), idle));
    EXPECT_RV(CKR_KEY_HANDLE_INVALID, way.init(session, gcm.get(), 0));
  }
}

TEST_F(Messages, AreEndedByALogout) {
  const CK_OBJECT_HANDLE secret = session.create({{CKA_CLASS, CKO_SECRET_KEY},
                                                  {CKA_KEY_TYPE, CKK_AES},
                                                  {CKA_VALUE, Bytes(16, 3)},
                                                  {CKA_TOKEN, true},
                                                  {CKA_PRIVATE, true}});
  init(encryption(), CKM_AES_GCM, secret);
  session.logout();
  Parameter parameter{CKM_AES_GCM, Bytes(12), Bytes(16)};
  Bytes out;
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, whole(encryption(), parameter, {}, text, &out));
}

}  // namespace
}  // namespace vtpm::conformance
