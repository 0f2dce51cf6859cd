// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "tests/conformance/harness/harness.h"

namespace vtpm::conformance {
namespace {

/// The pointer is never null, so that tests pass null pointers on purpose only.
CK_BYTE* raw(const Bytes& bytes) {
  static CK_BYTE nothing = 0;
  return bytes.empty() ? &nothing : const_cast<CK_BYTE*>(bytes.data());
}

/// Splits the data into an empty part and parts of 1, 2, 3, … bytes, so that parts end at different positions of a
/// block.
template <typename Update>
void in_parts(const Bytes& data, Update update) {
  update(raw({}), 0);
  for (size_t at = 0, part = 1; at < data.size(); at += part++)
    update(raw(data) + at, std::min(part, data.size() - at));
}

/// The two calls of section 5.2: the first asks for the length, the second for the bytes.
template <typename Call>
Bytes produce(const char* name, Call call) {
  CK_ULONG size = 0;
  must(call(nullptr, &size), name);
  Bytes out(size);
  must(call(out.data(), &size), name);
  out.resize(size);
  return out;
}

}  // namespace

Session::Session(CK_SLOT_ID slot, Mode mode) {
  MUST(p11->C_OpenSession(slot, CKF_SERIAL_SESSION | (mode == kReadWrite ? CKF_RW_SESSION : 0), nullptr, nullptr,
                          &handle_));
}

void Session::close() {
  if (handle_ != CK_INVALID_HANDLE) p11->C_CloseSession(std::exchange(handle_, CK_INVALID_HANDLE));
}

CK_RV Session::try_login(CK_USER_TYPE user, const Bytes& pin) {
  return p11->C_Login(handle_, user, raw(pin), pin.size());
}

void Session::logout() { MUST(p11->C_Logout(handle_)); }

CK_STATE Session::state() {
  CK_SESSION_INFO info{};
  MUST(p11->C_GetSessionInfo(handle_, &info));
  return info.state;
}

// --- objects ---

CK_RV Session::try_create(Template attributes, CK_OBJECT_HANDLE* object) {
  CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
  return p11->C_CreateObject(handle_, attributes.data(), attributes.size(), object ? object : &made);
}

CK_OBJECT_HANDLE Session::create(Template attributes) {
  CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
  must(try_create(std::move(attributes), &object), "C_CreateObject");
  return object;
}

CK_RV Session::try_copy(CK_OBJECT_HANDLE object, Template changes, CK_OBJECT_HANDLE* copy) {
  CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
  return p11->C_CopyObject(handle_, object, changes.data(), changes.size(), copy ? copy : &made);
}

CK_RV Session::try_set(CK_OBJECT_HANDLE object, Template changes) {
  return p11->C_SetAttributeValue(handle_, object, changes.data(), changes.size());
}

CK_RV Session::try_generate(Mechanism mechanism, Template public_key, Template private_key, KeyPair* pair) {
  KeyPair made;
  if (!pair) pair = &made;
  return p11->C_GenerateKeyPair(handle_, mechanism.get(), public_key.data(), public_key.size(), private_key.data(),
                                private_key.size(), &pair->public_key, &pair->private_key);
}

KeyPair Session::generate(Mechanism mechanism, Template public_key, Template private_key) {
  KeyPair pair;
  must(try_generate(mechanism, std::move(public_key), std::move(private_key), &pair), "C_GenerateKeyPair");
  return pair;
}

KeyPair Session::generate_rsa(CK_ULONG bits) {
  return generate(CKM_RSA_PKCS_KEY_PAIR_GEN,
                  {{CKA_MODULUS_BITS, bits}, {CKA_VERIFY, true}, {CKA_ENCRYPT, true}, {CKA_PRIVATE, false}},
                  {{CKA_SIGN, true}, {CKA_DECRYPT, true}});
}

KeyPair Session::generate_ec(const Bytes& curve) {
  return generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, curve}, {CKA_VERIFY, true}, {CKA_PRIVATE, false}},
                  {{CKA_SIGN, true}});
}

CK_RV Session::try_get(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  CK_ATTRIBUTE attribute{type, nullptr, 0};
  return p11->C_GetAttributeValue(handle_, object, &attribute, 1);
}

Bytes Session::get(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  CK_ATTRIBUTE attribute{type, nullptr, 0};
  MUST(p11->C_GetAttributeValue(handle_, object, &attribute, 1));
  Bytes value(attribute.ulValueLen);
  if (value.empty()) return value;
  attribute.pValue = value.data();
  MUST(p11->C_GetAttributeValue(handle_, object, &attribute, 1));
  value.resize(attribute.ulValueLen);
  return value;
}

bool Session::flag(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  const Bytes value = get(object, type);
  if (value.size() != sizeof(CK_BBOOL) || value[0] > 1) throw std::runtime_error("not a CK_BBOOL: " + to_hex(value));
  return value[0] == CK_TRUE;
}

CK_ULONG Session::number(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  const Bytes value = get(object, type);
  CK_ULONG number = 0;
  if (value.size() != sizeof number) throw std::runtime_error("not a CK_ULONG: " + to_hex(value));
  memcpy(&number, value.data(), sizeof number);
  return number;
}

std::string Session::text(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  const Bytes value = get(object, type);
  return {value.begin(), value.end()};
}

std::vector<CK_OBJECT_HANDLE> Session::find(Template match) {
  MUST(p11->C_FindObjectsInit(handle_, match.data(), match.size()));
  std::vector<CK_OBJECT_HANDLE> all;
  for (;;) {
    CK_OBJECT_HANDLE some[7];
    CK_ULONG count = 0;
    MUST(p11->C_FindObjects(handle_, some, std::size(some), &count));
    if (count == 0) break;
    all.insert(all.end(), some, some + count);
  }
  MUST(p11->C_FindObjectsFinal(handle_));
  return all;
}

// --- operations ---

Bytes Session::sign(Mechanism mechanism, CK_OBJECT_HANDLE key, const Bytes& data) {
  MUST(p11->C_SignInit(handle_, mechanism.get(), key));
  return produce("C_Sign",
                 [&](CK_BYTE* out, CK_ULONG* size) { return p11->C_Sign(handle_, raw(data), data.size(), out, size); });
}

Bytes Session::sign_in_parts(Mechanism mechanism, CK_OBJECT_HANDLE key, const Bytes& data) {
  MUST(p11->C_SignInit(handle_, mechanism.get(), key));
  in_parts(data, [&](CK_BYTE* part, CK_ULONG size) { MUST(p11->C_SignUpdate(handle_, part, size)); });
  return produce("C_SignFinal", [&](CK_BYTE* out, CK_ULONG* size) { return p11->C_SignFinal(handle_, out, size); });
}

CK_RV Session::try_sign(Mechanism mechanism, CK_OBJECT_HANDLE key, const Bytes& data) {
  const CK_RV rv = p11->C_SignInit(handle_, mechanism.get(), key);
  if (rv != CKR_OK) return rv;
  Bytes signature(1024);
  CK_ULONG size = signature.size();
  return p11->C_Sign(handle_, raw(data), data.size(), signature.data(), &size);
}

CK_RV Session::try_verify(Mechanism mechanism, CK_OBJECT_HANDLE key, const Bytes& data, const Bytes& signature) {
  const CK_RV rv = p11->C_VerifyInit(handle_, mechanism.get(), key);
  if (rv != CKR_OK) return rv;
  return p11->C_Verify(handle_, raw(data), data.size(), raw(signature), signature.size());
}

CK_RV Session::try_verify_in_parts(Mechanism mechanism, CK_OBJECT_HANDLE key, const Bytes& data,
                                   const Bytes& signature) {
  MUST(p11->C_VerifyInit(handle_, mechanism.get(), key));
  in_parts(data, [&](CK_BYTE* part, CK_ULONG size) { MUST(p11->C_VerifyUpdate(handle_, part, size)); });
  return p11->C_VerifyFinal(handle_, raw(signature), signature.size());
}

Bytes Session::encrypt(Mechanism mechanism, CK_OBJECT_HANDLE key, const Bytes& data) {
  MUST(p11->C_EncryptInit(handle_, mechanism.get(), key));
  return produce("C_Encrypt", [&](CK_BYTE* out, CK_ULONG* size) {
    return p11->C_Encrypt(handle_, raw(data), data.size(), out, size);
  });
}

CK_RV Session::try_encrypt(Mechanism mechanism, CK_OBJECT_HANDLE key, const Bytes& data) {
  const CK_RV rv = p11->C_EncryptInit(handle_, mechanism.get(), key);
  if (rv != CKR_OK) return rv;
  Bytes out(1024);
  CK_ULONG size = out.size();
  return p11->C_Encrypt(handle_, raw(data), data.size(), out.data(), &size);
}

Bytes Session::decrypt(Mechanism mechanism, CK_OBJECT_HANDLE key, const Bytes& data) {
  Bytes plain;
  must(try_decrypt(mechanism, key, data, &plain), "C_Decrypt");
  return plain;
}

CK_RV Session::try_decrypt(Mechanism mechanism, CK_OBJECT_HANDLE key, const Bytes& data, Bytes* plain) {
  CK_RV rv = p11->C_DecryptInit(handle_, mechanism.get(), key);
  if (rv != CKR_OK) return rv;
  Bytes out(1024);
  CK_ULONG size = out.size();
  rv = p11->C_Decrypt(handle_, raw(data), data.size(), out.data(), &size);
  if (rv == CKR_OK && plain) plain->assign(out.begin(), out.begin() + static_cast<ptrdiff_t>(size));
  return rv;
}

}  // namespace vtpm::conformance
