// SPDX-License-Identifier: Apache-2.0
// secret_holder MODULE TOKEN < secrets: logs in, uses private objects and keys from standard input, and logs out. The
// program keeps no copy of the secrets, so any copy in the process afterwards was left by the module.
//
// Standard input: lines of hexadecimal: PIN; RSA n, e, d, p, q, dp, dq, qinv; EC scalar; a text. The program prints
// "working" when it has used them all and "out" after C_Logout, and waits for a line each time.
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "tests/client/loaded_module.h"

using namespace vtpm::client;

namespace {

// The secrets are static, so that they are never copied or moved, and wiped before the program prints "out".
struct Line {
  unsigned char bytes[1024];
  CK_ULONG size;
};
Line lines[12];

void wipe(void* memory, size_t size) {
  auto* bytes = static_cast<volatile unsigned char*>(memory);
  for (size_t i = 0; i < size; ++i) bytes[i] = 0;
}

int next_byte() {
  unsigned char byte = 0;
  return read(STDIN_FILENO, &byte, 1) == 1 ? byte : -1;
}

unsigned value_of(int digit) { return static_cast<unsigned>(digit <= '9' ? digit - '0' : digit - 'a' + 10); }

void read_line(Line& line) {
  line.size = 0;
  for (int high = next_byte(); high != '\n' && high >= 0; high = next_byte()) {
    line.bytes[line.size++] = static_cast<unsigned char>(value_of(high) << 4 | value_of(next_byte()));
  }
}

void say_and_wait(const char* word) {
  std::puts(word);
  std::fflush(stdout);
  while (next_byte() != '\n') {
  }
}

CK_OBJECT_HANDLE make(const LoadedModule& module, CK_SESSION_HANDLE session, std::vector<CK_ATTRIBUTE> rows) {
  CK_OBJECT_HANDLE handle = 0;
  must(module->C_CreateObject(session, rows.data(), rows.size(), &handle), "C_CreateObject");
  return handle;
}

void sign(const LoadedModule& module, CK_SESSION_HANDLE session, CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key) {
  unsigned char message[32] = {1}, signature[512];
  CK_MECHANISM mechanism = {type, nullptr, 0};
  for (int i = 0; i < 3; ++i) {
    CK_ULONG size = sizeof signature;
    must(module->C_SignInit(session, &mechanism, key), "C_SignInit");
    must(module->C_Sign(session, message, sizeof message, signature, &size), "C_Sign");
  }
}

void work(const LoadedModule& module, CK_SESSION_HANDLE session) {
  CK_BBOOL yes = CK_TRUE;
  CK_OBJECT_CLASS private_key = CKO_PRIVATE_KEY, data = CKO_DATA;
  CK_KEY_TYPE rsa = CKK_RSA, ec = CKK_EC;
  static unsigned char p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
  auto row = [](CK_ATTRIBUTE_TYPE type, Line& line) { return CK_ATTRIBUTE{type, line.bytes, line.size}; };
  const CK_OBJECT_HANDLE rsa_key = make(module, session,
                                        {{CKA_CLASS, &private_key, sizeof private_key},
                                         {CKA_KEY_TYPE, &rsa, sizeof rsa},
                                         {CKA_TOKEN, &yes, 1},
                                         {CKA_PRIVATE, &yes, 1},
                                         {CKA_SIGN, &yes, 1},
                                         row(CKA_MODULUS, lines[1]),
                                         row(CKA_PUBLIC_EXPONENT, lines[2]),
                                         row(CKA_PRIVATE_EXPONENT, lines[3]),
                                         row(CKA_PRIME_1, lines[4]),
                                         row(CKA_PRIME_2, lines[5]),
                                         row(CKA_EXPONENT_1, lines[6]),
                                         row(CKA_EXPONENT_2, lines[7]),
                                         row(CKA_COEFFICIENT, lines[8])});
  sign(module, session, CKM_SHA256_RSA_PKCS, rsa_key);
  const CK_OBJECT_HANDLE ec_key = make(module, session,
                                       {{CKA_CLASS, &private_key, sizeof private_key},
                                        {CKA_KEY_TYPE, &ec, sizeof ec},
                                        {CKA_TOKEN, &yes, 1},
                                        {CKA_PRIVATE, &yes, 1},
                                        {CKA_SIGN, &yes, 1},
                                        {CKA_EC_PARAMS, p256, sizeof p256},
                                        row(CKA_VALUE, lines[9])});
  sign(module, session, CKM_ECDSA, ec_key);
  make(module, session,
       {{CKA_CLASS, &data, sizeof data}, {CKA_TOKEN, &yes, 1}, {CKA_PRIVATE, &yes, 1}, row(CKA_VALUE, lines[10])});
  const KeyPair resident = generate_ec(module, session, "resident");
  sign_and_verify(module, session, resident);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) give_up("usage: secret_holder MODULE TOKEN");
  for (size_t i = 0; i < 11; ++i) read_line(lines[i]);
  LoadedModule module(argv[1]);
  CK_SESSION_HANDLE session = module.open(argv[2]);
  must(module->C_Login(session, CKU_USER, lines[0].bytes, lines[0].size), "C_Login");
  work(module, session);
  say_and_wait("working");
  must(module->C_Logout(session), "C_Logout");
  wipe(lines, sizeof lines);
  say_and_wait("out");
}
