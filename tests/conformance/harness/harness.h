// SPDX-License-Identifier: Apache-2.0
// These tests use PKCS#11 as an application does: only through the function list of a module loaded with dlopen.
//
// `p11` is that function list. A test takes a fixture that has already gone as far as it needs: `Fresh` (an initialized
// library over an empty store directory), `WithToken` (a token with both PINs), `WithUser` (and the user logged in on a
// read/write session). Every test owns a scratch directory with a configuration of its own, which is removed when the
// test ends.
//
// EXPECT_RV(expected, call) compares return values and prints their names; `expected` may be one_of(a, b) where the
// standard leaves the choice. The steps that only prepare a test throw when they fail: MUST(call), and every member of
// Session whose name does not begin with try_.
//
// The tests load $VTPM_TEST_MODULE, or the module of this build. The variable can name another module (SoftHSM 2): a
// test of what the standard requires should pass with it too, which shows that the test itself is right.
#pragma once

#include <gtest/gtest.h>

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "pkcs11/cryptoki/functions.h"

namespace vtpm::conformance {

using Bytes = std::vector<uint8_t>;
inline Bytes bytes(std::string_view text) { return {text.begin(), text.end()}; }
Bytes from_hex(std::string_view hex);
std::string to_hex(const Bytes& bytes);
Bytes operator+(Bytes a, const Bytes& b);

// These numbers are from PKCS#11 3.0 and from this module (docs/pkcs11.md).
constexpr CK_ATTRIBUTE_TYPE kUniqueId = CKA_UNIQUE_ID;
constexpr CK_ATTRIBUTE_TYPE kVtpmResident = CKA_VENDOR_DEFINED | 0x56540001;
constexpr CK_ATTRIBUTE_TYPE kVtpmNvIndex = CKA_VENDOR_DEFINED | 0x56540002;
constexpr CK_ATTRIBUTE_TYPE kVtpmBound = CKA_VENDOR_DEFINED | 0x56540003;
constexpr CK_ATTRIBUTE_TYPE kVtpmNvValue = CKA_VENDOR_DEFINED | 0x56540004;
constexpr CK_ATTRIBUTE_TYPE kVtpmNvAttributes = CKA_VENDOR_DEFINED | 0x56540005;
constexpr CK_ATTRIBUTE_TYPE kVtpmNvType = CKA_VENDOR_DEFINED | 0x56540006;
constexpr CK_ATTRIBUTE_TYPE kVtpmAuth = CKA_VENDOR_DEFINED | 0x56540007;
constexpr CK_ATTRIBUTE_TYPE kVtpmHandle = CKA_VENDOR_DEFINED | 0x56540008;

constexpr CK_ULONG kAbsurd = ~0UL;  // a length that no buffer has

inline const Bytes kSoPin = bytes("so-pin-1234"), kUserPin = bytes("user-pin-1234");

/// The function list of the module under test (recorder.h).
extern CK_FUNCTION_LIST* const p11;
/// The module's list of PKCS#11 3.2, from C_GetInterface. Throws if the module has none.
const CK_FUNCTION_LIST_3_2& p11_3();
/// The same lists as the module returns them, without the recorder.
CK_FUNCTION_LIST* module_list();
const CK_FUNCTION_LIST_3_2& module_list_3();
/// The file that the module was loaded from, and the address of a symbol that it exports; null if it does not export
/// it.
std::string module_path();
void* module_symbol(const char* name);

// --- return values ---
std::string rv_name(CK_RV rv);

using ReturnValues = std::vector<CK_RV>;
inline ReturnValues one_of(std::initializer_list<CK_RV> values) { return values; }
template <typename... More>
ReturnValues one_of(CK_RV first, More... more) {
  return {first, more...};
}
testing::AssertionResult same_rv(const char*, const char* call, CK_RV expected, CK_RV actual);
testing::AssertionResult same_rv(const char*, const char* call, const ReturnValues& expected, CK_RV actual);
/// Throws std::runtime_error that names the call and the value unless `rv` is CKR_OK.
void must(CK_RV rv, const char* call);

#define EXPECT_RV(expected, ...) \
  EXPECT_PRED_FORMAT2(::vtpm::conformance::same_rv, expected, static_cast<CK_RV>(__VA_ARGS__))
#define MUST(...) ::vtpm::conformance::must((__VA_ARGS__), #__VA_ARGS__)

// --- templates ---
struct Attribute {
  CK_ATTRIBUTE_TYPE type;
  Bytes value;

  Attribute(CK_ATTRIBUTE_TYPE t, Bytes v) : type(t), value(std::move(v)) {}
  Attribute(CK_ATTRIBUTE_TYPE t, const char* v) : type(t), value(bytes(v)) {}
  template <std::same_as<bool> B>
  Attribute(CK_ATTRIBUTE_TYPE t, B v) : type(t), value{v ? CK_BBOOL{CK_TRUE} : CK_BBOOL{CK_FALSE}} {}
  template <std::integral I>
  requires(!std::same_as<I, bool>) Attribute(CK_ATTRIBUTE_TYPE t, I v) : type(t) {
    const auto number = static_cast<CK_ULONG>(v);
    const auto* bytes = reinterpret_cast<const uint8_t*>(&number);
    value.assign(bytes, bytes + sizeof number);
  }
};

class Template {
 public:
  Template() = default;
  Template(std::initializer_list<Attribute> attributes) : attributes_(attributes) {}

  /// Returns this template with some attributes replaced or added, or with one left out.
  Template with(std::initializer_list<Attribute> attributes) const;
  Template without(CK_ATTRIBUTE_TYPE type) const;

  /// The array for the C functions, which is valid until this object changes.
  CK_ATTRIBUTE* data();
  CK_ULONG size() const { return attributes_.size(); }
  const std::vector<Attribute>& attributes() const { return attributes_; }

 private:
  std::vector<Attribute> attributes_;
  std::vector<CK_ATTRIBUTE> raw_;
};

/// A mechanism with its parameter. Copyable; `get` points into the object.
class Mechanism {
 public:
  Mechanism(CK_MECHANISM_TYPE type) : type_(type) {}  // NOLINT: most mechanisms are just their number
  static Mechanism pss(CK_MECHANISM_TYPE type, CK_MECHANISM_TYPE hash, CK_ULONG mgf, CK_ULONG salt);
  static Mechanism oaep(CK_MECHANISM_TYPE hash, CK_ULONG mgf, Bytes label = {});
  /// Takes any bytes as the parameter, for tests of errors.
  static Mechanism with_parameter(CK_MECHANISM_TYPE type, Bytes parameter);

  CK_MECHANISM_TYPE type() const { return type_; }
  CK_MECHANISM* get();

 private:
  CK_MECHANISM_TYPE type_;
  std::variant<std::monostate, CK_RSA_PKCS_PSS_PARAMS, CK_RSA_PKCS_OAEP_PARAMS, Bytes> parameter_;
  Bytes label_;
  CK_MECHANISM raw_{};
};

struct KeyPair {
  CK_OBJECT_HANDLE public_key = CK_INVALID_HANDLE, private_key = CK_INVALID_HANDLE;
};

/// An open session. The destructor closes it unless the library was finalized before.
class Session {
 public:
  enum Mode { kReadOnly, kReadWrite };
  explicit Session(CK_SLOT_ID slot, Mode mode = kReadWrite);
  Session(Session&& other) noexcept : handle_(std::exchange(other.handle_, CK_INVALID_HANDLE)) {}
  Session& operator=(Session&&) = delete;
  ~Session() { close(); }
  operator CK_SESSION_HANDLE() const { return handle_; }  // NOLINT: a session is its handle to the C functions
  void close();

  CK_RV try_login(CK_USER_TYPE user, const Bytes& pin);
  void login(CK_USER_TYPE user = CKU_USER) { must(try_login(user, user == CKU_SO ? kSoPin : kUserPin), "C_Login"); }
  void logout();
  CK_STATE state();

  CK_RV try_create(Template attributes, CK_OBJECT_HANDLE* object = nullptr);
  CK_OBJECT_HANDLE create(Template attributes);
  CK_RV try_copy(CK_OBJECT_HANDLE object, Template changes, CK_OBJECT_HANDLE* copy = nullptr);
  CK_RV try_set(CK_OBJECT_HANDLE object, Template changes);
  CK_RV try_generate(Mechanism mechanism, Template public_key, Template private_key, KeyPair* pair = nullptr);
  KeyPair generate(Mechanism mechanism, Template public_key, Template private_key);
  /// Generates session keys of the given size or curve (DER parameters) that allow every operation of their type.
  KeyPair generate_rsa(CK_ULONG bits = 2048);
  KeyPair generate_ec(const Bytes& curve);

  /// The return value of C_GetAttributeValue for a size query of one attribute.
  CK_RV try_get(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);
  Bytes get(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);
  bool flag(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);
  CK_ULONG number(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);
  std::string text(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);
  std::vector<CK_OBJECT_HANDLE> find(Template match);

  Bytes sign(Mechanism mechanism, CK_OBJECT_HANDLE key, const Bytes& data);
  /// The same with C_SignUpdate, in parts of 1, 2, 3, … bytes and an empty part.
  Bytes sign_in_parts(Mechanism mechanism, CK_OBJECT_HANDLE key, const Bytes& data);
  CK_RV try_sign(Mechanism mechanism, CK_OBJECT_HANDLE key, const Bytes& data);
  CK_RV try_verify(Mechanism mechanism, CK_OBJECT_HANDLE key, const Bytes& data, const Bytes& signature);
  CK_RV try_verify_in_parts(Mechanism mechanism, CK_OBJECT_HANDLE key, const Bytes& data, const Bytes& signature);
  Bytes encrypt(Mechanism mechanism, CK_OBJECT_HANDLE key, const Bytes& data);
  CK_RV try_encrypt(Mechanism mechanism, CK_OBJECT_HANDLE key, const Bytes& data);
  Bytes decrypt(Mechanism mechanism, CK_OBJECT_HANDLE key, const Bytes& data);
  CK_RV try_decrypt(Mechanism mechanism, CK_OBJECT_HANDLE key, const Bytes& data, Bytes* plain = nullptr);

 private:
  CK_SESSION_HANDLE handle_ = CK_INVALID_HANDLE;
};

/// CKA_EC_PARAMS of the curves: DER OBJECT IDENTIFIER (RFC 5480, 2.1.1.1).
extern const Bytes kP256, kP384, kP521;

// --- surroundings ---
/// A directory with a configuration file that names it; the environment names the file. The destructor removes both.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::string& path() const { return path_; }
  std::string store() const { return path_ + "/store"; }

 private:
  std::string path_;
};

/// Calls C_Initialize, and C_Finalize when it is destroyed.
class Library {
 public:
  Library() { initialize(); }
  ~Library() { p11->C_Finalize(nullptr); }  // the test may have finalized the library already
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  void initialize();
  void restart();
};

std::vector<CK_SLOT_ID> slots();
CK_TOKEN_INFO token_info(CK_SLOT_ID slot);
CK_FLAGS token_flags(CK_SLOT_ID slot);
/// The slot that the next C_InitToken takes, whether it is listed with an uninitialized token or without one.
CK_SLOT_ID free_slot();
CK_RV try_init_token(CK_SLOT_ID slot, const Bytes& so_pin, std::string_view label);
/// Initializes the token of the free slot and sets its user PIN.
CK_SLOT_ID make_token(std::string_view label = "conformance");
/// The slot whose token has this label. Throws if there is none.
CK_SLOT_ID slot_of(std::string_view label);

// --- fixtures ---
class Fresh : public testing::Test {
 protected:
  Scratch scratch;
  Library library;
};

class WithToken : public Fresh {
 protected:
  CK_SLOT_ID slot = make_token();
};

class WithUser : public WithToken {
 protected:
  WithUser() { session.login(); }
  Session session{slot};
};

}  // namespace vtpm::conformance
