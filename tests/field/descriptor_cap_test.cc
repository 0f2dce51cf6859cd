// SPDX-License-Identifier: Apache-2.0
// An application that has reached its limit of descriptors.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <vector>

#include "tests/conformance/harness/harness.h"

namespace vtpm::conformance {
namespace {

/// No descriptor from `most` on can be opened while this lives.
class Cap {
 public:
  explicit Cap(rlim_t most) {
    getrlimit(RLIMIT_NOFILE, &before_);
    struct rlimit capped = before_;
    capped.rlim_cur = most;
    setrlimit(RLIMIT_NOFILE, &capped);
  }
  ~Cap() { setrlimit(RLIMIT_NOFILE, &before_); }
  Cap(const Cap&) = delete;
  Cap& operator=(const Cap&) = delete;

 private:
  struct rlimit before_ {};
};

rlim_t lowest_free_descriptor() {
  const int free = open("/", O_PATH | O_CLOEXEC);
  close(free);
  return static_cast<rlim_t>(free);
}

using DescriptorCap = WithToken;

// Without descriptors the module once took the file for no token until the slots were listed again.
TEST_F(DescriptorCap, NeverMakesATokenLookLikeAnotherFile) {
  // Each open token has a descriptor.
  const std::vector<CK_SLOT_ID> tokens = {slot, make_token("second"), make_token("third")};
  size_t capped = 0;
  for (rlim_t left = 0; left < 8; ++left) {
    library.restart();
    {
      const Cap cap(lowest_free_descriptor() + left);
      CK_ULONG count = 0;
      MUST(p11->C_GetSlotList(CK_FALSE, nullptr, &count));
      EXPECT_GE(count, 1u);
      for (const CK_SLOT_ID token : slots()) {
        CK_TOKEN_INFO info{};
        const CK_RV answer = p11->C_GetTokenInfo(token, &info);
        EXPECT_RV(one_of(CKR_OK, CKR_TOKEN_NOT_PRESENT), answer) << left << " descriptors left";
        if (answer != CKR_TOKEN_NOT_PRESENT) continue;
        ++capped;
        CK_SLOT_INFO described{};
        MUST(p11->C_GetSlotInfo(token, &described));
        EXPECT_FALSE(described.flags & CKF_TOKEN_PRESENT);
        EXPECT_RV(one_of(CKR_TOKEN_NOT_PRESENT, CKR_DEVICE_ERROR), try_init_token(token, kSoPin, "anew"));
      }
    }
    // The application has closed some of its files, and has not listed the slots again.
    for (const CK_SLOT_ID token : tokens) {
      EXPECT_TRUE(token_flags(token) & CKF_TOKEN_INITIALIZED) << left << " descriptors left";
      Session session(token);
      session.login();
    }
  }
  EXPECT_GE(capped, 3u) << "neither the directory nor a store was without a descriptor";
}

TEST_F(DescriptorCap, TakesNothingFromATokenThatIsOpen) {
  Session session(slot);
  session.login();
  const CK_OBJECT_HANDLE note = session.create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_VALUE, "x"}});
  const Cap cap(lowest_free_descriptor());
  CK_ULONG count = 0;
  MUST(p11->C_GetSlotList(CK_TRUE, nullptr, &count));
  EXPECT_TRUE(token_flags(slot) & CKF_TOKEN_INITIALIZED);
  EXPECT_EQ(session.text(note, CKA_VALUE), "x");
}

}  // namespace
}  // namespace vtpm::conformance
