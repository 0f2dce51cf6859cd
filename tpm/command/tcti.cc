// SPDX-License-Identifier: Apache-2.0
#include "tpm/command/tcti.h"

#include <cstring>

#include "base/numbers.h"
#include "tpm/command/response.h"

namespace vtpm::tpm {

namespace {

constexpr uint64_t kMagic = 0x7674706d'74637469;  // "vtpmtcti"
constexpr int kMaxSends = 100;                    // a self-test needs one repetition per algorithm

}  // namespace

Tcti::Tcti(Device& device) : device_(device) {
  wire_.common.magic = kMagic;
  wire_.common.version = 1;
  wire_.common.transmit = transmit;
  wire_.common.receive = receive;
  wire_.self = this;
}

TSS2_RC Tcti::transmit(TSS2_TCTI_CONTEXT* context, size_t size, const uint8_t* command) {
  Tcti& self = *reinterpret_cast<Wire*>(context)->self;
  self.response_ = {};
  try {
    self.exchange({command, size});
    return TSS2_RC_SUCCESS;
  } catch (...) {
    self.fault_ = std::current_exception();
    return TSS2_TCTI_RC_IO_ERROR;
  }
}

TSS2_RC Tcti::receive(TSS2_TCTI_CONTEXT* context, size_t* size, uint8_t* response, int32_t) {
  Tcti& self = *reinterpret_cast<Wire*>(context)->self;
  if (response == nullptr) {
    *size = self.response_.size();
    return TSS2_RC_SUCCESS;
  }
  if (*size < self.response_.size()) return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
  *size = self.response_.size();
  if (*size > 0) std::memcpy(response, self.response_.data(), *size);
  self.response_ = {};
  self.device_.forget_response();
  return TSS2_RC_SUCCESS;
}

void Tcti::exchange(ByteView command) {
  for (int sends = 1;; ++sends) {
    response_ = device_.execute(command);
    const unsigned tag = unsigned{response_[0]} << 8 | response_[1];
    const uint32_t outcome = static_cast<uint32_t>(read_be(response_.subspan(6, 4)));
    const bool tag_fits =
        outcome == TPM2_RC_SUCCESS ? tag == TPM2_ST_NO_SESSIONS || tag == TPM2_ST_SESSIONS : tag == TPM2_ST_NO_SESSIONS;
    if (!tag_fits) device_.fail("its answer makes no sense");
    if (outcome == TPM2_RC_SUCCESS) return;
    if (is_retry(outcome) && sends < kMaxSends) continue;
    if (outcome == TPM2_RC_FAILURE) {
      static constexpr uint8_t kFailure[] = {0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x01, 0x01};
      if (in_failure_mode()) device_.fail("it is in failure mode");
      response_ = kFailure;  // the question has overwritten it
    }
    return;
  }
}

// TPM2_GetTestResult (Part 3, 10.4) is the one command that a TPM in failure mode still honours.
bool Tcti::in_failure_mode() {
  static constexpr uint8_t kGetTestResult[] = {0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x01, 0x7C};
  const ByteView answer = device_.execute(kGetTestResult);
  return read_be(answer.subspan(6, 4)) != TPM2_RC_SUCCESS || answer.size() < 16 ||
         read_be(answer.last(4)) == TPM2_RC_FAILURE;
}

void Tcti::check(TSS2_RC outcome, const char* command) {
  if (std::exception_ptr fault = std::exchange(fault_, nullptr)) std::rethrow_exception(fault);
  if (outcome == TSS2_RC_SUCCESS) return;
  // The upper half names the layer of tpm2-tss that complains; zero is the TPM itself.
  if ((outcome & TSS2_RC_LAYER_MASK) == TSS2_TPM_RC_LAYER) throw response_error(command, outcome);
  const TSS2_RC base = outcome & ~TSS2_RC_LAYER_MASK;
  if (base == TSS2_BASE_RC_BAD_VALUE || base == TSS2_BASE_RC_BAD_SIZE || base == TSS2_BASE_RC_BAD_REFERENCE ||
      base == TSS2_BASE_RC_BAD_SEQUENCE) {
    throw Error(ErrorCode::kInternal, std::string(command) + ": tpm2-tss refuses the parameters.");
  }
  device_.fail(std::string(command) + " has an answer that makes no sense");
}

}  // namespace vtpm::tpm
