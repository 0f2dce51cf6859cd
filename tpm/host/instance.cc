// SPDX-License-Identifier: Apache-2.0
#include "tpm/host/instance.h"

#include <cstring>

#include "base/numbers.h"
#include "crypto/library/want_of_memory.h"
#include "tpm/host/copies.h"
#include "tpm/host/guard.h"

namespace vtpm::tpm {

namespace {

constexpr const char* kPermanentName = "permall";
// libtpms skips blocks of up to 65535 octets without looking where the state ends, and reads on from there. What it
// finds must be readable; zeros end its reading, because every structure begins with a magic number.
constexpr size_t kStateMargin = size_t{256} * 1024;
constexpr size_t kHeaderOctets = 10;  // TPM_ST, UINT32 size, TPM_RC: Part 3, 4.4

// --- libtpms' callbacks: C functions, nothing may be thrown through them ---

TPM_RESULT on_init() { return TPM_SUCCESS; }

// TPM_RETRY is libtpms' word for "there is no such blob".
TPM_RESULT on_load(unsigned char** data, uint32_t* length, uint32_t, const char* name) {
  // While a TPM is made, what it has just stored is asked back; a "no" there would zero its seeds.
  const bool just_stored = current_call->permanent_in.empty() && current_call->permanent_out != nullptr;
  const ByteView state = just_stored ? current_call->permanent_out->view() : current_call->permanent_in;
  if (std::strcmp(name, kPermanentName) != 0 || state.empty()) return TPM_RETRY;
  // From the copy's own heap: libtpms frees it. (TPM_Malloc stops at 128 KB, a full TPM needs 143.)
  auto* copy = static_cast<unsigned char*>(current_call->heap->allocate_before_zeros(state.size(), kStateMargin));
  if (copy == nullptr) current_call->cut_off_for_memory();
  std::memcpy(copy, state.data(), state.size());
  *data = copy;
  *length = static_cast<uint32_t>(state.size());
  return TPM_SUCCESS;
}

// Always answers success: a store that fails puts libtpms into failure mode. The state is committed by the engine's
// caller; if that fails, the instance is booted again from the committed state.
TPM_RESULT on_store(const unsigned char* data, uint32_t length, uint32_t, const char* name) {
  if (std::strcmp(name, kPermanentName) != 0) return TPM_SUCCESS;
  current_call->stored = true;
  if (current_call->permanent_out == nullptr) return TPM_SUCCESS;
  bool kept = false;
  try {
    *current_call->permanent_out = SecretBytes(ByteView(data, length));
    kept = true;
  } catch (...) {
  }
  if (!kept) current_call->cut_off_for_memory();  // the copy holds a state that nobody can commit
  return TPM_SUCCESS;
}

TPM_RESULT on_delete(uint32_t, const char*, TPM_BOOL) { return TPM_SUCCESS; }

TPM_RESULT on_locality(TPM_MODIFIER_INDICATOR* locality, uint32_t) {
  *locality = 0;
  return TPM_SUCCESS;
}

TPM_RESULT on_physical_presence(TPM_BOOL* present, uint32_t) {
  *present = 0;
  return TPM_SUCCESS;
}

}  // namespace

Instance::Instance(const Copy& copy) : copy_(copy), data_(to_bytes(copy.data)), data_rel_(to_bytes(copy.data_rel)) {}

Instance::~Instance() { power_off(); }

template <typename F>
void Instance::enter(Call& call, F&& body) {
  call.heap = &heap_;
  call.acceleration = &acceleration_;
  call.objects = &objects_;
  const bool wanted_before = crypto::wanted_memory();
  crypto::forget_want_of_memory();
  const bool returned = guarded(call, body);
  if (wanted_before) crypto::remember_want_of_memory();
  complaints_ += call.complaints;
  if (returned) return;
  Acceleration::clear_errors();
  alive_ = false;
  power_off();  // what it has abandoned goes at once
  if (call.no_memory)
    throw Error(ErrorCode::kNoMemory,
                "There was no memory for the emulated TPM's work; it is started again at its next use.");
  fail(call.reason);
}

void Instance::fail(const std::string& reason) {
  alive_ = false;
  throw Error(ErrorCode::kTpmFailure,
              "The emulated TPM has failed and is started again at its next use: " + reason + ".");
}

void Instance::power_on(ByteView permanent) {
  if (permanent.empty()) throw Error(ErrorCode::kInvalidArgument, "The TPM's permanent state is empty.");
  start(permanent);
}

void Instance::power_on_new() { start({}); }

void Instance::start(ByteView permanent) {
  power_off();
  used_ = true;
  libtpms_callbacks callbacks = {};
  callbacks.sizeOfStruct = sizeof(callbacks);
  callbacks.tpm_nvram_init = on_init;
  callbacks.tpm_nvram_loaddata = on_load;
  callbacks.tpm_nvram_storedata = on_store;
  callbacks.tpm_nvram_deletename = on_delete;
  callbacks.tpm_io_init = on_init;
  callbacks.tpm_io_getlocality = on_locality;
  callbacks.tpm_io_getphysicalpresence = on_physical_presence;

  Call call;
  SecretBytes made;
  call.permanent_in = permanent;
  if (permanent.empty()) call.permanent_out = &made;
  TPM_RESULT result = TPM_FAIL;
  enter(call, [&] {
    result = copy_.choose_tpm_version(TPMLIB_TPM_VERSION_2);
    if (result == TPM_SUCCESS) result = copy_.register_callbacks(&callbacks);
    if (result == TPM_SUCCESS) result = copy_.main_init();
  });
  if (result != TPM_SUCCESS) {
    Acceleration::clear_errors();
    fail("libtpms does not accept the permanent state (result " + std::to_string(result) + ")");
  }
  alive_ = true;
}

void Instance::power_off() noexcept {
  if (!used_) return;
  if (alive_) {
    // A dead copy is not asked to terminate: nobody knows what it would do.
    Call call;
    call.heap = &heap_;
    call.acceleration = &acceleration_;
    call.objects = &objects_;
    (void)guarded(call, [&] { copy_.terminate(); });
  }
  alive_ = used_ = false;
  stored_.reset();
  acceleration_.forget();
  reset_memory();
}

void Instance::reset_memory() noexcept {
  response_ = nullptr;
  response_size_ = response_capacity_ = 0;
  objects_.release_all();
  heap_.release_all();
  wipe(copy_.zeroed.data(), copy_.zeroed.size());
  std::memcpy(copy_.data.data(), data_.data(), data_.size());
  std::memcpy(copy_.data_rel.data(), data_rel_.data(), data_rel_.size());
}

ByteView Instance::execute(ByteView command) {
  if (!alive_) fail("it is not powered on");
  Call call;
  SecretBytes stored;
  call.permanent_out = &stored;
  TPM_RESULT result = TPM_FAIL;
  response_size_ = 0;
  enter(call, [&] {
    result = copy_.process(&response_, &response_size_, &response_capacity_, const_cast<uint8_t*>(command.data()),
                           static_cast<uint32_t>(command.size()));
  });
  if (call.stored) stored_ = std::move(stored);
  if (result != TPM_SUCCESS) fail("libtpms did not process a command (result " + std::to_string(result) + ")");
  if (response_size_ < kHeaderOctets || read_be(ByteView(response_ + 2, 4)) != response_size_)
    fail("its answer makes no sense");
  return {response_, response_size_};
}

void Instance::forget_response() noexcept {
  if (response_ != nullptr) wipe(response_, response_size_);
  response_size_ = 0;
}

std::optional<SecretBytes> Instance::take_stored() { return std::exchange(stored_, std::nullopt); }

SecretBytes Instance::permanent() {
  if (!alive_) fail("it is not powered on");
  Call call;
  unsigned char* state = nullptr;
  uint32_t size = 0;
  TPM_RESULT result = TPM_FAIL;
  enter(call, [&] { result = copy_.get_state(TPMLIB_STATE_PERMANENT, &state, &size); });
  if (result != TPM_SUCCESS)
    fail("libtpms did not hand out its permanent state (result " + std::to_string(result) + ")");
  // The heap is ours: `state` goes, wiped, whether the copy succeeds or throws.
  struct Release {
    Heap& heap;
    unsigned char* memory;
    ~Release() { heap.release(memory); }
  } release{heap_, state};
  return SecretBytes(ByteView(state, size));
}

ByteView Instance::memory() const { return copy_.zeroed; }

}  // namespace vtpm::tpm
