// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/token.h"

#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

namespace vtpm::fuzz {
namespace {

namespace fs = std::filesystem;

fs::path directory;
std::map<fs::path, std::string> made;  // the files of the store directory as they were made

CK_BYTE* text(std::string_view bytes) { return reinterpret_cast<CK_BYTE*>(const_cast<char*>(bytes.data())); }

void must(const char* call, CK_RV rv) {
  if (rv == CKR_OK) return;
  std::fprintf(stderr, "%s answered 0x%lx while the token was made\n", call, rv);
  std::abort();
}
#define MUST(function, ...) must(#function, p11->function(__VA_ARGS__))

std::string contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void make_objects(CK_SESSION_HANDLE session) {
  CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
  CK_ULONG bits = 1024, bytes = 32;
  CK_ULONG premaster = 48;
  CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
  CK_OBJECT_CLASS data = CKO_DATA;
  CK_ATTRIBUTE aes[] = {{CKA_TOKEN, &yes, 1},  {CKA_VALUE_LEN, &bytes, sizeof bytes},
                        {CKA_DERIVE, &yes, 1}, {CKA_WRAP, &yes, 1},
                        {CKA_UNWRAP, &yes, 1}, {CKA_EXTRACTABLE, &yes, 1}};
  CK_ATTRIBUTE secret[] = {{CKA_TOKEN, &yes, 1},
                           {CKA_VALUE_LEN, &premaster, sizeof premaster},
                           {CKA_SENSITIVE, &no, 1},
                           {CKA_EXTRACTABLE, &yes, 1}};
  CK_ATTRIBUTE rsa[] = {{CKA_TOKEN, &yes, 1}, {CKA_WRAP, &yes, 1}, {CKA_MODULUS_BITS, &bits, sizeof bits}};
  CK_ATTRIBUTE rsa_private[] = {{CKA_TOKEN, &yes, 1}, {CKA_UNWRAP, &yes, 1}};
  CK_ATTRIBUTE ec[] = {{CKA_TOKEN, &yes, 1}, {CKA_EC_PARAMS, p256, sizeof p256}};
  CK_ATTRIBUTE open_ec[] = {{CKA_TOKEN, &yes, 1}, {CKA_EXTRACTABLE, &yes, 1}, {CKA_DERIVE, &yes, 1}};
  CK_ATTRIBUTE note[] = {{CKA_CLASS, &data, sizeof data},
                         {CKA_TOKEN, &yes, 1},
                         {CKA_PRIVATE, &no, 1},
                         {CKA_VALUE, text("value"), 5},
                         {CKA_LABEL, text("note"), 4}};
  CK_MECHANISM aes_gen{CKM_AES_KEY_GEN, nullptr, 0}, rsa_gen{CKM_RSA_PKCS_KEY_PAIR_GEN, nullptr, 0},
      ec_gen{CKM_EC_KEY_PAIR_GEN, nullptr, 0}, secret_gen{CKM_GENERIC_SECRET_KEY_GEN, nullptr, 0};
  CK_OBJECT_HANDLE one = 0, other = 0;
  MUST(C_GenerateKey, session, &aes_gen, aes, 6, &one);
  MUST(C_GenerateKeyPair, session, &rsa_gen, rsa, 3, rsa_private, 2, &one, &other);
  MUST(C_GenerateKeyPair, session, &ec_gen, ec, 2, ec, 1, &one, &other);
  MUST(C_GenerateKeyPair, session, &ec_gen, ec, 2, open_ec, 3, &one, &other);
  MUST(C_GenerateKey, session, &secret_gen, secret, 4, &one);
  MUST(C_CreateObject, session, note, 5, &one);
}

}  // namespace

CK_FUNCTION_LIST* p11 = nullptr;

CK_SLOT_ID slot() {
  CK_SLOT_ID ids[8];
  CK_ULONG count = 8;
  CK_TOKEN_INFO info{};
  MUST(C_GetSlotList, CK_TRUE, ids, &count);
  for (CK_ULONG i = 0; i < count; ++i)
    if (p11->C_GetTokenInfo(ids[i], &info) == CKR_OK && (info.flags & CKF_TOKEN_INITIALIZED)) return ids[i];
  return ids[0];
}

void make_token() {
  std::string pattern = fs::temp_directory_path().string() + "/vtpm-fuzz-XXXXXX";
  if (!mkdtemp(pattern.data())) std::abort();
  directory = pattern;
  std::atexit([] {
    std::error_code ignored;
    fs::remove_all(directory, ignored);
  });
  const fs::path configuration = directory / "vtpm-pkcs11.toml";
  std::ofstream(configuration) << "store_dir = \"" << (directory / "store").string() << "\"\ntpm_instances = 1\n"
                               << "[kdf]\nmemory_kib = 8192\npasses = 1\n[pin]\nuser_limit = 0\n";
  setenv("VTPM_PKCS11_CONF", configuration.c_str(), 1);

  must("C_GetFunctionList", C_GetFunctionList(&p11));
  MUST(C_Initialize, nullptr);
  std::string label = "fuzz";
  label.resize(32, ' ');
  MUST(C_InitToken, slot(), text(kSoPin), kSoPin.size(), text(label));
  CK_SESSION_HANDLE session = 0;
  MUST(C_OpenSession, slot(), CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session);
  MUST(C_Login, session, CKU_SO, text(kSoPin), kSoPin.size());
  MUST(C_InitPIN, session, text(kUserPin), kUserPin.size());
  MUST(C_Logout, session);
  MUST(C_Login, session, CKU_USER, text(kUserPin), kUserPin.size());
  make_objects(session);
  MUST(C_Finalize, nullptr);
  for (const fs::directory_entry& file : fs::directory_iterator(directory / "store"))
    if (file.is_regular_file()) made[file.path()] = contents(file.path());
  MUST(C_Initialize, nullptr);
}

void restore_token() {
  p11->C_Finalize(nullptr);
  for (const fs::directory_entry& file : fs::directory_iterator(directory / "store"))
    if (!made.count(file.path())) fs::remove_all(file.path());
  for (const auto& [path, bytes] : made) {
    const bool same = fs::exists(path) && contents(path) == bytes;
    if (!same) {
      std::ofstream(path, std::ios::binary) << bytes;
      chmod(path.c_str(), 0600);
    }
  }
  MUST(C_Initialize, nullptr);
}

CK_RV checked(const char* call, CK_RV rv) {
  if (rv != CKR_GENERAL_ERROR && rv != CKR_FUNCTION_FAILED && rv != CKR_DEVICE_ERROR) return rv;
  std::fprintf(stderr, "%s answered 0x%lx\n", call, rv);
  std::abort();
}

}  // namespace vtpm::fuzz
