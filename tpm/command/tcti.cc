// SPDX-License-Identifier: Apache-2.0
#include "tpm/command/tcti.h"

#include <cstring>

#include "tpm/command/exchange.h"
#include "tpm/command/response.h"

namespace vtpm::tpm {

namespace {

constexpr uint64_t kMagic = 0x7674706d'74637469;  // "vtpmtcti"

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
    self.response_ = exchange(self.device_, {command, size});
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

void Tcti::check(TSS2_RC outcome, const char* command) {
  if (std::exception_ptr fault = std::exchange(fault_, nullptr)) std::rethrow_exception(fault);
  if (outcome == TSS2_RC_SUCCESS) return;
  // The upper half names the layer of tpm2-tss that complains; zero is the TPM itself.
  if ((outcome & TSS2_RC_LAYER_MASK) == TSS2_TPM_RC_LAYER) throw response_error(command, outcome);
  const TSS2_RC base = outcome & ~TSS2_RC_LAYER_MASK;
  if (base == TSS2_BASE_RC_BAD_VALUE || base == TSS2_BASE_RC_BAD_SIZE || base == TSS2_BASE_RC_BAD_REFERENCE ||
      base == TSS2_BASE_RC_BAD_SEQUENCE) {
    throw Error(ErrorCode::kInternal, std::string(command) + ": tpm2-tss rejects the parameters");
  }
  device_.fail(std::string(command) + ": the response makes no sense");
}

}  // namespace vtpm::tpm
