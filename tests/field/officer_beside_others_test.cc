// SPDX-License-Identifier: Apache-2.0
// A session that is opened while the security officer logs in.
#include <atomic>
#include <chrono>
#include <thread>

#include "tests/conformance/harness/harness.h"

namespace vtpm::conformance {
namespace {

using OfficerBesideOthers = WithToken;

// Both calls once succeeded while the officer's PIN was stretched.
TEST_F(OfficerBesideOthers, NeverLogsInBesideAReadOnlySessionThatIsOpenedMeanwhile) {
  size_t in = 0, beside = 0;
  for (int round = 0; round < 40; ++round) {
    Session officer(slot);
    std::atomic<bool> started{false};
    CK_RV login = CKR_GENERAL_ERROR;
    std::thread logging_in([&] {
      started = true;
      login = officer.try_login(CKU_SO, kSoPin);
    });
    while (!started) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(round % 20));
    CK_SESSION_HANDLE reader = CK_INVALID_HANDLE;
    const CK_RV opened = p11->C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &reader);
    logging_in.join();
    EXPECT_RV(one_of(CKR_OK, CKR_SESSION_READ_WRITE_SO_EXISTS), opened);
    EXPECT_RV(one_of(CKR_OK, CKR_SESSION_READ_ONLY_EXISTS), login);
    EXPECT_NE(login == CKR_OK, opened == CKR_OK) << "in round " << round;
    if (login == CKR_OK) ++in;
    if (opened != CKR_OK) continue;
    ++beside;
    EXPECT_EQ(officer.state(), static_cast<CK_STATE>(CKS_RW_PUBLIC_SESSION));
    MUST(p11->C_CloseSession(reader));
  }
  EXPECT_GT(in + beside, 0u);
}

}  // namespace
}  // namespace vtpm::conformance
