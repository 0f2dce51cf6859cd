// SPDX-License-Identifier: Apache-2.0
// Return values that PKCS#11 3.2 lists and that the other tests do not produce, in tables: the errors of every function
// that begins an operation, of active operations for bad arguments and after a logout, and of functions that create
// keys from templates. (return_values.sh compares all of them with the standard's lists.)
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>

#include "tests/conformance/harness/every_function.h"
#include "tests/conformance/harness/message_parameter.h"
#include "tests/conformance/harness/process.h"

namespace vtpm::conformance {
namespace {

/// Private keys of each kind that allow every operation, and one of each kind that allows none.
class ReturnValuesTest : public WithUser {
 protected:
  CK_OBJECT_HANDLE secret(CK_KEY_TYPE type, size_t bytes, bool may, bool is_private = true) {
    Template attributes = {{CKA_CLASS, CKO_SECRET_KEY},
                           {CKA_KEY_TYPE, type},
                           {CKA_PRIVATE, is_private},
                           {CKA_EXTRACTABLE, true},
                           {CKA_VALUE, Bytes(bytes, 7)}};
    for (const CK_ATTRIBUTE_TYPE use :
         {CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY, CKA_WRAP, CKA_UNWRAP, CKA_DERIVE})
      attributes = attributes.with({{use, may}});
    return session.create(attributes);
  }
  KeyPair rsa(bool may, CK_ULONG bits = 1024) {
    return session.generate(CKM_RSA_PKCS_KEY_PAIR_GEN,
                            {{CKA_MODULUS_BITS, bits},
                             {CKA_PRIVATE, false},
                             {CKA_ENCRYPT, may},
                             {CKA_VERIFY, may},
                             {CKA_VERIFY_RECOVER, may},
                             {CKA_WRAP, may}},
                            {{CKA_DECRYPT, may}, {CKA_SIGN, may}, {CKA_SIGN_RECOVER, may}, {CKA_UNWRAP, may}});
  }
  CK_SESSION_HANDLE s = session;
  CK_OBJECT_HANDLE aes = secret(CKK_AES, 16, true), idle_aes = secret(CKK_AES, 16, false);
  CK_OBJECT_HANDLE hmac = secret(CKK_GENERIC_SECRET, 32, true), idle_hmac = secret(CKK_GENERIC_SECRET, 32, false);
  KeyPair pair = rsa(true), idle_pair = rsa(false);
  Bytes data = Bytes(32, 1), out = Bytes(4096);
  CK_ULONG size = out.size();
  MessageParameter message{CKM_AES_GCM, Bytes(12, 1), Bytes(16, 1)};
  const void* parameter = message.data();  // fills in the value of message.size()
};

// --- functions that begin an operation with a key ---

struct Beginning {
  const char* name;
  std::function<CK_RV(CK_MECHANISM*, CK_OBJECT_HANDLE)> call;
  Mechanism good;
  CK_OBJECT_HANDLE key, idle, of_another_type;
  std::vector<std::pair<Mechanism, CK_OBJECT_HANDLE>> parameter_invalid, size_range;
};

class Beginnings : public ReturnValuesTest {
 protected:
  static Mechanism with(CK_MECHANISM_TYPE type, size_t bytes) {
    return Mechanism::with_parameter(type, Bytes(bytes, 1));
  }
  std::vector<Beginning> all() {
    const std::vector<std::pair<Mechanism, CK_OBJECT_HANDLE>> long_key = {
        {CKM_AES_XCBC_MAC, secret(CKK_AES, 32, true)}};
    const Mechanism wide_oaep = Mechanism::oaep(CKM_SHA512, CKG_MGF1_SHA512);
    const auto plain = [this](auto function) {
      return [this, function](CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) { return function(s, mechanism, key); };
    };
    const auto with_signature = [this](CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
      return p11_3().C_VerifySignatureInit(s, mechanism, key, data.data(), data.size());
    };
    const std::vector<std::pair<Mechanism, CK_OBJECT_HANDLE>> bad_code = {{with(CKM_SHA256_HMAC_GENERAL, 3), hmac}};
    return {
        {"C_EncryptInit",
         plain(p11->C_EncryptInit),
         CKM_AES_ECB,
         aes,
         idle_aes,
         hmac,
         {{with(CKM_AES_CBC, 3), aes}},
         {{wide_oaep, pair.public_key}}},
        {"C_DecryptInit",
         plain(p11->C_DecryptInit),
         CKM_AES_ECB,
         aes,
         idle_aes,
         hmac,
         {{with(CKM_AES_CBC, 3), aes}},
         {{wide_oaep, pair.private_key}}},
        {"C_MessageEncryptInit",
         plain(p11_3().C_MessageEncryptInit),
         CKM_AES_GCM,
         aes,
         idle_aes,
         hmac,
         {{with(CKM_AES_GCM, 3), aes}},
         {}},
        {"C_MessageDecryptInit",
         plain(p11_3().C_MessageDecryptInit),
         CKM_AES_GCM,
         aes,
         idle_aes,
         hmac,
         {{with(CKM_AES_GCM, 3), aes}},
         {}},
        {"C_SignInit", plain(p11->C_SignInit), CKM_SHA256_HMAC, hmac, idle_hmac, aes, bad_code, long_key},
        {"C_VerifyInit", plain(p11->C_VerifyInit), CKM_SHA256_HMAC, hmac, idle_hmac, aes, bad_code, long_key},
        {"C_MessageSignInit", plain(p11_3().C_MessageSignInit), CKM_SHA256_HMAC, hmac, idle_hmac, aes, bad_code,
         long_key},
        {"C_MessageVerifyInit", plain(p11_3().C_MessageVerifyInit), CKM_SHA256_HMAC, hmac, idle_hmac, aes, bad_code,
         long_key},
        {"C_VerifySignatureInit", with_signature, CKM_SHA256_HMAC, hmac, idle_hmac, aes, bad_code, long_key},
        {"C_SignRecoverInit",
         plain(p11->C_SignRecoverInit),
         CKM_RSA_PKCS,
         pair.private_key,
         idle_pair.private_key,
         aes,
         {},
         {}},
        {"C_VerifyRecoverInit",
         plain(p11->C_VerifyRecoverInit),
         CKM_RSA_PKCS,
         pair.public_key,
         idle_pair.public_key,
         aes,
         {},
         {}},
    };
  }
};

TEST_F(Beginnings, EveryInitRejectsBadMechanismsAndKeys) {
  for (Beginning& one : all()) {
    SCOPED_TRACE(one.name);
    Mechanism nonsense = CKM_VENDOR_DEFINED;
    EXPECT_RV(CKR_ARGUMENTS_BAD, one.call(nullptr, one.key)) << "nothing is active that could be ended";
    EXPECT_RV(CKR_MECHANISM_INVALID, one.call(nonsense.get(), one.key));
    EXPECT_RV(CKR_KEY_HANDLE_INVALID, one.call(one.good.get(), CK_INVALID_HANDLE));
    EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT, one.call(one.good.get(), one.of_another_type));
    EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, one.call(one.good.get(), one.idle));
    for (auto& [mechanism, key] : one.parameter_invalid)
      EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, one.call(mechanism.get(), key));
    for (auto& [mechanism, key] : one.size_range) EXPECT_RV(CKR_KEY_SIZE_RANGE, one.call(mechanism.get(), key));
    EXPECT_RV(CKR_OK, one.call(one.good.get(), one.key));
    EXPECT_RV(CKR_OPERATION_ACTIVE, one.call(one.good.get(), one.key));
    EXPECT_RV(CKR_OK, one.call(nullptr, one.key)) << "ends it";
  }
}

// --- running operations ---

/// A call with the calls that must precede it.
struct Running {
  const char* name;
  std::function<void()> begin;
  std::function<CK_RV(CK_BYTE* data, CK_ULONG length, CK_ULONG* out_length)> call;
};

class RunningOperations : public ReturnValuesTest {
 protected:
  void begin(CK_RV (*init)(CK_SESSION_HANDLE, CK_MECHANISM*, CK_OBJECT_HANDLE), Mechanism mechanism,
             CK_OBJECT_HANDLE key) {
    init(s, nullptr, key);  // ends the operation that the call before has left active
    MUST(init(s, mechanism.get(), key));
  }
  auto beginning(CK_RV (*init)(CK_SESSION_HANDLE, CK_MECHANISM*, CK_OBJECT_HANDLE), Mechanism mechanism,
                 CK_OBJECT_HANDLE key) {
    return [=, this] { begin(init, mechanism, key); };
  }
  void digest() {
    p11->C_DigestInit(s, nullptr);
    Mechanism sha = CKM_SHA256;
    MUST(p11->C_DigestInit(s, sha.get()));
  }
  auto verify_signature() {
    return [this] {
      p11_3().C_VerifySignatureInit(s, nullptr, hmac, nullptr, 0);
      Mechanism mac = CKM_SHA256_HMAC;
      MUST(p11_3().C_VerifySignatureInit(s, mac.get(), hmac, data.data(), data.size()));
    };
  }
  /// Functions whose data have a length, and whether they return output.
  std::vector<Running> taking_data() {
    using B = CK_BYTE*;
    using L = CK_ULONG;
    using O = CK_ULONG*;
    const auto encrypt = beginning(p11->C_EncryptInit, CKM_AES_ECB, aes);
    const auto decrypt = beginning(p11->C_DecryptInit, CKM_AES_ECB, aes);
    const auto sign = beginning(p11->C_SignInit, CKM_SHA256_HMAC, hmac);
    const auto verify = beginning(p11->C_VerifyInit, CKM_SHA256_HMAC, hmac);
    const auto sign_recover = beginning(p11->C_SignRecoverInit, CKM_RSA_PKCS, pair.private_key);
    const auto verify_recover = beginning(p11->C_VerifyRecoverInit, CKM_RSA_PKCS, pair.public_key);
    const auto message_encrypt = beginning(p11_3().C_MessageEncryptInit, CKM_AES_GCM, aes);
    const auto message_decrypt = beginning(p11_3().C_MessageDecryptInit, CKM_AES_GCM, aes);
    const auto message_sign = beginning(p11_3().C_MessageSignInit, CKM_SHA256_HMAC, hmac);
    const auto message_verify = beginning(p11_3().C_MessageVerifyInit, CKM_SHA256_HMAC, hmac);
    const auto both = [](auto one, auto two) { return [=] { one(), two(); }; };
    const auto then = [this](auto one, auto begin_message) {
      return [=, this] {
        one();
        MUST(begin_message(s));
      };
    };
    const auto next_encrypt = then(message_encrypt, [this](CK_SESSION_HANDLE h) {
      return p11_3().C_EncryptMessageBegin(h, message.data(), message.size(), nullptr, 0);
    });
    const auto next_decrypt = then(message_decrypt, [this](CK_SESSION_HANDLE h) {
      return p11_3().C_DecryptMessageBegin(h, message.data(), message.size(), nullptr, 0);
    });
    const auto next_sign =
        then(message_sign, [](CK_SESSION_HANDLE h) { return p11_3().C_SignMessageBegin(h, nullptr, 0); });
    const auto next_verify =
        then(message_verify, [](CK_SESSION_HANDLE h) { return p11_3().C_VerifyMessageBegin(h, nullptr, 0); });
    const auto digest_too = [this] { digest(); };
    return {
        {"C_Encrypt", encrypt, [&](B d, L l, O o) { return p11->C_Encrypt(s, d, l, out.data(), o); }},
        {"C_EncryptUpdate", encrypt, [&](B d, L l, O o) { return p11->C_EncryptUpdate(s, d, l, out.data(), o); }},
        {"C_Decrypt", decrypt, [&](B d, L l, O o) { return p11->C_Decrypt(s, d, l, out.data(), o); }},
        {"C_DecryptUpdate", decrypt, [&](B d, L l, O o) { return p11->C_DecryptUpdate(s, d, l, out.data(), o); }},
        {"C_Sign", sign, [&](B d, L l, O o) { return p11->C_Sign(s, d, l, out.data(), o); }},
        {"C_SignUpdate", sign, [&](B d, L l, O) { return p11->C_SignUpdate(s, d, l); }},
        {"C_Verify", verify, [&](B d, L l, O) { return p11->C_Verify(s, d, l, out.data(), 32); }},
        {"C_VerifyUpdate", verify, [&](B d, L l, O) { return p11->C_VerifyUpdate(s, d, l); }},
        {"C_VerifyFinal", verify, [&](B d, L l, O) { return p11->C_VerifyFinal(s, d, l); }},
        {"C_VerifySignature", verify_signature(), [&](B d, L l, O) { return p11_3().C_VerifySignature(s, d, l); }},
        {"C_VerifySignatureUpdate", verify_signature(),
         [&](B d, L l, O) { return p11_3().C_VerifySignatureUpdate(s, d, l); }},
        {"C_SignRecover", sign_recover, [&](B d, L l, O o) { return p11->C_SignRecover(s, d, l, out.data(), o); }},
        {"C_VerifyRecover", verify_recover,
         [&](B d, L l, O o) { return p11->C_VerifyRecover(s, d, l, out.data(), o); }},
        {"C_EncryptMessage", message_encrypt,
         [&](B d, L l, O o) {
           return p11_3().C_EncryptMessage(s, message.data(), message.size(), nullptr, 0, d, l, out.data(), o);
         }},
        {"C_EncryptMessageNext", next_encrypt,
         [&](B d, L l, O o) {
           return p11_3().C_EncryptMessageNext(s, message.data(), message.size(), d, l, out.data(), o, 0);
         }},
        {"C_DecryptMessage", message_decrypt,
         [&](B d, L l, O o) {
           return p11_3().C_DecryptMessage(s, message.data(), message.size(), nullptr, 0, d, l, out.data(), o);
         }},
        {"C_DecryptMessageNext", next_decrypt,
         [&](B d, L l, O o) {
           return p11_3().C_DecryptMessageNext(s, message.data(), message.size(), d, l, out.data(), o, 0);
         }},
        {"C_DecryptMessageBegin", message_decrypt,
         [&](B d, L l, O) { return p11_3().C_DecryptMessageBegin(s, message.data(), message.size(), d, l); }},
        {"C_EncryptMessageBegin", message_encrypt,
         [&](B d, L l, O) { return p11_3().C_EncryptMessageBegin(s, message.data(), message.size(), d, l); }},
        {"C_SignMessage", message_sign,
         [&](B d, L l, O o) { return p11_3().C_SignMessage(s, nullptr, 0, d, l, out.data(), o); }},
        {"C_SignMessageNext", next_sign,
         [&](B d, L l, O) { return p11_3().C_SignMessageNext(s, nullptr, 0, d, l, nullptr, nullptr); }},
        {"C_SignMessageBegin", message_sign, [&](B d, L l, O) { return p11_3().C_SignMessageBegin(s, d, l); }},
        {"C_VerifyMessageBegin", message_verify, [&](B d, L l, O) { return p11_3().C_VerifyMessageBegin(s, d, l); }},
        {"C_VerifyMessage", message_verify,
         [&](B d, L l, O) { return p11_3().C_VerifyMessage(s, nullptr, 0, d, l, out.data(), 32); }},
        {"C_VerifyMessageNext", next_verify,
         [&](B d, L l, O) { return p11_3().C_VerifyMessageNext(s, nullptr, 0, d, l, nullptr, 0); }},
        {"C_Digest", digest_too, [&](B d, L l, O o) { return p11->C_Digest(s, d, l, out.data(), o); }},
        {"C_DigestUpdate", digest_too, [&](B d, L l, O) { return p11->C_DigestUpdate(s, d, l); }},
        {"C_DigestEncryptUpdate", both(encrypt, digest_too),
         [&](B d, L l, O o) { return p11->C_DigestEncryptUpdate(s, d, l, out.data(), o); }},
        {"C_DecryptDigestUpdate", both(decrypt, digest_too),
         [&](B d, L l, O o) { return p11->C_DecryptDigestUpdate(s, d, l, out.data(), o); }},
        {"C_SignEncryptUpdate", both(encrypt, sign),
         [&](B d, L l, O o) { return p11->C_SignEncryptUpdate(s, d, l, out.data(), o); }},
        {"C_DecryptVerifyUpdate", both(decrypt, verify),
         [&](B d, L l, O o) { return p11->C_DecryptVerifyUpdate(s, d, l, out.data(), o); }},
    };
  }
  /// Functions that end an operation: they take no data and only return output.
  std::vector<Running> finals() {
    using O = CK_ULONG*;
    return {
        {"C_EncryptFinal", beginning(p11->C_EncryptInit, CKM_AES_ECB, aes),
         [&](CK_BYTE*, CK_ULONG, O o) { return p11->C_EncryptFinal(s, out.data(), o); }},
        {"C_DecryptFinal", beginning(p11->C_DecryptInit, CKM_AES_ECB, aes),
         [&](CK_BYTE*, CK_ULONG, O o) { return p11->C_DecryptFinal(s, out.data(), o); }},
        {"C_SignFinal", beginning(p11->C_SignInit, CKM_SHA256_HMAC, hmac),
         [&](CK_BYTE*, CK_ULONG, O o) { return p11->C_SignFinal(s, out.data(), o); }},
        {"C_DigestFinal", [this] { digest(); },
         [&](CK_BYTE*, CK_ULONG, O o) { return p11->C_DigestFinal(s, out.data(), o); }},
    };
  }
};

TEST_F(RunningOperations, RejectNullPointers) {
  for (const Running& one : taking_data()) {
    SCOPED_TRACE(one.name);
    one.begin();
    // The bytes of these two are the parameter of the message, which no mechanism has.
    const bool takes_none =
        one.name == std::string("C_SignMessageBegin") || one.name == std::string("C_VerifyMessageBegin");
    EXPECT_RV(takes_none ? CKR_MECHANISM_PARAM_INVALID : CKR_ARGUMENTS_BAD, one.call(nullptr, 16, &size));
  }
  for (const Running& one : finals()) {
    SCOPED_TRACE(one.name);
    one.begin();
    EXPECT_RV(CKR_ARGUMENTS_BAD, one.call(nullptr, 0, nullptr));
  }
}

TEST_F(RunningOperations, ReturnBufferTooSmall) {
  for (const Running& one : taking_data()) {
    const std::string name = one.name;
    if (name == "C_DecryptMessageNext") continue;  // the operation returns no output before its end
    SCOPED_TRACE(name);
    one.begin();
    CK_ULONG none = 0;
    const CK_RV rv = one.call(data.data(), data.size(), &none);
    if (rv == CKR_BUFFER_TOO_SMALL) {
      EXPECT_GT(none, 0u);
    }
  }
}

/// Each case has keys of its own, because a logout destroys private session keys.
TEST_F(RunningOperations, AreEndedByALogout) {
  const std::vector<std::string> need_nobody = {"C_Digest", "C_DigestUpdate", "C_DigestFinal", "C_VerifyRecover"};
  const auto everything = [this] {
    std::vector<Running> all = taking_data();
    for (Running& final : finals()) all.push_back(std::move(final));
    return all;
  };
  for (size_t i = 0; i < everything().size(); ++i) {
    const std::string name = everything()[i].name;
    if (std::find(need_nobody.begin(), need_nobody.end(), name) != need_nobody.end()) continue;
    SCOPED_TRACE(name);
    aes = secret(CKK_AES, 16, true);
    hmac = secret(CKK_GENERIC_SECRET, 32, true);
    if (name == "C_SignRecover") pair = rsa(true);
    const Running one = everything()[i];
    one.begin();
    session.logout();
    size = out.size();
    const bool takes_none = name == "C_SignMessageBegin" || name == "C_VerifyMessageBegin";
    EXPECT_RV(CKR_USER_NOT_LOGGED_IN, one.call(data.data(), takes_none ? 0 : data.size(), &size));
    MUST(p11_3().C_SessionCancel(s, ~CK_FLAGS{0}));
    session.login();
  }
}

// --- data that do not fit ---

using DataThatDoNotFit = RunningOperations;

TEST_F(DataThatDoNotFit, DataLongerThanTheModulusAreRejected) {
  Bytes wide(129, 1);  // one byte more than the modulus
  const auto message_sign = [&](CK_MECHANISM_TYPE type) { begin(p11_3().C_MessageSignInit, type, pair.private_key); };
  const auto message_verify = [&](CK_MECHANISM_TYPE type) {
    begin(p11_3().C_MessageVerifyInit, type, pair.public_key);
  };
  const auto verify = [&](CK_MECHANISM_TYPE type) { begin(p11->C_VerifyInit, type, pair.public_key); };
  for (const CK_MECHANISM_TYPE type : {CKM_RSA_PKCS, CKM_RSA_X_509}) {
    SCOPED_TRACE(type);
    begin(p11->C_SignInit, type, pair.private_key);
    EXPECT_RV(CKR_DATA_LEN_RANGE, p11->C_Sign(s, wide.data(), wide.size(), out.data(), &(size = out.size())));
    begin(p11->C_SignInit, type, pair.private_key);
    EXPECT_RV(CKR_DATA_LEN_RANGE, p11->C_SignUpdate(s, wide.data(), wide.size()));
    verify(type);
    EXPECT_RV(one_of(CKR_DATA_LEN_RANGE, CKR_SIGNATURE_INVALID),
              p11->C_Verify(s, wide.data(), wide.size(), out.data(), 128));
    verify(type);
    EXPECT_RV(CKR_DATA_LEN_RANGE, p11->C_VerifyUpdate(s, wide.data(), wide.size()));
    message_sign(type);
    EXPECT_RV(CKR_DATA_LEN_RANGE,
              p11_3().C_SignMessage(s, nullptr, 0, wide.data(), wide.size(), out.data(), &(size = out.size())));
    MUST(p11_3().C_SignMessageBegin(s, nullptr, 0));
    EXPECT_RV(CKR_DATA_LEN_RANGE, p11_3().C_SignMessageNext(s, nullptr, 0, wide.data(), wide.size(), nullptr, nullptr));
    message_verify(type);
    EXPECT_RV(CKR_DATA_LEN_RANGE, p11_3().C_VerifyMessage(s, nullptr, 0, wide.data(), wide.size(), out.data(), 128));
    MUST(p11_3().C_VerifyMessageBegin(s, nullptr, 0));
    EXPECT_RV(CKR_DATA_LEN_RANGE, p11_3().C_VerifyMessageNext(s, nullptr, 0, wide.data(), wide.size(), nullptr, 0));
    Mechanism mechanism = type;
    for (int update = 0; update < 2; ++update) {
      MUST(p11_3().C_VerifySignatureInit(s, mechanism.get(), pair.public_key, out.data(), 128));
      EXPECT_RV(CKR_DATA_LEN_RANGE, update ? p11_3().C_VerifySignatureUpdate(s, wide.data(), wide.size())
                                           : p11_3().C_VerifySignature(s, wide.data(), wide.size()));
    }
  }
}

TEST_F(DataThatDoNotFit, SignaturesOfAnotherLengthAreRejected) {
  Mechanism mac = CKM_SHA256_HMAC;
  for (const size_t bytes : {31, 33}) {
    begin(p11->C_VerifyInit, mac, hmac);
    EXPECT_RV(CKR_SIGNATURE_LEN_RANGE, p11->C_Verify(s, data.data(), data.size(), out.data(), bytes));
    begin(p11->C_VerifyInit, mac, hmac);
    EXPECT_RV(CKR_SIGNATURE_LEN_RANGE, p11->C_VerifyFinal(s, out.data(), bytes));
    begin(p11_3().C_MessageVerifyInit, mac, hmac);
    MUST(p11_3().C_VerifyMessageBegin(s, nullptr, 0));
    EXPECT_RV(CKR_SIGNATURE_LEN_RANGE, p11_3().C_VerifyMessageNext(s, nullptr, 0, nullptr, 0, out.data(), bytes));
    MUST(p11_3().C_VerifySignatureInit(s, mac.get(), hmac, out.data(), bytes));
    EXPECT_RV(CKR_SIGNATURE_LEN_RANGE, p11_3().C_VerifySignatureFinal(s));
  }
}

// A number as large as the modulus is not a valid message (PKCS#11 3.2, 6.1).
TEST_F(DataThatDoNotFit, NumbersNotBelowTheModulusAreRejected) {
  Bytes large(128, 0xFF);
  const Mechanism raw = CKM_RSA_X_509;
  begin(p11->C_SignInit, raw, pair.private_key);
  EXPECT_RV(CKR_DATA_INVALID, p11->C_Sign(s, large.data(), large.size(), out.data(), &(size = out.size())));
  begin(p11->C_SignRecoverInit, raw, pair.private_key);
  EXPECT_RV(CKR_DATA_INVALID, p11->C_SignRecover(s, large.data(), large.size(), out.data(), &(size = out.size())));
  begin(p11_3().C_MessageSignInit, raw, pair.private_key);
  EXPECT_RV(CKR_DATA_INVALID,
            p11_3().C_SignMessage(s, nullptr, 0, large.data(), large.size(), out.data(), &(size = out.size())));
  begin(p11->C_EncryptInit, raw, pair.public_key);
  EXPECT_RV(CKR_DATA_INVALID, p11->C_Encrypt(s, large.data(), large.size(), out.data(), &(size = out.size())));
}

TEST_F(DataThatDoNotFit, WrongCiphertextsAndTheirParametersAreRejected) {
  MessageParameter wrong = message;
  begin(p11_3().C_MessageDecryptInit, CKM_AES_GCM, aes);
  CK_ULONG none = 0;
  EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11_3().C_DecryptMessage(s, message.data(), message.size(), nullptr, 0, data.data(),
                                                           data.size(), out.data(), &none));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            p11_3().C_DecryptMessage(s, wrong.data(), 3, nullptr, 0, data.data(), data.size(), out.data(), &size));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, p11_3().C_DecryptMessageBegin(s, wrong.data(), 3, nullptr, 0));
  MUST(p11_3().C_DecryptMessageBegin(s, message.data(), message.size(), nullptr, 0));
  none = 0;
  EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11_3().C_DecryptMessageNext(s, message.data(), message.size(), data.data(),
                                                               data.size(), out.data(), &none, CKF_END_OF_MESSAGE));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, p11_3().C_DecryptMessageNext(s, wrong.data(), 3, data.data(), data.size(),
                                                                      out.data(), &size, CKF_END_OF_MESSAGE));
  begin(p11_3().C_MessageEncryptInit, CKM_AES_GCM, aes);
  MUST(p11_3().C_EncryptMessageBegin(s, message.data(), message.size(), nullptr, 0));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, p11_3().C_EncryptMessageNext(s, wrong.data(), 3, data.data(), data.size(),
                                                                      out.data(), &size, CKF_END_OF_MESSAGE));
}

TEST_F(DataThatDoNotFit, UnexpectedMessageParametersAreRejected) {
  CK_BYTE* some = data.data();
  begin(p11_3().C_MessageSignInit, CKM_SHA256_HMAC, hmac);
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, p11_3().C_SignMessage(s, some, 3, some, 3, out.data(), &(size = out.size())));
  MUST(p11_3().C_SignMessageBegin(s, nullptr, 0));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, p11_3().C_SignMessageNext(s, some, 3, some, 3, nullptr, nullptr));
  begin(p11_3().C_MessageVerifyInit, CKM_SHA256_HMAC, hmac);
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, p11_3().C_VerifyMessage(s, some, 3, some, 3, some, 32));
  MUST(p11_3().C_VerifyMessageBegin(s, nullptr, 0));
  EXPECT_RV(CKR_OPERATION_ACTIVE, p11_3().C_VerifyMessageBegin(s, nullptr, 0));
  EXPECT_RV(CKR_OPERATION_ACTIVE, p11_3().C_VerifyMessage(s, nullptr, 0, some, 3, some, 32));
  EXPECT_RV(CKR_OPERATION_ACTIVE, p11_3().C_MessageVerifyFinal(s));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, p11_3().C_VerifyMessageNext(s, some, 3, some, 3, nullptr, 0));
}

// CCM needs the length of its message at the beginning.
TEST_F(DataThatDoNotFit, MoreDataThanAnnouncedToCcmAreRejected) {
  Bytes nonce(12, 1);
  CK_CCM_PARAMS announced{16, nonce.data(), nonce.size(), nullptr, 0, 16};
  const Mechanism ccm = Mechanism::with_parameter(CKM_AES_CCM, bytes_of(announced));
  const auto encrypt = [&] { begin(p11->C_EncryptInit, ccm, aes); };
  const auto decrypt = [&] { begin(p11->C_DecryptInit, ccm, aes); };
  Bytes long_text(64, 1);
  const auto too_much = [&](auto function) {
    return function(s, long_text.data(), long_text.size(), out.data(), &(size = out.size()));
  };
  encrypt();
  EXPECT_RV(CKR_DATA_LEN_RANGE, too_much(p11->C_EncryptUpdate));
  encrypt(), digest();
  EXPECT_RV(CKR_DATA_LEN_RANGE, too_much(p11->C_DigestEncryptUpdate));
  encrypt(), begin(p11->C_SignInit, CKM_SHA256_HMAC, hmac);
  EXPECT_RV(CKR_DATA_LEN_RANGE, too_much(p11->C_SignEncryptUpdate));
  decrypt();
  EXPECT_RV(CKR_ENCRYPTED_DATA_LEN_RANGE, too_much(p11->C_DecryptUpdate));
  decrypt(), digest();
  EXPECT_RV(CKR_ENCRYPTED_DATA_LEN_RANGE, too_much(p11->C_DecryptDigestUpdate));
  decrypt(), begin(p11->C_VerifyInit, CKM_SHA256_HMAC, hmac);
  EXPECT_RV(CKR_ENCRYPTED_DATA_LEN_RANGE, too_much(p11->C_DecryptVerifyUpdate));
  Bytes long_for_rsa(160, 1);
  begin(p11->C_DecryptInit, CKM_AES_ECB, aes), begin(p11->C_VerifyInit, CKM_RSA_X_509, pair.public_key);
  EXPECT_RV(CKR_DATA_LEN_RANGE,
            p11->C_DecryptVerifyUpdate(s, long_for_rsa.data(), long_for_rsa.size(), out.data(), &(size = out.size())));

  MessageParameter of_one{CKM_AES_CCM, nonce, Bytes(16)};
  of_one.data_bytes = 16;
  void* parameter_of_one = of_one.data();
  begin(p11_3().C_MessageEncryptInit, CKM_AES_CCM, aes);
  EXPECT_RV(one_of(CKR_DATA_LEN_RANGE, CKR_MECHANISM_PARAM_INVALID),
            p11_3().C_EncryptMessage(s, parameter_of_one, of_one.size(), nullptr, 0, long_text.data(), long_text.size(),
                                     out.data(), &(size = out.size())));
  MUST(p11_3().C_EncryptMessageBegin(s, parameter_of_one, of_one.size(), nullptr, 0));
  EXPECT_RV(CKR_DATA_LEN_RANGE, p11_3().C_EncryptMessageNext(s, parameter_of_one, of_one.size(), long_text.data(),
                                                             long_text.size(), out.data(), &(size = out.size()), 0));
}

}  // namespace
}  // namespace vtpm::conformance
