// SPDX-License-Identifier: Apache-2.0
// The contract of a device (tpm/host/device.h): what the owner of a virtual machine needs beyond the commands of a
// token. The program runs on copies of libtpms, and another one on devices behind a socket
// (tests/device/socket_device.h).
#include "tpm/host/device.h"

#include <gtest/gtest.h>
#include <tss2/tss2_tpm2_types.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "base/numbers.h"
#include "tests/tpm/errors.h"
#include "tpm/command/commands.h"
#include "tpm/command/nv_public.h"
#include "tpm/engine/storage_root.h"
#include "tpm/host/devices.h"
#include "tpm/use/nv.h"

namespace vtpm::tpm {
namespace {

constexpr uint32_t kIndex = 0x01800001, kPcr = 7;

/// A command without sessions, or with one password that is empty.
Bytes command(uint32_t code, ByteView handles, ByteView parameters, bool with_password) {
  Bytes made;
  write_be(made, with_password ? TPM2_ST_SESSIONS : TPM2_ST_NO_SESSIONS, 2);
  write_be(made, static_cast<uint32_t>(10 + handles.size() + (with_password ? 13 : 0) + parameters.size()), 4);
  write_be(made, code, 4);
  append(made, handles);
  if (with_password) {
    write_be(made, 9, 4);
    write_be(made, TPM2_RH_PW, 4);
    write_be(made, 0, 5);  // no nonce, no attributes, no password
  }
  append(made, parameters);
  return made;
}

uint32_t number_at(ByteView from, size_t offset) { return static_cast<uint32_t>(read_be(from.subspan(offset, 4))); }

Bytes number(uint32_t value) {
  Bytes made;
  write_be(made, value, 4);
  return made;
}

class DeviceTest : public testing::Test {
 protected:
  DeviceTest() : device_(std::move(make_devices().front())), tpm_(*device_) {}

  uint32_t execute(ByteView sent) { return number_at(device_->execute(sent), 6); }

  uint32_t extend(uint32_t pcr) {
    Bytes digests;
    write_be(digests, 1, 4);
    write_be(digests, TPM2_ALG_SHA256, 2);
    digests.resize(digests.size() + TPM2_SHA256_DIGEST_SIZE, 0x5A);
    return execute(command(TPM2_CC_PCR_Extend, number(pcr), digests, true));
  }
  uint32_t reset(uint32_t pcr) { return execute(command(TPM2_CC_PCR_Reset, number(pcr), {}, true)); }
  Bytes pcr(uint32_t index = kPcr) {
    TPML_PCR_SELECTION selection = {};
    selection.count = 1;
    selection.pcrSelections[0].hash = TPM2_ALG_SHA256;
    selection.pcrSelections[0].sizeofSelect = 3;
    selection.pcrSelections[0].pcrSelect[index / 8] = static_cast<uint8_t>(1u << (index % 8));
    return tpm_.pcr_read(selection).at(0);
  }
  void define(uint32_t index) { nv_define(tpm_, index, 8, nv_default_attributes()); }

  const std::unique_ptr<Device> device_;
  Commands tpm_;
};

TEST_F(DeviceTest, ResumesWithPcrsFromPermanentAndVolatileState) {
  tpm_.power_on_new();
  ASSERT_EQ(extend(kPcr), TPM2_RC_SUCCESS);
  define(kIndex);
  const Bytes value = pcr();
  const Snapshot kept = device_->snapshot();
  device_->power_off();
  EXPECT_FALSE(device_->alive());

  device_->resume(kept);
  EXPECT_EQ(pcr(), value) << "the TPM was started when it was suspended, so no TPM2_Startup follows";
  EXPECT_EQ(nv_list(tpm_), std::vector<uint32_t>{kIndex});
  EXPECT_FALSE(device_->take_stored()) << "what libtpms stores while it begins is discarded";

  tpm_.power_on(kept.permanent);
  EXPECT_EQ(pcr(), Bytes(TPM2_SHA256_DIGEST_SIZE, 0)) << "a reset begins with other PCRs";
}

TEST_F(DeviceTest, TwoResumesOfOneSnapshotGiveDifferentRandomNumbers) {
  tpm_.power_on_new();
  const Snapshot kept = device_->snapshot();
  device_->resume(kept);
  const SecretBytes first = tpm_.get_random(32);
  device_->resume(kept);
  EXPECT_FALSE(equal(first, tpm_.get_random(32)));
}

TEST_F(DeviceTest, AnInvalidSnapshotIsRejected) {
  tpm_.power_on_new();
  Snapshot broken = device_->snapshot();
  broken.volatile_state.data()[0] ^= 0xFF;
  EXPECT_EQ(code_of([&] { device_->resume(broken); }), ErrorCode::kTpmFailure);
  EXPECT_FALSE(device_->alive());
  broken.volatile_state = {};
  EXPECT_EQ(code_of([&] { device_->resume(broken); }), ErrorCode::kInvalidArgument);
}

TEST_F(DeviceTest, UndoTakesBackEverythingSinceTheSnapshot) {
  tpm_.power_on_new();
  const uint32_t root = create_storage_root(tpm_);
  ASSERT_EQ(extend(kPcr), TPM2_RC_SUCCESS);
  define(kIndex);
  Handle loaded = derive_storage_root(tpm_);
  const uint32_t transient = loaded.value();
  (void)device_->take_stored();
  const Bytes value = pcr();
  const Snapshot before = device_->snapshot();
  const uint64_t session = device_->session();

  ASSERT_EQ(extend(kPcr), TPM2_RC_SUCCESS);
  tpm_.nv_undefine_space(TPM2_RH_OWNER, kIndex);
  define(kIndex + 1);
  tpm_.evict_control(root, root);
  tpm_.flush_context(transient);
  device_->undo(before);

  EXPECT_GT(device_->session(), session);
  EXPECT_FALSE(device_->take_stored());
  EXPECT_EQ(pcr(), value);
  EXPECT_EQ(nv_list(tpm_), std::vector<uint32_t>{kIndex});
  EXPECT_EQ(tpm_.handles(kStorageRoot), std::vector<uint32_t>{root});
  EXPECT_EQ(tpm_.handles(TPM2_TRANSIENT_FIRST), std::vector<uint32_t>{transient});
  EXPECT_NO_THROW((void)tpm_.read_public(transient));
  EXPECT_TRUE(equal(device_->permanent(), before.permanent));
}

TEST_F(DeviceTest, TheTimesOfSnapshotAndUndoAreReported) {
  tpm_.power_on_new();
  const auto begin = std::chrono::steady_clock::now();
  constexpr int kTimes = 100;
  for (int i = 0; i < kTimes; ++i) (void)device_->snapshot();
  const auto middle = std::chrono::steady_clock::now();
  const Snapshot kept = device_->snapshot();
  for (int i = 0; i < kTimes; ++i) device_->undo(kept);
  const auto end = std::chrono::steady_clock::now();
  const auto each = [](auto time) { return std::chrono::duration<double, std::micro>(time).count() / kTimes; };
  RecordProperty("snapshot_us", std::to_string(each(middle - begin)));
  RecordProperty("undo_us", std::to_string(each(end - middle)));
  std::printf("a snapshot takes %.0f us, an undo %.0f us\n", each(middle - begin), each(end - middle));
}

// The PC Client profile gives each locality other rights on the PCRs 16, 17 and 20.
TEST_F(DeviceTest, TheTpmSeesTheLocality) {
  struct Rights {
    bool reset16, extend17, extend20, reset20;
  };
  constexpr Rights kRights[] = {{true, false, false, false},
                                {true, false, true, false},
                                {true, true, true, true},
                                {true, true, true, false},
                                {false, true, false, false}};
  tpm_.power_on_new();
  for (unsigned locality = 0; locality < std::size(kRights); ++locality) {
    device_->set_locality(locality);
    const auto may = [](uint32_t response) {
      EXPECT_TRUE(response == TPM2_RC_SUCCESS || response == TPM2_RC_LOCALITY) << std::hex << response;
      return response == TPM2_RC_SUCCESS;
    };
    EXPECT_EQ(may(reset(16)), kRights[locality].reset16) << locality;
    EXPECT_EQ(may(extend(17)), kRights[locality].extend17) << locality;
    EXPECT_EQ(may(extend(20)), kRights[locality].extend20) << locality;
    EXPECT_EQ(may(reset(20)), kRights[locality].reset20) << locality;
  }
  EXPECT_EQ(code_of([&] { device_->set_locality(5); }), ErrorCode::kInvalidArgument);
  device_->set_locality(2);
  const Snapshot kept = device_->snapshot();
  device_->undo(kept);
  EXPECT_EQ(reset(20), TPM2_RC_SUCCESS) << "an undo is not a reset: the locality stays";
  device_->resume(kept);
  EXPECT_EQ(reset(20), TPM2_RC_LOCALITY) << "a device that is turned on is at locality 0";
}

TEST_F(DeviceTest, AnotherThreadCancelsTheCommandThatRuns) {
  tpm_.power_on_new();
  Bytes wanted;  // TPM2B_SENSITIVE_CREATE, TPM2B_PUBLIC of an RSA key of 2048 bits, TPM2B_DATA, TPML_PCR_SELECTION
  write_be(wanted, 4, 2);
  write_be(wanted, 0, 4);
  Bytes area;
  write_be(area, TPM2_ALG_RSA, 2);
  write_be(area, TPM2_ALG_SHA256, 2);
  write_be(area, TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_SIGN_ENCRYPT, 4);
  write_be(area, 0, 2);              // no policy
  write_be(area, TPM2_ALG_NULL, 2);  // no cipher
  write_be(area, TPM2_ALG_NULL, 2);  // any scheme
  write_be(area, 2048, 2);
  write_be(area, 0, 4);  // the usual exponent
  write_be(area, 0, 2);  // unique
  write_be(wanted, static_cast<uint32_t>(area.size()), 2);
  append(wanted, area);
  write_be(wanted, 0, 2);
  write_be(wanted, 0, 4);
  const Bytes create = command(TPM2_CC_CreatePrimary, number(TPM2_RH_OWNER), wanted, true);

  device_->cancel();  // does nothing: no command is executed
  EXPECT_EQ(execute(command(TPM2_CC_SelfTest, {}, Bytes{1}, false)), TPM2_RC_SUCCESS);

  // libtpms searches the primes of a primary key itself, which takes a while, and checks the flag before each
  // candidate.
  std::atomic<bool> done = false;
  std::thread canceller([&] {
    while (!done) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      device_->cancel();
    }
  });
  uint32_t response = TPM2_RC_SUCCESS;
  for (int i = 0; i < 20 && response == TPM2_RC_SUCCESS; ++i) {
    const ByteView answer = device_->execute(create);
    response = number_at(answer, 6);
    if (response == TPM2_RC_SUCCESS) tpm_.flush_context(number_at(answer, 10));
  }
  done = true;
  canceller.join();
  EXPECT_EQ(response, TPM2_RC_CANCELED);
  EXPECT_TRUE(device_->alive());
  EXPECT_EQ(execute(create), TPM2_RC_SUCCESS) << "only the command that ran was cancelled";
}

TEST_F(DeviceTest, TheBufferHasTheSizeThatWasSet) {
  const Device::BufferSize usual = device_->buffer_size();
  EXPECT_EQ(usual.now, usual.most);
  EXPECT_LT(usual.least, usual.most);
  EXPECT_EQ(device_->set_buffer_size(usual.most + 1000).now, usual.most);
  EXPECT_EQ(device_->set_buffer_size(1).now, usual.least);
  EXPECT_FALSE(device_->alive());

  tpm_.power_on_new();
  EXPECT_EQ(device_->buffer_size().now, usual.least);
  EXPECT_EQ(code_of([&] { device_->set_buffer_size(usual.most); }), ErrorCode::kInvalidArgument);
  Bytes asked;  // the property that a machine's driver reads
  write_be(asked, TPM2_CAP_TPM_PROPERTIES, 4);
  write_be(asked, TPM2_PT_MAX_COMMAND_SIZE, 4);
  write_be(asked, 1, 4);
  const ByteView answer = device_->execute(command(TPM2_CC_GetCapability, {}, asked, false));
  ASSERT_EQ(answer.size(), 27u);
  EXPECT_EQ(number_at(answer, 23), usual.least);

  device_->power_off();
  EXPECT_EQ(device_->buffer_size().now, usual.least) << "it stays when the device is turned off";
}

TEST_F(DeviceTest, EachTurningOnOrOffBeginsASession) {
  const uint64_t new_one = device_->session();
  tpm_.power_on_new();
  const uint64_t on = device_->session();
  EXPECT_GT(on, new_one);
  define(kIndex);
  EXPECT_EQ(device_->session(), on);
  device_->power_off();
  EXPECT_GT(device_->session(), on);
  EXPECT_EQ(code_of([&] { device_->execute(command(TPM2_CC_SelfTest, {}, Bytes{1}, false)); }), ErrorCode::kTpmFailure);
  EXPECT_EQ(code_of([&] { (void)device_->snapshot(); }), ErrorCode::kTpmFailure);
}

TEST_F(DeviceTest, AHandleOfAnotherSessionFlushesNothing) {
  tpm_.power_on_new();
  create_storage_root(tpm_);
  const SecretBytes permanent = device_->permanent();
  Handle old = derive_storage_root(tpm_);
  tpm_.power_on(permanent);
  const Handle present = derive_storage_root(tpm_);
  ASSERT_EQ(old.value(), present.value());
  old = Handle();
  EXPECT_EQ(tpm_.handles(TPM2_TRANSIENT_FIRST), std::vector<uint32_t>{present.value()});
}

}  // namespace
}  // namespace vtpm::tpm
