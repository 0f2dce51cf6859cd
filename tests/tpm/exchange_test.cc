// SPDX-License-Identifier: Apache-2.0
// What is resent to a TPM, and which responses mean that it has failed, on a device that answers as the test says.
#include "tpm/command/commands.h"

#include <gtest/gtest.h>
#include <tss2/tss2_tpm2_types.h>

#include <deque>

#include "base/numbers.h"
#include "tests/tpm/errors.h"
#include "tpm/host/device.h"

namespace vtpm::tpm {
namespace {

Bytes response_of(uint32_t code, uint16_t tag = TPM2_ST_NO_SESSIONS, ByteView parameters = {}) {
  Bytes made;
  write_be(made, tag, 2);
  write_be(made, 10 + parameters.size(), 4);
  write_be(made, code, 4);
  append(made, parameters);
  return made;
}

/// The response to TPM2_GetTestResult (Part 3, 10.4).
Bytes test_result(uint32_t result) {
  Bytes parameters;
  write_be(parameters, 0, 2);
  write_be(parameters, result, 4);
  return response_of(TPM2_RC_SUCCESS, TPM2_ST_NO_SESSIONS, parameters);
}

class ScriptedDevice : public Device {
 public:
  void power_on(ByteView) override {}
  void power_on_new() override {}
  void resume(const Snapshot&) override {}
  void power_off() noexcept override {}
  bool alive() const override { return alive_; }
  uint64_t session() const override { return 1; }
  ByteView execute(ByteView command) override {
    commands.push_back(to_bytes(command));
    last_ = responses.front();
    if (responses.size() > 1) responses.pop_front();  // the last one is repeated
    return last_;
  }
  void forget_response() noexcept override {}
  [[noreturn]] void fail(const std::string& reason) override {
    alive_ = false;
    throw Error(ErrorCode::kTpmFailure, reason);
  }
  void cancel() noexcept override {}
  void set_locality(unsigned) override {}
  std::optional<SecretBytes> take_stored() override { return std::nullopt; }
  SecretBytes permanent() override { return {}; }
  Snapshot snapshot() override { return {}; }
  void undo(const Snapshot&) override {}
  BufferSize buffer_size() override { return {}; }
  BufferSize set_buffer_size(size_t) override { return {}; }

  std::deque<Bytes> responses;
  std::vector<Bytes> commands;

 private:
  bool alive_ = true;
  Bytes last_;
};

class Exchange : public testing::Test {
 protected:
  uint32_t execute() {
    const SecretBytes response = tpm_.execute(kCommand);
    return static_cast<uint32_t>(read_be(response.view().subspan(6, 4)));
  }

  const Bytes kCommand = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7B, 0, 16};
  ScriptedDevice device_;
  Commands tpm_{device_};
};

TEST_F(Exchange, ARawCommandIsResentWhenTheTpmAsksForIt) {
  for (const uint32_t asks : {TPM2_RC_RETRY, TPM2_RC_YIELDED, TPM2_RC_TESTING}) {
    device_.responses = {response_of(asks), response_of(asks), response_of(TPM2_RC_SUCCESS)};
    device_.commands.clear();
    EXPECT_EQ(execute(), TPM2_RC_SUCCESS);
    EXPECT_EQ(device_.commands, (std::vector<Bytes>{kCommand, kCommand, kCommand}));
  }
}

TEST_F(Exchange, TheNumberOfResendsIsLimited) {
  device_.responses = {response_of(TPM2_RC_RETRY)};
  EXPECT_EQ(execute(), TPM2_RC_RETRY);
  EXPECT_LE(device_.commands.size(), 1000u);
}

TEST_F(Exchange, AFailedOperationIsAResponse) {
  device_.responses = {response_of(TPM2_RC_FAILURE), test_result(TPM2_RC_SUCCESS)};
  EXPECT_EQ(execute(), TPM2_RC_FAILURE);
  EXPECT_TRUE(device_.alive());
}

TEST_F(Exchange, FailureModeIsAFault) {
  device_.responses = {response_of(TPM2_RC_FAILURE), test_result(TPM2_RC_FAILURE)};
  EXPECT_EQ(code_of([&] { execute(); }), ErrorCode::kTpmFailure);
  EXPECT_FALSE(device_.alive());
}

TEST_F(Exchange, AResponseWithTheWrongTagIsAFault) {
  device_.responses = {response_of(TPM2_RC_VALUE, TPM2_ST_SESSIONS)};
  EXPECT_EQ(code_of([&] { execute(); }), ErrorCode::kTpmFailure);
}

// Part 3, 5.2: a command whose tag is none of a TPM 2.0 gets the response of a TPM 1.2.
TEST_F(Exchange, TheAnswerToACommandOfATpm12IsAResponse) {
  device_.responses = {response_of(TPM2_RC_BAD_TAG, TPM2_ST_RSP_COMMAND)};
  EXPECT_EQ(execute(), uint32_t{TPM2_RC_BAD_TAG});
  EXPECT_TRUE(device_.alive());
}

}  // namespace
}  // namespace vtpm::tpm
