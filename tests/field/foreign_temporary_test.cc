// SPDX-License-Identifier: Apache-2.0
// Another user's file has the name of the temporary file: the token cannot be compacted, but keeps working.
#include <sys/stat.h>

#include <filesystem>

#include "tests/conformance/harness/harness.h"

namespace vtpm::conformance {
namespace {

class ForeignTemporary : public WithUser {
 protected:
  ForeignTemporary() {
    for (const auto& file : std::filesystem::directory_iterator(scratch.store())) {
      in_the_way = scratch.store() + "/." + file.path().filename().string() + ".tmp";
    }
    if (mkdir(in_the_way.c_str(), 0700) != 0) throw std::runtime_error("mkdir " + in_the_way);
  }
  std::string in_the_way;
};

TEST_F(ForeignTemporary, CountersAreStillIncremented) {
  const auto counter = session.create({{CKA_CLASS, CKO_HW_FEATURE}, {CKA_HW_FEATURE_TYPE, CKH_MONOTONIC_COUNTER}});
  Bytes last = session.get(counter, CKA_VALUE);
  for (int i = 0; i < 80; ++i) {
    Bytes next;
    ASSERT_NO_THROW(next = session.get(counter, CKA_VALUE)) << "reading " << i;
    ASSERT_GT(next, last);
    last = std::move(next);
  }
}

TEST_F(ForeignTemporary, ThePinIsChangedAllTheSame) {
  const Bytes fresh = bytes("another-pin-1");
  Bytes old = kUserPin, now = fresh;
  EXPECT_RV(CKR_OK, p11->C_SetPIN(session, old.data(), old.size(), now.data(), now.size()));
  session.logout();
  EXPECT_RV(CKR_PIN_INCORRECT, session.try_login(CKU_USER, kUserPin));
  EXPECT_RV(CKR_OK, session.try_login(CKU_USER, fresh));
}

}  // namespace
}  // namespace vtpm::conformance
