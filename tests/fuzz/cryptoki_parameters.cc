// SPDX-License-Identifier: Apache-2.0
// The readers of templates and mechanism parameters, each called directly through the functions that take them. Nothing
// is stored, so the token stays as it is and an input costs little.
#include <algorithm>
#include <string>

#include "tests/fuzz/arguments.h"
#include "tests/fuzz/token.h"

namespace vtpm::fuzz {
namespace {

CK_SLOT_ID token = 0;
CK_SESSION_HANDLE login = 0, session = 0;  // the session that remains open, and the one of an input
std::vector<CK_OBJECT_HANDLE> keys;
std::vector<CK_MECHANISM_TYPE> mechanisms;

void set_up() {
  make_token();
  token = slot();
  CALL(C_OpenSession, token, CKF_SERIAL_SESSION, nullptr, nullptr, &login);
  std::string pin(kUserPin);
  CALL(C_Login, login, CKU_USER, reinterpret_cast<CK_BYTE*>(pin.data()), pin.size());
  CALL(C_FindObjectsInit, login, nullptr, 0);
  CK_ULONG count = 64;
  keys.resize(count);
  CALL(C_FindObjects, login, keys.data(), count, &count);
  keys.resize(count);
  CALL(C_FindObjectsFinal, login);
  CALL(C_GetMechanismList, token, nullptr, &count);
  mechanisms.resize(count);
  CALL(C_GetMechanismList, token, mechanisms.data(), &count);
}

void templates(Arguments& arguments) {
  const Arguments::Template given = arguments.attributes(arguments.one_of(working_templates()));
  CK_OBJECT_HANDLE object = 0;
  if (CALL(C_CreateObject, session, given.data, given.size, &object) != CKR_OK) return;
  const Arguments::Template changes = arguments.attributes({});
  CALL(C_SetAttributeValue, session, object, changes.data, changes.size);
  const Arguments::Template asked = arguments.queries();
  CALL(C_GetAttributeValue, session, object, asked.data, asked.size);
}

template <typename Init, typename Use>
void operation(Arguments& arguments, Init init, Use use) {
  if (init(session, arguments.mechanism(mechanisms), arguments.one_of(keys)) != CKR_OK) return;
  for (int part = 0; part < 4; ++part) {  // a size query or too little room leaves the operation where it was
    const Arguments::Buffer in = arguments.bytes(140), out = arguments.room();
    CK_ULONG length = out.size;
    if (use(session, in.data, in.size, out.data, &length) == CKR_OPERATION_NOT_INITIALIZED) return;
  }
  CK_BYTE rest[4096];
  CK_ULONG length = sizeof rest;
  use(session, rest, 0, rest, &length);
}

void derivation(Arguments& arguments) {
  const Arguments::Template given = arguments.attributes(arguments.one_of(working_templates()));
  CK_OBJECT_HANDLE object = 0;
  CK_MECHANISM* mechanism = arguments.mechanism(mechanisms);
  CALL(C_DeriveKey, session, mechanism, arguments.one_of(keys), given.data, given.size, &object);
}

void generation(Arguments& arguments) {
  const Arguments::Template given = arguments.attributes(arguments.one_of(working_templates()));
  CK_OBJECT_HANDLE object = 0;
  CALL(C_GenerateKey, session, arguments.mechanism(mechanisms), given.data, given.size, &object);
}

void wrapping(Arguments& arguments) {
  CK_MECHANISM* mechanism = arguments.mechanism(mechanisms);
  const CK_OBJECT_HANDLE wrapping_key = arguments.one_of(keys);
  const Arguments::Template given = arguments.attributes(arguments.one_of(working_templates()));
  CK_BYTE wrapped[2048];
  CK_ULONG length = sizeof wrapped;
  CK_OBJECT_HANDLE object = 0;
  if (CALL(C_WrapKey, session, mechanism, wrapping_key, arguments.one_of(keys), wrapped, &length) != CKR_OK) {
    const Arguments::Buffer noise = arguments.bytes(200);
    std::copy(noise.data, noise.data + (noise.data ? noise.size : 0), wrapped);
    length = noise.data ? noise.size : 0;
  }
  CALL(C_UnwrapKey, session, mechanism, arguments.one_of(keys), wrapped, length, given.data, given.size, &object);
}

}  // namespace
}  // namespace vtpm::fuzz

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  vtpm::fuzz::set_up();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace vtpm::fuzz;
  Arguments arguments(data, size);
  // The session is read-only, so that closing it destroys all objects that were made.
  CALL(C_OpenSession, token, CKF_SERIAL_SESSION, nullptr, nullptr, &session);
  switch (arguments.below(7)) {
    case 0:
      operation(arguments, p11->C_EncryptInit, p11->C_Encrypt);
      break;
    case 1:
      operation(arguments, p11->C_DecryptInit, p11->C_Decrypt);
      break;
    case 2:
      operation(arguments, p11->C_SignInit, p11->C_Sign);
      break;
    case 3:
      derivation(arguments);
      break;
    case 4:
      generation(arguments);
      break;
    case 5:
      wrapping(arguments);
      break;
    default:
      templates(arguments);
  }
  CALL(C_CloseSession, session);
  return 0;
}
