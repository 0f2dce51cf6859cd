// SPDX-License-Identifier: Apache-2.0
// A server with many threads gives each of them 24 KiB of stack, in addition to the C library's share (thread-local
// storage). Below the stack lies a page that must not be touched.
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <functional>

#include "tests/conformance/harness/harness.h"

namespace vtpm::conformance {
namespace {

constexpr size_t kStack = 24 * 1024;

/// The number of bytes between the end of a thread's stack and the frame of its function.
void* measure(void* result) {
  pthread_attr_t attributes;
  void* low = nullptr;
  size_t size = 0;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return nullptr;
  pthread_attr_getstack(&attributes, &low, &size);
  pthread_attr_destroy(&attributes);
  *static_cast<size_t*>(result) =
      static_cast<size_t>(static_cast<char*>(low) + size - static_cast<char*>(__builtin_frame_address(0)));
  return result;
}

size_t taken_by_the_library() {
  size_t taken = 0;
  pthread_t thread;
  EXPECT_EQ(pthread_create(&thread, nullptr, measure, &taken), 0);
  pthread_join(thread, nullptr);
  return taken;
}

/// The module's lists, without the harness, which would use stack too.
struct Work {
  CK_FUNCTION_LIST* list;
  CK_SLOT_ID slot, free;
  CK_RV rv = CKR_OK;
  const char* failed = nullptr;
};

#define STEP(...)                          \
  if ((work.rv = __VA_ARGS__) != CKR_OK) { \
    work.failed = #__VA_ARGS__;            \
    return argument;                       \
  }

CK_BBOOL yes = CK_TRUE;
CK_ULONG bits = 2048, count;
CK_BYTE pin[] = "user-pin-1234", other_pin[] = "another-pin", label[32] = {'x'}, data[32], signature[512], curve[10];
CK_ATTRIBUTE rsa_public[] = {{CKA_MODULUS_BITS, &bits, sizeof bits}, {CKA_TOKEN, &yes, 1}};
CK_ATTRIBUTE ec_public[] = {{CKA_EC_PARAMS, curve, sizeof curve}, {CKA_TOKEN, &yes, 1}};
CK_ATTRIBUTE private_key[] = {{CKA_TOKEN, &yes, 1}, {CKA_SIGN, &yes, 1}, {CKA_SENSITIVE, &yes, 1}};
CK_MECHANISM rsa = {CKM_RSA_PKCS_KEY_PAIR_GEN, nullptr, 0}, ec = {CKM_EC_KEY_PAIR_GEN, nullptr, 0},
             rsa_sign = {CKM_SHA256_RSA_PKCS, nullptr, 0}, ecdsa = {CKM_ECDSA_SHA256, nullptr, 0};
CK_TOKEN_INFO info;
CK_SESSION_HANDLE opened;
CK_OBJECT_HANDLE publics[2], privates[2], found[8];
CK_ULONG room;

void* whole_life(void* argument) {
  Work& work = *static_cast<Work*>(argument);
  CK_FUNCTION_LIST& p = *work.list;
  STEP(p.C_Finalize(nullptr))
  STEP(p.C_Initialize(nullptr))
  STEP(p.C_GetSlotList(CK_TRUE, nullptr, &count))
  STEP(p.C_GetTokenInfo(work.slot, &info))
  STEP(p.C_OpenSession(work.slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &opened))
  STEP(p.C_Login(opened, CKU_USER, pin, sizeof pin - 1))
  STEP(p.C_GenerateKeyPair(opened, &rsa, rsa_public, 2, private_key, 3, &publics[0], &privates[0]))
  STEP(p.C_GenerateKeyPair(opened, &ec, ec_public, 2, private_key, 3, &publics[1], &privates[1]))
  STEP(p.C_SignInit(opened, &rsa_sign, privates[0]))
  room = sizeof signature;
  STEP(p.C_Sign(opened, data, sizeof data, signature, &room))
  STEP(p.C_VerifyInit(opened, &rsa_sign, publics[0]))
  STEP(p.C_Verify(opened, data, sizeof data, signature, room))
  STEP(p.C_SignInit(opened, &ecdsa, privates[1]))
  room = sizeof signature;
  STEP(p.C_Sign(opened, data, sizeof data, signature, &room))
  STEP(p.C_SeedRandom(opened, data, sizeof data))
  STEP(p.C_GenerateRandom(opened, data, sizeof data))
  STEP(p.C_FindObjectsInit(opened, private_key, 1))
  STEP(p.C_FindObjects(opened, found, 8, &count))
  STEP(p.C_FindObjectsFinal(opened))
  STEP(p.C_DestroyObject(opened, privates[1]))
  STEP(p.C_SetPIN(opened, pin, sizeof pin - 1, other_pin, sizeof other_pin - 1))
  STEP(p.C_Logout(opened))
  STEP(p.C_InitToken(work.free, other_pin, sizeof other_pin - 1, label))
  STEP(p.C_CloseAllSessions(work.slot))
  return argument;
}

TEST(SmallStacks, AreEnoughForATokensWholeLife) {
  const Scratch scratch;
  const Library library;
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE)), size = kStack + taken_by_the_library() / 16 * 16;
  const size_t pages = (size + page - 1) / page * page;
  auto* memory = static_cast<char*>(
      mmap(nullptr, page + pages, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0));
  ASSERT_NE(static_cast<void*>(memory), MAP_FAILED);
  ASSERT_EQ(mprotect(memory, page, PROT_NONE), 0);
  std::copy(kP256.begin(), kP256.end(), curve);
  Work work{module_list(), make_token(), 0};
  work.free = free_slot();

  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  ASSERT_EQ(pthread_attr_setstack(&attributes, memory + page, size), 0);
  pthread_t thread;
  ASSERT_EQ(pthread_create(&thread, &attributes, whole_life, &work), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
  munmap(memory, page + pages);
  EXPECT_EQ(work.failed, nullptr) << work.failed << ": " << rv_name(work.rv);
  Session session(work.slot);
  EXPECT_RV(CKR_OK, session.try_login(CKU_USER, bytes("another-pin")));
  const auto keys = session.find({{CKA_CLASS, CKO_PRIVATE_KEY}, {CKA_LABEL, ""}});
  ASSERT_EQ(keys.size(), 1U);
  EXPECT_TRUE(session.flag(keys[0], kVtpmResident)) << "the RSA key was not made in the TPM";
}

}  // namespace
}  // namespace vtpm::conformance
