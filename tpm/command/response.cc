// SPDX-License-Identifier: Apache-2.0
#include "tpm/command/response.h"

#include <tss2/tss2_tpm2_types.h>

#include <algorithm>
#include <cstdio>
#include <iterator>

namespace vtpm::tpm {

namespace {

struct Row {
  TPM2_RC response;
  ErrorCode code;
  const char* name;
  const char* meaning;
};

// Any other response code becomes kTpm with its number: a correct command on a sound TPM does not return it.
constexpr Row kRows[] = {
    {TPM2_RC_INITIALIZE, ErrorCode::kTpmFailure, "TPM_RC_INITIALIZE", "the TPM is not started"},
    {TPM2_RC_FAILURE, ErrorCode::kTpm, "TPM_RC_FAILURE", "the operation failed inside the TPM"},
    {TPM2_RC_AUTH_TYPE, ErrorCode::kAuthFailed, "TPM_RC_AUTH_TYPE", "the command does not accept this authorization"},
    {TPM2_RC_AUTH_MISSING, ErrorCode::kAuthFailed, "TPM_RC_AUTH_MISSING", "an authorization is missing"},
    {TPM2_RC_AUTH_UNAVAILABLE, ErrorCode::kAuthFailed, "TPM_RC_AUTH_UNAVAILABLE",
     "a password does not authorize this command"},
    {TPM2_RC_DISABLED, ErrorCode::kTpm, "TPM_RC_DISABLED", "the command is disabled"},
    {TPM2_RC_REBOOT, ErrorCode::kTpmFailure, "TPM_RC_REBOOT", "the TPM must be started again"},
    {TPM2_RC_NV_RANGE, ErrorCode::kInvalidArgument, "TPM_RC_NV_RANGE", "the access lies outside the NV area"},
    {TPM2_RC_NV_SIZE, ErrorCode::kInvalidArgument, "TPM_RC_NV_SIZE", "the NV area is larger than the TPM supports"},
    {TPM2_RC_NV_LOCKED, ErrorCode::kAuthFailed, "TPM_RC_NV_LOCKED", "the NV area is locked"},
    {TPM2_RC_NV_AUTHORIZATION, ErrorCode::kAuthFailed, "TPM_RC_NV_AUTHORIZATION", "the NV area does not allow this"},
    {TPM2_RC_NV_UNINITIALIZED, ErrorCode::kNotFound, "TPM_RC_NV_UNINITIALIZED", "the NV area was never written"},
    {TPM2_RC_NV_SPACE, ErrorCode::kNvFull, "TPM_RC_NV_SPACE", "the TPM's NV memory is full"},
    {TPM2_RC_NV_DEFINED, ErrorCode::kNvExists, "TPM_RC_NV_DEFINED", "the index or handle is in use"},
    {TPM2_RC_BAD_CONTEXT, ErrorCode::kTpm, "TPM_RC_BAD_CONTEXT", "a saved context is not valid"},
    {TPM2_RC_SENSITIVE, ErrorCode::kTpm, "TPM_RC_SENSITIVE", "a wrapped key does not unwrap"},
    {TPM2_RC_ASYMMETRIC, ErrorCode::kUnsupported, "TPM_RC_ASYMMETRIC", "the TPM does not support this type of key"},
    {TPM2_RC_ATTRIBUTES, ErrorCode::kInvalidArgument, "TPM_RC_ATTRIBUTES", "the attributes are inconsistent"},
    {TPM2_RC_HASH, ErrorCode::kUnsupported, "TPM_RC_HASH", "the TPM does not support this hash"},
    {TPM2_RC_VALUE, ErrorCode::kInvalidArgument, "TPM_RC_VALUE", "a value is out of range"},
    {TPM2_RC_HIERARCHY, ErrorCode::kTpm, "TPM_RC_HIERARCHY", "the hierarchy is disabled"},
    {TPM2_RC_KEY_SIZE, ErrorCode::kUnsupported, "TPM_RC_KEY_SIZE", "the TPM does not support keys of this size"},
    {TPM2_RC_TYPE, ErrorCode::kInvalidArgument, "TPM_RC_TYPE", "a value has the wrong type"},
    {TPM2_RC_HANDLE, ErrorCode::kNotFound, "TPM_RC_HANDLE", "there is no such object or index"},
    {TPM2_RC_RANGE, ErrorCode::kInvalidArgument, "TPM_RC_RANGE", "a value is out of range"},
    {TPM2_RC_AUTH_FAIL, ErrorCode::kAuthFailed, "TPM_RC_AUTH_FAIL", "the authorization value is wrong"},
    {TPM2_RC_BAD_AUTH, ErrorCode::kAuthFailed, "TPM_RC_BAD_AUTH", "the authorization value is wrong"},
    {TPM2_RC_SCHEME, ErrorCode::kUnsupported, "TPM_RC_SCHEME", "the key does not support this scheme"},
    {TPM2_RC_SIZE, ErrorCode::kInvalidArgument, "TPM_RC_SIZE", "a value has the wrong size"},
    {TPM2_RC_KEY, ErrorCode::kTpm, "TPM_RC_KEY", "the key is not made for this use"},
    {TPM2_RC_INTEGRITY, ErrorCode::kTpm, "TPM_RC_INTEGRITY", "a wrapped key was changed or belongs to another TPM"},
    {TPM2_RC_BINDING, ErrorCode::kInvalidArgument, "TPM_RC_BINDING",
     "the public and the private part do not belong together"},
    {TPM2_RC_CURVE, ErrorCode::kUnsupported, "TPM_RC_CURVE", "the TPM does not support this curve"},
    {TPM2_RC_ECC_POINT, ErrorCode::kInvalidArgument, "TPM_RC_ECC_POINT", "the point is not on the curve"},
    {TPM2_RC_OBJECT_MEMORY, ErrorCode::kTpm, "TPM_RC_OBJECT_MEMORY", "too many objects are loaded"},
    {TPM2_RC_LOCKOUT, ErrorCode::kAuthFailed, "TPM_RC_LOCKOUT", "the TPM is in dictionary-attack lockout"},
    {TPM2_RC_REFERENCE_H0, ErrorCode::kNotFound, "TPM_RC_REFERENCE_H0", "the object is not loaded"},
    {TPM2_RC_RETRY, ErrorCode::kTpm, "TPM_RC_RETRY", "the TPM is busy and did not become free"},
};

}  // namespace

uint32_t base_response(uint32_t response) {
  // Format one: bit 7 set, the number in bits 8 to 11, bit 6 distinguishes a parameter from a handle or session.
  if ((response & TPM2_RC_FMT1) != 0) return response & 0xBF;
  return response;
}

bool is_retry(uint32_t response) {
  return response == TPM2_RC_RETRY || response == TPM2_RC_TESTING || response == TPM2_RC_YIELDED ||
         response == TPM2_RC_NV_RATE;
}

Error response_error(const char* command, uint32_t response) {
  const auto row = std::find_if(std::begin(kRows), std::end(kRows),
                                [&](const Row& each) { return each.response == base_response(response); });
  char sentence[200];
  if (row == std::end(kRows)) {
    std::snprintf(sentence, sizeof(sentence), "%s: the TPM returned the response code 0x%03x", command, response);
    return {ErrorCode::kTpm, sentence};
  }
  std::snprintf(sentence, sizeof(sentence), "%s: %s (0x%03x): %s", command, row->name, response, row->meaning);
  return {row->code, sentence};
}

}  // namespace vtpm::tpm
