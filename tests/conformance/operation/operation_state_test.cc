// SPDX-License-Identifier: Apache-2.0
// C_GetOperationState and C_SetOperationState (PKCS#11 3.2, 5.6.7 and 5.6.8): operations continue in another session
// and in another process. Each is saved in the middle of a published vector.
#include <algorithm>

#include "tests/conformance/harness/keys.h"
#include "tests/conformance/harness/process.h"

namespace vtpm::conformance {
namespace {

// --- saving and continuing operations ---

CK_RV try_save(CK_SESSION_HANDLE of, Bytes* state = nullptr) {
  CK_ULONG size = 0;
  CK_RV rv = p11->C_GetOperationState(of, nullptr, &size);
  if (rv != CKR_OK || !state) return rv;
  state->assign(size, 0);
  rv = p11->C_GetOperationState(of, state->data(), &size);
  EXPECT_EQ(state->size(), size) << "not what was foretold";
  return rv;
}
Bytes save(CK_SESSION_HANDLE of) {
  Bytes state;
  MUST(try_save(of, &state));
  return state;
}
CK_RV restore(CK_SESSION_HANDLE to, Bytes state, CK_OBJECT_HANDLE encryption = 0, CK_OBJECT_HANDLE authentication = 0) {
  return p11->C_SetOperationState(to, state.data(), state.size(), encryption, authentication);
}

Bytes head(const Bytes& all, size_t at) { return {all.begin(), all.begin() + static_cast<ptrdiff_t>(at)}; }
Bytes tail(const Bytes& all, size_t at) { return {all.begin() + static_cast<ptrdiff_t>(at), all.end()}; }
/// The positions at which a message of that size is interrupted.
std::vector<size_t> splits(size_t size) {
  std::vector<size_t> all;
  for (const size_t at : {size_t{0}, size_t{1}, size / 3 | 1, size / 2, size > 0 ? size - 1 : 0, size})
    if (at <= size && std::find(all.begin(), all.end(), at) == all.end()) all.push_back(at);
  return all;
}

void digest(CK_SESSION_HANDLE in, const Bytes& data) {
  MUST(p11->C_DigestUpdate(in, bytes_pointer(data), data.size()));
}
void sign(CK_SESSION_HANDLE in, const Bytes& data) { MUST(p11->C_SignUpdate(in, bytes_pointer(data), data.size())); }
void verify(CK_SESSION_HANDLE in, const Bytes& data) {
  MUST(p11->C_VerifyUpdate(in, bytes_pointer(data), data.size()));
}
Bytes ended(CK_RV (*function)(CK_SESSION_HANDLE, CK_BYTE*, CK_ULONG*), CK_SESSION_HANDLE in) {
  Bytes out(1024);
  CK_ULONG size = out.size();
  MUST(function(in, out.data(), &size));
  out.resize(size);
  return out;
}
CK_RV verified(CK_SESSION_HANDLE in, const Bytes& signature) {
  return p11->C_VerifyFinal(in, bytes_pointer(signature), signature.size());
}
Bytes crypted(CK_SESSION_HANDLE in, Way way, const Bytes& data) {
  const auto update = way == Way::kEncrypt ? p11->C_EncryptUpdate : p11->C_DecryptUpdate;
  Bytes out(data.size() + 64);
  CK_ULONG size = out.size();
  MUST(update(in, bytes_pointer(data), data.size(), out.data(), &size));
  out.resize(size);
  return out;
}
Bytes crypt_end(CK_SESSION_HANDLE in, Way way) {
  return ended(way == Way::kEncrypt ? p11->C_EncryptFinal : p11->C_DecryptFinal, in);
}

/// All hashes except SHA-3 and BLAKE2b-512.
bool is_saveable(const HashRow& row) {
  return row.digest != CKM_BLAKE2B_512 && !std::string_view(row.name).starts_with("sha3-");
}

class OperationState : public WithUser {
 protected:
  /// Interrupts a signature and its verification at each of these positions.
  void expect_goes_on(Mechanism mechanism, CK_OBJECT_HANDLE signing, CK_OBJECT_HANDLE verifying, const Bytes& message,
                      const Bytes* signature) {
    for (const size_t at : splits(message.size())) {
      SCOPED_TRACE(at);
      MUST(p11->C_SignInit(session, mechanism.get(), signing));
      sign(session, head(message, at));
      MUST(restore(other, save(session), 0, signing));
      sign(other, tail(message, at));
      const Bytes made = ended(p11->C_SignFinal, other);
      EXPECT_EQ(to_hex(made), to_hex(signature ? *signature : made));
      MUST(p11->C_SignInit(session, nullptr, 0));

      MUST(p11->C_VerifyInit(session, mechanism.get(), verifying));
      verify(session, head(message, at));
      const Bytes state = save(session);
      MUST(restore(other, state, 0, verifying));
      verify(other, tail(message, at));
      EXPECT_RV(CKR_OK, verified(other, made));
      Bytes wrong = tail(message, at);
      if (!wrong.empty()) wrong[0] ^= 1;
      MUST(restore(session, state, 0, verifying));
      verify(session, wrong);
      EXPECT_RV(wrong.empty() ? CKR_OK : CKR_SIGNATURE_INVALID, verified(session, made));
    }
  }

  /// Interrupts a digest at each of these positions.
  void expect_goes_on(Mechanism mechanism, const Bytes& message, const std::string& expected) {
    for (const size_t at : splits(message.size())) {
      MUST(p11->C_DigestInit(session, mechanism.get()));
      digest(session, head(message, at));
      const Bytes state = save(session);
      for (const CK_SESSION_HANDLE to : {CK_SESSION_HANDLE{other}, CK_SESSION_HANDLE{session}}) {
        MUST(restore(to, state));
        digest(to, tail(message, at));
        EXPECT_EQ(to_hex(ended(p11->C_DigestFinal, to)), expected);
      }
    }
  }

  Session other{slot};
  Mechanism sha = CKM_SHA256, hmac = CKM_SHA256_HMAC, cbc = Mechanism::with_parameter(CKM_AES_CBC, Bytes(16, 3));
  const CK_OBJECT_HANDLE aes = secret_key(session, CKK_AES, Bytes(16, 1));
  const CK_OBJECT_HANDLE secret = secret_key(session, CKK_GENERIC_SECRET, Bytes(20, 2));
};

// --- every mechanism, in another session ---

TEST_F(OperationState, OfDigestsGoesOnInAnotherSession) {
  size_t saved = 0;
  for_each_line("digest.txt", [&](const Line& line) {
    const HashRow& row = hash_row(line.text("hash"));
    if (!is_saveable(row)) return;
    ++saved;
    expect_goes_on(row.digest, line.bytes("message"), line.text("digest"));
  });
  EXPECT_GT(saved, 10u);
}

TEST_F(OperationState, OfSha512TGoesOnInAnotherSession) {
  for_each_sha512_t([&](CK_ULONG bits, const Line& line) {
    if (line.has("digest"))
      return expect_goes_on(sha512_t(CKM_SHA512_T, bits), line.bytes("message"), line.text("digest"));
    const CK_OBJECT_HANDLE key = secret_key(session, CKK_SHA512_T_HMAC, line.bytes("key"));
    const Bytes code = line.bytes("mac");
    expect_goes_on(sha512_t(CKM_SHA512_T_HMAC, bits), key, key, line.bytes("message"), &code);
  });
}

TEST_F(OperationState, OfHmacGoesOnInAnotherSession) {
  size_t saved = 0;
  for_each_line("hmac.txt", [&](const Line& line) {
    const HashRow& row = hash_row(line.text("hash"));
    if (!is_saveable(row)) return;
    ++saved;
    const Bytes code = line.bytes("mac");
    const CK_OBJECT_HANDLE key = secret_key(session, row.key, line.bytes("key"));
    if (code.size() == row.bytes) expect_goes_on(row.hmac, key, key, line.bytes("message"), &code);
    expect_goes_on(Mechanism::with_parameter(row.hmac_general, bytes_of(CK_ULONG{code.size()})), key, key,
                   line.bytes("message"), &code);
  });
  EXPECT_GT(saved, 10u);
}

TEST_F(OperationState, OfAesCodesGoesOnInAnotherSession) {
  for_each_line("mac.txt", [&](const Line& line) {
    if (line.text("algorithm") == "gmac") return;
    const CK_OBJECT_HANDLE key = secret_key(session, CKK_AES, line.bytes("key"));
    const Bytes message = line.bytes("message"), code = line.bytes("mac"), first = head(code, 12);
    const bool cmac = line.text("algorithm") == "cmac";
    expect_goes_on(cmac ? CKM_AES_CMAC : CKM_AES_XCBC_MAC, key, key, message, &code);
    expect_goes_on(
        cmac ? Mechanism::with_parameter(CKM_AES_CMAC_GENERAL, bytes_of(CK_ULONG{12})) : Mechanism(CKM_AES_XCBC_MAC_96),
        key, key, message, &first);
  });
}

TEST_F(OperationState, OfEveryCipherGoesOnInAnotherSession) {
  const auto check = [&](const Line& line) {
    CipherCase c(line);
    const CK_OBJECT_HANDLE key = secret_key(session, c.key_type, line.bytes("key"));
    for (const Way way : {Way::kEncrypt, Way::kDecrypt}) {
      const Bytes in = line.bytes(way == Way::kEncrypt ? "plain" : "cipher");
      const std::string out = line.text(way == Way::kEncrypt ? "cipher" : "plain");
      const auto begin = way == Way::kEncrypt ? p11->C_EncryptInit : p11->C_DecryptInit;
      for (const size_t at : splits(in.size())) {
        SCOPED_TRACE(at);
        MUST(begin(session, c.mechanism.get(), key));
        const Bytes first = crypted(session, way, head(in, at));
        MUST(restore(other, save(session), key));
        const Bytes rest = crypted(other, way, tail(in, at));
        EXPECT_EQ(to_hex(first + rest + crypt_end(other, way)), out);
        MUST(begin(session, nullptr, 0));
      }
    }
  };
  for_each_line("cipher.txt", check);
  for_each_line("block_cipher.txt", check);
  for_each_line("xchacha20.txt", check);
}

TEST_F(OperationState, OfSignaturesGoesOnInAnotherSession) {
  const Bytes message =
      bytes("a message in two halves, and more than one block of every hash: " + std::string(200, 'x'));
  const KeyPair rsa = session.generate_rsa(), ec = session.generate_ec(kP256);
  const KeyPair soft = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP384}}, {{CKA_EXTRACTABLE, true}});
  ASSERT_TRUE(session.flag(rsa.private_key, kVtpmResident));
  ASSERT_FALSE(session.flag(soft.private_key, kVtpmResident));
  const Bytes signature = session.sign(CKM_SHA256_RSA_PKCS, rsa.private_key, message);
  expect_goes_on(CKM_SHA256_RSA_PKCS, rsa.private_key, rsa.public_key, message, &signature);
  expect_goes_on(Mechanism::pss(CKM_SHA512_RSA_PKCS_PSS, CKM_SHA512, CKG_MGF1_SHA512, 64), rsa.private_key,
                 rsa.public_key, message, nullptr);
  expect_goes_on(CKM_ECDSA_SHA1, ec.private_key, ec.public_key, message, nullptr);
  expect_goes_on(CKM_ECDSA_SHA384, soft.private_key, soft.public_key, message, nullptr);
}

// Mechanisms that need the whole data keep it in the state.
TEST_F(OperationState, OfWhatIsGatheredGoesOnInAnotherSession) {
  const KeyPair rsa = session.generate_rsa(), ec = session.generate_ec(kP256);
  const KeyPair ed = session.generate(CKM_EC_EDWARDS_KEY_PAIR_GEN, {{CKA_EC_PARAMS, curve_parameters("Ed25519")}}, {});
  const Bytes data = bytes("thirty-two bytes, in two halves.");
  const Bytes by_rsa = session.sign(CKM_RSA_PKCS, rsa.private_key, data),
              by_ed = session.sign(CKM_EDDSA, ed.private_key, data);
  expect_goes_on(CKM_RSA_PKCS, rsa.private_key, rsa.public_key, data, &by_rsa);
  expect_goes_on(CKM_ECDSA, ec.private_key, ec.public_key, data, nullptr);
  expect_goes_on(CKM_EDDSA, ed.private_key, ed.public_key, data, &by_ed);
  Bytes context = bytes("context");
  for (const CK_BBOOL prehash : {CK_BBOOL{CK_FALSE}, CK_BBOOL{CK_TRUE}}) {
    CK_EDDSA_PARAMS parameters{};
    parameters.phFlag = prehash;
    parameters.ulContextDataLen = context.size();
    parameters.pContextData = context.data();
    const Mechanism mechanism = Mechanism::with_parameter(CKM_EDDSA, bytes_of(parameters));
    const Bytes signature = session.sign(mechanism, ed.private_key, data);
    expect_goes_on(mechanism, ed.private_key, ed.public_key, data, &signature);
  }
  const CK_TLS_MAC_PARAMS finished = {CKM_SHA256, 12, 1};
  const Mechanism tls = Mechanism::with_parameter(CKM_TLS12_MAC, bytes_of(finished));
  const CK_OBJECT_HANDLE master = secret_key(session, CKK_GENERIC_SECRET, Bytes(48, 5));
  const Bytes code = session.sign(tls, master, data);
  expect_goes_on(tls, master, master, data, &code);
}

TEST_F(OperationState, OfAVerificationWhoseSignatureCameFirst) {
  Bytes message = bytes("what was signed"), code = session.sign(hmac, secret, message);
  const auto& v3 = p11_3();
  for (const bool good : {true, false}) {
    if (!good) code[3] ^= 1;
    MUST(v3.C_VerifySignatureInit(session, hmac.get(), secret, code.data(), code.size()));
    MUST(v3.C_VerifySignatureUpdate(session, message.data(), 5));
    MUST(restore(other, save(session), 0, secret));
    MUST(v3.C_VerifySignatureUpdate(other, message.data() + 5, message.size() - 5));
    EXPECT_RV(good ? CKR_OK : CKR_SIGNATURE_INVALID, v3.C_VerifySignatureFinal(other));
    MUST(v3.C_VerifySignatureInit(session, nullptr, 0, nullptr, 0));
  }
}

// An operation that has seen nothing yet may still take its data in one call.
TEST_F(OperationState, AnOperationWithoutDataGoesOnInAnotherSession) {
  Bytes data(32, 0x5A), out(32);
  CK_ULONG size = out.size();
  MUST(p11->C_EncryptInit(session, cbc.get(), aes));
  MUST(restore(other, save(session), aes));
  MUST(p11->C_Encrypt(other, data.data(), data.size(), out.data(), &size));
  MUST(p11->C_EncryptInit(session, nullptr, 0));
  EXPECT_EQ(to_hex(out), to_hex(session.encrypt(cbc, aes, data)));

  MUST(p11->C_EncryptInit(session, cbc.get(), aes));
  crypted(session, Way::kEncrypt, head(data, 1));
  MUST(restore(other, save(session), aes));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_Encrypt(other, data.data(), data.size(), out.data(), &size))
      << "in parts once, in parts for ever";
}

// --- pairs of operations (5.17) ---

TEST_F(OperationState, OfPairsGoesOnInAnotherSession) {
  const Bytes text(160, 0x5A), encrypted = session.encrypt(cbc, aes, text), code = session.sign(hmac, secret, text);
  const auto walk = [](CK_SESSION_HANDLE in, auto function, Bytes part) {
    Bytes out(part.size() + 16);
    CK_ULONG size = out.size();
    MUST(function(in, part.data(), part.size(), out.data(), &size));
    out.resize(size);
    return out;
  };
  const auto through = [&](auto function, const Bytes& data, CK_OBJECT_HANDLE authentication) {
    const Bytes first = walk(session, function, head(data, 77));
    MUST(restore(other, save(session), aes, authentication));
    return first + walk(other, function, tail(data, 77));
  };
  const auto clear = [&] {
    for (const auto begin : {p11->C_EncryptInit, p11->C_DecryptInit, p11->C_SignInit, p11->C_VerifyInit})
      begin(session, nullptr, 0);
    p11->C_DigestInit(session, nullptr);
  };
  MUST(p11->C_DigestInit(session, sha.get()));
  digest(session, text);
  const Bytes hash = ended(p11->C_DigestFinal, session);

  MUST(p11->C_EncryptInit(session, cbc.get(), aes));
  MUST(p11->C_DigestInit(session, sha.get()));
  EXPECT_EQ(through(p11->C_DigestEncryptUpdate, text, 0), encrypted);
  EXPECT_EQ(ended(p11->C_DigestFinal, other), hash);
  EXPECT_EQ(ended(p11->C_EncryptFinal, other), Bytes());
  clear();
  MUST(p11->C_DecryptInit(session, cbc.get(), aes));
  MUST(p11->C_DigestInit(session, sha.get()));
  EXPECT_EQ(through(p11->C_DecryptDigestUpdate, encrypted, 0), text);
  EXPECT_EQ(ended(p11->C_DigestFinal, other), hash);
  EXPECT_EQ(ended(p11->C_DecryptFinal, other), Bytes());
  clear();
  MUST(p11->C_EncryptInit(session, cbc.get(), aes));
  MUST(p11->C_SignInit(session, hmac.get(), secret));
  EXPECT_EQ(through(p11->C_SignEncryptUpdate, text, secret), encrypted);
  EXPECT_EQ(ended(p11->C_SignFinal, other), code);
  EXPECT_EQ(ended(p11->C_EncryptFinal, other), Bytes());
  clear();
  MUST(p11->C_DecryptInit(session, cbc.get(), aes));
  MUST(p11->C_VerifyInit(session, hmac.get(), secret));
  EXPECT_EQ(through(p11->C_DecryptVerifyUpdate, encrypted, secret), text);
  EXPECT_RV(CKR_OK, verified(other, code));
  EXPECT_EQ(ended(p11->C_DecryptFinal, other), Bytes());
}

// --- another process ---

/// "go-on <state> sign|encrypt <label of the key> <rest>": ends the operation of the state, a signature or an
/// encryption.
const RegisterAct kGoOn("go-on", [](const std::vector<std::string>& arguments) {
  Library library;
  Session session(slot_of("conformance"));
  session.login();
  const Bytes state = from_hex(arguments.at(0)), rest = from_hex(arguments.at(3));
  const CK_OBJECT_HANDLE key = session.find({{CKA_LABEL, arguments.at(2).c_str()}}).at(0);
  if (arguments.at(1) == "sign") {
    MUST(restore(session, state, 0, key));
    sign(session, rest);
    printf("%s", to_hex(ended(p11->C_SignFinal, session)).c_str());
  } else {
    MUST(restore(session, state, key));
    const Bytes out = crypted(session, Way::kEncrypt, rest);
    printf("%s", to_hex(out + crypt_end(session, Way::kEncrypt)).c_str());
  }
});

TEST_F(OperationState, GoesOnInAnotherProcess) {
  const Bytes text(100, 0x33);
  const auto token_key = [&](const char* label, CK_KEY_TYPE type, size_t bytes) {
    return session.create({{CKA_CLASS, CKO_SECRET_KEY},
                           {CKA_KEY_TYPE, type},
                           {CKA_TOKEN, true},
                           {CKA_LABEL, label},
                           {CKA_VALUE, Bytes(bytes, 7)}});
  };
  const CK_OBJECT_HANDLE shared_aes = token_key("shared-aes", CKK_AES, 32),
                         shared_secret = token_key("shared-secret", CKK_GENERIC_SECRET, 40);
  const auto elsewhere = [&](const char* what, const char* key, const Bytes& rest) {
    const Ran ran = run_act({"go-on", to_hex(save(session)), what, key, to_hex(rest)});
    EXPECT_EQ(ran.status, 0);
    return ran.output;
  };
  Mechanism padded = Mechanism::with_parameter(CKM_AES_CBC_PAD, Bytes(16, 9));
  MUST(p11->C_EncryptInit(session, padded.get(), shared_aes));
  const Bytes first = crypted(session, Way::kEncrypt, head(text, 37));
  EXPECT_EQ(to_hex(first) + elsewhere("encrypt", "shared-aes", tail(text, 37)),
            to_hex(other.encrypt(padded, shared_aes, text)));
  MUST(p11->C_EncryptInit(session, nullptr, 0));

  MUST(p11->C_SignInit(session, hmac.get(), shared_secret));
  sign(session, head(text, 37));
  EXPECT_EQ(elsewhere("sign", "shared-secret", tail(text, 37)), to_hex(other.sign(hmac, shared_secret, text)));
  MUST(p11->C_SignInit(session, nullptr, 0));

  const KeyPair pair =
      session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}}, {{CKA_TOKEN, true}, {CKA_LABEL, "shared-ec"}});
  Mechanism ecdsa = CKM_ECDSA_SHA256;
  MUST(p11->C_SignInit(session, ecdsa.get(), pair.private_key));
  sign(session, head(text, 37));
  const std::string signature = elsewhere("sign", "shared-ec", tail(text, 37));
  EXPECT_RV(CKR_OK, session.try_verify(ecdsa, pair.public_key, text, from_hex(signature)));
}

// --- operations that cannot be saved ---

TEST_F(OperationState, OfWhatLibcryptoDoesNotShowIsNotSaved) {
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, try_save(session));
  for (const HashRow& row : kEveryHash) {
    SCOPED_TRACE(row.name);
    const CK_RV expected = is_saveable(row) ? CKR_OK : CKR_STATE_UNSAVEABLE;
    Mechanism plain = row.digest, keyed = row.hmac;
    MUST(p11->C_DigestInit(session, plain.get()));
    EXPECT_RV(expected, try_save(session));
    MUST(p11->C_DigestInit(session, nullptr));
    MUST(p11->C_SignInit(session, keyed.get(), secret));
    EXPECT_RV(expected, try_save(session));
    MUST(p11->C_SignInit(session, nullptr, 0));
  }
  Bytes nonce(12, 1);
  const CK_GCM_PARAMS gcm = {nonce.data(), 12, 96, nullptr, 0, 128};
  const CK_CCM_PARAMS ccm = {16, nonce.data(), 12, nullptr, 0, 16};
  for (Mechanism mechanism : {Mechanism::with_parameter(CKM_AES_GCM, bytes_of(gcm)),
                              Mechanism::with_parameter(CKM_AES_CCM, bytes_of(ccm)), Mechanism(CKM_AES_KEY_WRAP)}) {
    MUST(p11->C_EncryptInit(session, mechanism.get(), aes));
    EXPECT_RV(CKR_STATE_UNSAVEABLE, try_save(session));
    MUST(p11->C_EncryptInit(session, nullptr, 0));
  }
  Mechanism gmac = Mechanism::with_parameter(CKM_AES_GMAC, bytes_of(gcm)), rsa = CKM_RSA_PKCS;
  MUST(p11->C_SignInit(session, gmac.get(), aes));
  EXPECT_RV(CKR_STATE_UNSAVEABLE, try_save(session));
  MUST(p11->C_SignInit(session, nullptr, 0));
  const KeyPair pair = session.generate_rsa();
  MUST(p11->C_EncryptInit(session, rsa.get(), pair.public_key));
  EXPECT_RV(CKR_STATE_UNSAVEABLE, try_save(session)) << "one part, so there is no middle";
}

TEST_F(OperationState, OfTooMuchAtOnceIsNotSaved) {
  MUST(p11->C_EncryptInit(session, cbc.get(), aes));
  EXPECT_RV(CKR_OK, try_save(session));
  MUST(p11->C_DecryptInit(session, cbc.get(), aes));
  EXPECT_RV(CKR_STATE_UNSAVEABLE, try_save(session)) << "C_SetOperationState has one handle for both keys";
  MUST(p11->C_DecryptInit(session, nullptr, 0));
  Mechanism sha3 = CKM_SHA3_256;
  MUST(p11->C_DigestInit(session, sha3.get()));
  EXPECT_RV(CKR_STATE_UNSAVEABLE, try_save(session)) << "not half of it";
  MUST(p11->C_DigestInit(session, nullptr));
  MUST(p11_3().C_MessageSignInit(session, hmac.get(), secret));
  EXPECT_RV(CKR_STATE_UNSAVEABLE, try_save(session)) << "messages have no state (5.6.7)";
}

// 5.6.7: without "some active savable cryptographic operation(s)" there is nothing whose state could be unsaveable.
TEST_F(OperationState, OtherOperationsHaveNoSavedState) {
  const KeyPair rsa = session.generate(
      CKM_RSA_PKCS_KEY_PAIR_GEN, {{CKA_MODULUS_BITS, 1024}, {CKA_VERIFY_RECOVER, true}}, {{CKA_SIGN_RECOVER, true}});
  const auto& v3 = p11_3();
  Mechanism pkcs = CKM_RSA_PKCS, gcm = CKM_AES_GCM;
  const auto expect_none = [&](CK_RV begun) {
    MUST(begun);
    EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, try_save(session));
  };
  expect_none(p11->C_FindObjectsInit(session, nullptr, 0));
  expect_none(p11->C_SignRecoverInit(session, pkcs.get(), rsa.private_key));
  expect_none(p11->C_VerifyRecoverInit(session, pkcs.get(), rsa.public_key));
  expect_none(v3.C_MessageSignInit(session, hmac.get(), secret));
  expect_none(v3.C_MessageVerifyInit(session, hmac.get(), secret));
  expect_none(v3.C_MessageEncryptInit(session, gcm.get(), aes));
  expect_none(v3.C_MessageDecryptInit(session, gcm.get(), aes));
  MUST(p11->C_DigestInit(session, sha.get()));
  EXPECT_RV(CKR_STATE_UNSAVEABLE, try_save(session));
}

TEST_F(OperationState, OfAResultThatWaitsIsNotSaved) {
  Mechanism padded = Mechanism::with_parameter(CKM_AES_CBC_PAD, Bytes(16, 9));
  Bytes encrypted = session.encrypt(padded, aes, Bytes(20, 1)), out(19);
  CK_ULONG size = out.size();
  MUST(p11->C_DecryptInit(session, padded.get(), aes));
  EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11->C_Decrypt(session, encrypted.data(), encrypted.size(), out.data(), &size));
  EXPECT_RV(CKR_STATE_UNSAVEABLE, try_save(session));
}

TEST_F(OperationState, SavingDoesNotChangeTheOperation) {
  MUST(p11->C_DigestInit(session, sha.get()));
  digest(session, bytes("ab"));
  Bytes small(10);
  CK_ULONG size = small.size();
  EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11->C_GetOperationState(session, small.data(), &size));
  EXPECT_EQ(size, save(session).size());
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_GetOperationState(session, small.data(), nullptr));
  digest(session, bytes("c"));
  EXPECT_EQ(to_hex(ended(p11->C_DigestFinal, session)),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");  // FIPS 180-4: "abc"
}

// --- keys ---

TEST_F(OperationState, AsksForTheKeysThatItNeeds) {
  MUST(p11->C_EncryptInit(session, cbc.get(), aes));
  MUST(p11->C_SignInit(session, hmac.get(), secret));
  const Bytes both = save(session);
  EXPECT_RV(CKR_KEY_NEEDED, restore(other, both));
  EXPECT_RV(CKR_KEY_NEEDED, restore(other, both, aes, 0));
  EXPECT_RV(CKR_KEY_NEEDED, restore(other, both, 0, secret));
  EXPECT_RV(CKR_KEY_CHANGED, restore(other, both, secret, aes)) << "the one for the other";
  EXPECT_RV(CKR_OK, restore(other, both, aes, secret));
  MUST(p11->C_SignInit(session, nullptr, 0));
  EXPECT_RV(CKR_KEY_NOT_NEEDED, restore(other, save(session), aes, secret));
  MUST(p11->C_EncryptInit(session, nullptr, 0));
  MUST(p11->C_DigestInit(session, sha.get()));
  EXPECT_RV(CKR_KEY_NOT_NEEDED, restore(other, save(session), aes));
  EXPECT_RV(CKR_KEY_NOT_NEEDED, restore(other, save(session), 0, 1));
}

TEST_F(OperationState, RejectsAnotherKey) {
  const auto changed = [&](const Bytes& state, CK_OBJECT_HANDLE key, bool ciphers) {
    EXPECT_RV(CKR_KEY_CHANGED, ciphers ? restore(other, state, key) : restore(other, state, 0, key));
  };
  MUST(p11->C_EncryptInit(session, cbc.get(), aes));
  const Bytes encryption = save(session);
  changed(encryption, secret_key(session, CKK_AES, Bytes(16, 4)), true);
  changed(encryption, secret_key(session, CKK_GENERIC_SECRET, Bytes(16, 1)), true);  // the same bytes
  changed(encryption, secret, true);
  changed(encryption, 0x7FFFFFFF, true);
  const auto with_a_no = [&](CK_ATTRIBUTE_TYPE what, Attribute no) {
    SCOPED_TRACE(what);
    changed(encryption,
            session.create({{CKA_CLASS, CKO_SECRET_KEY}, {CKA_KEY_TYPE, CKK_AES}, {CKA_VALUE, Bytes(16, 1)}, no}),
            true);
  };
  with_a_no(CKA_ENCRYPT, {CKA_ENCRYPT, false});
  with_a_no(CKA_ALLOWED_MECHANISMS, {CKA_ALLOWED_MECHANISMS, bytes_of(CK_ULONG{CKM_AES_ECB})});
  EXPECT_RV(CKR_OK, restore(other, encryption, secret_key(session, CKK_AES, Bytes(16, 1)))) << "the same key";

  const KeyPair pair = session.generate_ec(kP256), another = session.generate_ec(kP256);
  Mechanism ecdsa = CKM_ECDSA_SHA256;
  MUST(p11->C_SignInit(session, ecdsa.get(), pair.private_key));
  MUST(p11->C_EncryptInit(session, nullptr, 0));
  const Bytes signature = save(session);
  changed(signature, another.private_key, false);
  changed(signature, pair.public_key, false);
  changed(signature, secret, false);
  EXPECT_RV(CKR_OK, restore(other, signature, 0, pair.private_key));
}

TEST_F(OperationState, OfAKeyThatIsGoneIsNotSaved) {
  const CK_OBJECT_HANDLE gone = session.create(
      {{CKA_CLASS, CKO_SECRET_KEY}, {CKA_KEY_TYPE, CKK_AES}, {CKA_TOKEN, true}, {CKA_VALUE, Bytes(16, 1)}});
  MUST(p11->C_EncryptInit(session, cbc.get(), gone));
  const Bytes state = save(session);
  MUST(p11->C_DestroyObject(session, gone));
  EXPECT_RV(CKR_STATE_UNSAVEABLE, try_save(session));
  EXPECT_RV(CKR_KEY_CHANGED, restore(other, state, gone));
}

// 4.9: each use of such a key needs the PIN, and an operation that continues in another session needs it again.
TEST_F(OperationState, AsksForThePinOfAKeyThatWantsItEachTime) {
  const KeyPair pair = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}},
                                        {{CKA_SIGN, true}, {CKA_PRIVATE, true}, {CKA_ALWAYS_AUTHENTICATE, true}});
  Mechanism ecdsa = CKM_ECDSA_SHA256;
  Bytes data = bytes("data");
  MUST(p11->C_SignInit(session, ecdsa.get(), pair.private_key));
  session.login(CKU_CONTEXT_SPECIFIC);
  sign(session, data);
  const Bytes state = save(session);
  MUST(restore(other, state, 0, pair.private_key));
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, p11->C_SignUpdate(other, data.data(), data.size()));
  MUST(restore(other, state, 0, pair.private_key));
  other.login(CKU_CONTEXT_SPECIFIC);
  sign(other, data);
  const Bytes signature = ended(p11->C_SignFinal, other);
  EXPECT_RV(CKR_OK, session.try_verify(ecdsa, pair.public_key, data + data, signature));
}

// --- invalid states ---

TEST_F(OperationState, RestoringAbandonsWhatWasActive) {
  MUST(p11->C_DigestInit(session, sha.get()));
  digest(session, bytes("abc"));
  const Bytes state = save(session);
  digest(session, bytes("more"));
  MUST(p11->C_EncryptInit(session, cbc.get(), aes));
  MUST(p11->C_FindObjectsInit(session, nullptr, 0));
  EXPECT_RV(CKR_OK, restore(session, state));
  EXPECT_EQ(to_hex(ended(p11->C_DigestFinal, session)),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CK_ULONG size = 0;
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_EncryptFinal(session, nullptr, &size));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_FindObjectsFinal(session)) << "searches too (5.6.8)";
}

TEST_F(OperationState, ThatIsRefusedLeavesWhatWasActive) {
  MUST(p11->C_EncryptInit(session, cbc.get(), aes));
  const Bytes state = save(session);
  MUST(p11->C_DigestInit(other, sha.get()));
  digest(other, bytes("abc"));
  EXPECT_RV(CKR_SAVED_STATE_INVALID, restore(other, head(state, state.size() - 1), aes));
  EXPECT_RV(CKR_KEY_CHANGED, restore(other, state, secret));
  EXPECT_EQ(to_hex(ended(p11->C_DigestFinal, other)),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_F(OperationState, RejectsBytesThatItDidNotSave) {
  MUST(p11->C_DigestInit(session, sha.get()));
  const Bytes state = save(session);
  for (size_t i = 0; i < state.size(); ++i) {
    Bytes changed = state;
    changed[i] ^= i == 0 ? 1 : 0x20;
    EXPECT_RV(CKR_SAVED_STATE_INVALID, restore(session, changed));
    EXPECT_RV(CKR_SAVED_STATE_INVALID, p11->C_SetOperationState(session, const_cast<CK_BYTE*>(state.data()), i, 0, 0));
  }
  EXPECT_RV(CKR_SAVED_STATE_INVALID, restore(session, state + Bytes{0}));
  EXPECT_RV(CKR_SAVED_STATE_INVALID, restore(session, Bytes(5)));
  EXPECT_RV(CKR_SAVED_STATE_INVALID, restore(session, Bytes(100, 2)));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_SetOperationState(session, nullptr, 0, 0, 0));
  Session elsewhere(make_token("another"));
  EXPECT_RV(CKR_SAVED_STATE_INVALID, restore(elsewhere, state));
  elsewhere.login();
  EXPECT_RV(CKR_SAVED_STATE_INVALID, restore(elsewhere, state));
}

// C_DigestKey puts the key into the digest's block: it must not be readable in the state.
TEST_F(OperationState, DoesNotContainTheKey) {
  const Bytes value = bytes("a key that must stay secret");
  MUST(p11->C_DigestInit(session, sha.get()));
  MUST(p11->C_DigestKey(session, secret_key(session, CKK_GENERIC_SECRET, value)));
  EXPECT_EQ(to_hex(save(session)).find(to_hex(head(value, 8))), std::string::npos);
}

TEST_F(OperationState, OfALoginWaitsForTheNextOne) {
  MUST(p11->C_DigestInit(session, sha.get()));
  digest(session, bytes("ab"));
  const Bytes state = save(session);
  session.logout();
  EXPECT_RV(CKR_SAVED_STATE_INVALID, restore(session, state));
  library.restart();
  Session later(slot_of("conformance"));
  EXPECT_RV(CKR_SAVED_STATE_INVALID, restore(later, state));
  later.login();
  EXPECT_RV(CKR_OK, restore(later, state));
  digest(later, bytes("c"));
  EXPECT_EQ(to_hex(ended(p11->C_DigestFinal, later)),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

// "cryptographic operations state from a session with a different session state" (5.6.8).
TEST_F(OperationState, OfAnotherSessionStateIsRefused) {
  Session reader(slot, Session::kReadOnly);
  const auto of = [&](CK_SESSION_HANDLE in) {
    p11->C_DigestInit(in, nullptr);
    MUST(p11->C_DigestInit(in, sha.get()));
    return save(in);
  };
  const auto expect_own_only = [&](const Bytes& of_session, const Bytes& of_reader) {
    EXPECT_RV(CKR_OK, restore(other, of_session));
    EXPECT_RV(CKR_OK, restore(reader, of_reader));
    EXPECT_RV(CKR_SAVED_STATE_INVALID, restore(reader, of_session));
    EXPECT_RV(CKR_SAVED_STATE_INVALID, restore(session, of_reader));
  };
  const Bytes by_user = of(session), read_by_user = of(reader);
  expect_own_only(by_user, read_by_user);
  session.logout();
  const Bytes by_all = of(session), read_by_all = of(reader);
  expect_own_only(by_all, read_by_all);
  reader.close();
  session.login(CKU_SO);
  const Bytes by_so = of(session);
  EXPECT_RV(CKR_OK, restore(other, by_so));
  for (const Bytes& foreign : {by_user, read_by_user, by_all, read_by_all})
    EXPECT_RV(CKR_SAVED_STATE_INVALID, restore(session, foreign));
  session.logout();
  session.login();
  EXPECT_RV(CKR_OK, restore(session, by_user)) << "it is the user's again";
  EXPECT_RV(CKR_SAVED_STATE_INVALID, restore(session, by_so));
}

TEST_F(OperationState, WithoutALoginEndsWithTheLibrary) {
  session.logout();
  MUST(p11->C_DigestInit(session, sha.get()));
  const Bytes state = save(session);
  EXPECT_RV(CKR_OK, restore(other, state));
  library.restart();
  Session later(slot_of("conformance"));
  EXPECT_RV(CKR_SAVED_STATE_INVALID, restore(later, state));
}

TEST_F(OperationState, OfAPrivateKeyIsNotSavedAfterTheLogin) {
  const CK_OBJECT_HANDLE of_the_token = session.create(
      {{CKA_CLASS, CKO_SECRET_KEY}, {CKA_KEY_TYPE, CKK_AES}, {CKA_TOKEN, true}, {CKA_VALUE, Bytes(16, 1)}});
  MUST(p11->C_EncryptInit(session, cbc.get(), of_the_token));
  session.logout();
  EXPECT_RV(CKR_STATE_UNSAVEABLE, try_save(session));
}

}  // namespace
}  // namespace vtpm::conformance
