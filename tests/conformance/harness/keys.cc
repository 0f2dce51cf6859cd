// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/harness/keys.h"

namespace vtpm::conformance {

Bytes curve_parameters(const std::string& name) {
  static const std::map<std::string, const char*> kCurves = {
      {"P-224", "06052b81040021"},
      {"P-256", "06082a8648ce3d030107"},
      {"P-384", "06052b81040022"},
      {"P-521", "06052b81040023"},
      {"secp256k1", "06052b8104000a"},
      {"X25519", "06032b656e"},
      {"brainpoolP256r1", "06092b2403030208010107"},
      {"brainpoolP384r1", "06092b240303020801010b"},
      {"brainpoolP512r1", "06092b240303020801010d"},
      {"X448", "06032b656f"},
      {"Ed25519", "06032b6570"},
      {"Ed448", "06032b6571"},
  };
  return from_hex(kCurves.at(name));
}

CK_BYTE* bytes_pointer(const Bytes& bytes) {
  static CK_BYTE nothing = 0;
  return bytes.empty() ? &nothing : const_cast<CK_BYTE*>(bytes.data());
}

CK_RV try_derive(Session& session, Mechanism mechanism, CK_OBJECT_HANDLE base, Template wanted, CK_OBJECT_HANDLE* key) {
  CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
  return p11->C_DeriveKey(session, mechanism.get(), base, wanted.data(), wanted.size(), key ? key : &made);
}

CK_OBJECT_HANDLE derive(Session& session, Mechanism mechanism, CK_OBJECT_HANDLE base, Template wanted) {
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  must(try_derive(session, std::move(mechanism), base, std::move(wanted), &key), "C_DeriveKey");
  return key;
}

Template shown_secret(size_t bytes) {
  const Template secret = {
      {CKA_CLASS, CKO_SECRET_KEY}, {CKA_KEY_TYPE, CKK_GENERIC_SECRET}, {CKA_SENSITIVE, false}, {CKA_EXTRACTABLE, true}};
  return bytes ? secret.with({{CKA_VALUE_LEN, bytes}}) : secret;
}

Bytes derived_value(Session& session, Mechanism mechanism, CK_OBJECT_HANDLE base, size_t bytes) {
  return session.get(derive(session, std::move(mechanism), base, shown_secret(bytes)), CKA_VALUE);
}

CK_RV try_wrap(Session& session, Mechanism mechanism, CK_OBJECT_HANDLE wrapping, CK_OBJECT_HANDLE key, Bytes* wrapped) {
  CK_ULONG size = 0;
  CK_RV rv = p11->C_WrapKey(session, mechanism.get(), wrapping, key, nullptr, &size);
  if (rv != CKR_OK) return rv;
  const CK_ULONG whole = size;
  Bytes out(whole + 1, 0xEE);
  size = whole - 1;
  EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11->C_WrapKey(session, mechanism.get(), wrapping, key, out.data(), &size));
  EXPECT_EQ(size, whole);
  size = whole;
  rv = p11->C_WrapKey(session, mechanism.get(), wrapping, key, out.data(), &size);
  if (rv != CKR_OK) return rv;
  EXPECT_EQ(size, whole);
  EXPECT_EQ(out.back(), 0xEE) << "written beyond the size that was announced";
  out.resize(size);
  if (wrapped) *wrapped = out;
  return CKR_OK;
}

Bytes wrap(Session& session, Mechanism mechanism, CK_OBJECT_HANDLE wrapping, CK_OBJECT_HANDLE key) {
  Bytes wrapped;
  must(try_wrap(session, std::move(mechanism), wrapping, key, &wrapped), "C_WrapKey");
  return wrapped;
}

CK_RV try_unwrap(Session& session, Mechanism mechanism, CK_OBJECT_HANDLE unwrapping, const Bytes& wrapped,
                 Template wanted, CK_OBJECT_HANDLE* key) {
  CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
  return p11->C_UnwrapKey(session, mechanism.get(), unwrapping, bytes_pointer(wrapped), wrapped.size(), wanted.data(),
                          wanted.size(), key ? key : &made);
}

CK_OBJECT_HANDLE unwrap(Session& session, Mechanism mechanism, CK_OBJECT_HANDLE unwrapping, const Bytes& wrapped,
                        Template wanted) {
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  must(try_unwrap(session, std::move(mechanism), unwrapping, wrapped, std::move(wanted), &key), "C_UnwrapKey");
  return key;
}

Mechanism with_string(CK_MECHANISM_TYPE type, const Bytes& data) {
  return Mechanism::with_parameter(type, bytes_of(CK_KEY_DERIVATION_STRING_DATA{bytes_pointer(data), data.size()}));
}

}  // namespace vtpm::conformance
