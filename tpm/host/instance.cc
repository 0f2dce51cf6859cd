// SPDX-License-Identifier: Apache-2.0
#include "tpm/host/instance.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <thread>
#include <utility>

#include "base/numbers.h"
#include "base/process.h"
#include "crypto/library/random.h"
#include "crypto/library/want_of_memory.h"
#include "tpm/host/copies.h"
#include "tpm/host/guard.h"

namespace vtpm::tpm {

namespace {

constexpr const char* kPermanentName = "permall";
constexpr const char* kVolatileName = "volatilestate";
constexpr unsigned kLocalities = 5;
// libtpms skips blocks of up to 65535 bytes without checking where the state ends, and continues to read there. That
// memory must be readable; zeros end the reading, because every structure begins with a magic number.
constexpr size_t kStateMargin = size_t{256} * 1024;
constexpr uint64_t kNotStarted = 0x100;  // TPM_RC_INITIALIZE: Part 2, 6.6.3
constexpr size_t kHeaderBytes = 10;      // TPM_ST, UINT32 size, TPM_RC: Part 3, 4.4

// --- libtpms' callbacks: no exception may pass through them, because libtpms is C ---

TPM_RESULT on_init() { return TPM_SUCCESS; }

// libtpms expects TPM_RETRY if there is no such blob.
TPM_RESULT on_load(unsigned char** data, uint32_t* length, uint32_t, const char* name) {
  // While libtpms makes a TPM, it loads what it has just stored. Without that, its seeds would be zero.
  const bool just_stored = current_call->permanent_in.empty() && current_call->permanent_out != nullptr;
  ByteView state;
  if (std::strcmp(name, kPermanentName) == 0) {
    state = just_stored ? current_call->permanent_out->view() : current_call->permanent_in;
  } else if (std::strcmp(name, kVolatileName) == 0) {
    state = current_call->volatile_in;
  }
  if (state.empty()) return TPM_RETRY;
  // The memory comes from the copy's own heap, because libtpms frees it. (TPM_Malloc allocates at most 128 KB, and the
  // state of a full TPM has 143 KB.)
  auto* copy = static_cast<unsigned char*>(current_call->heap->allocate_before_zeros(state.size(), kStateMargin));
  if (copy == nullptr) current_call->cut_off_for_memory();
  std::memcpy(copy, state.data(), state.size());
  *data = copy;
  *length = static_cast<uint32_t>(state.size());
  return TPM_SUCCESS;
}

// Always returns success, because a failure would put libtpms into failure mode. The engine's caller commits the state;
// if that fails, the instance boots the committed state again.
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
  if (!kept) current_call->cut_off_for_memory();  // the copy has stored a state that cannot be committed
  return TPM_SUCCESS;
}

TPM_RESULT on_delete(uint32_t, const char*, TPM_BOOL) { return TPM_SUCCESS; }

TPM_RESULT on_locality(TPM_MODIFIER_INDICATOR* locality, uint32_t) {
  *locality = current_call->locality;
  return TPM_SUCCESS;
}

TPM_RESULT on_physical_presence(TPM_BOOL* present, uint32_t) {
  *present = 0;
  return TPM_SUCCESS;
}

}  // namespace

Instance::Instance(const Copy& copy)
    : copy_(copy), data_(to_bytes(copy.data)), data_rel_(to_bytes(copy.data_rel)), process_(this_process()) {}

Instance::~Instance() { power_off(); }

template <typename F>
void Instance::enter(Call& call, F&& body) {
  call.heap = &heap_;
  call.acceleration = &acceleration_;
  call.objects = &objects_;
  const bool wanted_before = crypto::wanted_memory();
  crypto::forget_want_of_memory();
  const bool returned = run_guarded(call, body);
  if (wanted_before) crypto::remember_want_of_memory();
  complaints_ += call.complaints;
  if (returned) return;
  Acceleration::clear_errors();
  alive_ = false;
  power_off();  // releases at once what the copy has abandoned
  if (call.no_memory)
    throw Error(ErrorCode::kNoMemory,
                "memory ran out during the work of the emulated TPM, which is started again at its next use");
  fail(call.reason);
}

void Instance::fail(const std::string& reason) {
  alive_ = false;
  throw Error(ErrorCode::kTpmFailure, "the emulated TPM has failed and is started again at its next use: " + reason);
}

void Instance::power_on(ByteView permanent) {
  if (permanent.empty()) throw Error(ErrorCode::kInvalidArgument, "the TPM's permanent state is empty");
  start(permanent, {});
}

void Instance::power_on_new() { start({}, {}); }

void Instance::resume(const Snapshot& snapshot) {
  if (snapshot.permanent.empty() || snapshot.volatile_state.empty())
    throw Error(ErrorCode::kInvalidArgument, "a snapshot of a TPM has a permanent and a volatile state");
  start(snapshot.permanent, snapshot.volatile_state);
  stir();
}

void Instance::undo(const Snapshot& snapshot) {
  const uint8_t locality = locality_;
  resume(snapshot);
  locality_ = locality;
}

// TPM2_StirRandom (Part 3, 16.2). A TPM that was not started yet rejects it; TPM2_Startup will seed its generator. Any
// other response means that the generator may repeat numbers.
void Instance::stir() {
  constexpr size_t kEntropy = 32, kHeader = 12;
  std::array<uint8_t, kHeader + kEntropy> command = {0x80, 0x01, 0,    0,    0, kHeader + kEntropy,
                                                     0,    0,    0x01, 0x46, 0, kEntropy};
  const SecretBytes entropy = crypto::random_secret(kEntropy);
  std::memcpy(command.data() + kHeader, entropy.data(), kEntropy);
  struct Wipe {
    std::array<uint8_t, kHeader + kEntropy>& command;
    ~Wipe() { wipe(command.data(), command.size()); }
  } wiped{command};
  const uint64_t response = read_be(execute(command).subspan(6, 4));
  if (response != TPM_SUCCESS && response != kNotStarted)
    fail("its random generator does not accept entropy (response code " + std::to_string(response) + ")");
  stored_.reset();
}

void Instance::start(ByteView permanent, ByteView volatile_state) {
  power_off();
  used_ = true;
  locality_ = 0;
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
  call.volatile_in = volatile_state;
  if (permanent.empty()) call.permanent_out = &made;
  TPM_RESULT result = TPM_FAIL;
  enter(call, [&] {
    result = copy_.choose_tpm_version(TPMLIB_TPM_VERSION_2);
    if (result == TPM_SUCCESS) result = copy_.register_callbacks(&callbacks);
    if (result == TPM_SUCCESS && buffer_size_ != 0)
      copy_.set_buffer_size(static_cast<uint32_t>(buffer_size_), nullptr, nullptr);
    if (result == TPM_SUCCESS) result = copy_.main_init();
  });
  if (result != TPM_SUCCESS) {
    Acceleration::clear_errors();
    fail("libtpms does not accept the state (result " + std::to_string(result) + ")");
  }
  alive_ = true;
}

void Instance::power_off() noexcept {
  ++session_;
  if (!used_) return;
  end_cancels();
  if (alive_) {
    // A dead copy does not terminate itself, because its variables may be inconsistent.
    Call call;
    call.heap = &heap_;
    call.acceleration = &acceleration_;
    call.objects = &objects_;
    (void)run_guarded(call, [&] { copy_.terminate(); });
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
  std::copy(data_.begin(), data_.end(), copy_.data.begin());
  std::copy(data_rel_.begin(), data_rel_.end(), copy_.data_rel.begin());
}

ByteView Instance::execute(ByteView command) {
  if (!alive_) fail("it is not powered on");
  Call call;
  SecretBytes stored;
  call.permanent_out = &stored;
  call.locality = locality_;
  TPM_RESULT result = TPM_FAIL;
  response_size_ = 0;
  executes_ = true;
  struct Executed {
    Instance& instance;
    ~Executed() { instance.end_cancels(); }
  } executed{*this};
  enter(call, [&] {
    result = copy_.process(&response_, &response_size_, &response_capacity_, const_cast<uint8_t*>(command.data()),
                           static_cast<uint32_t>(command.size()));
  });
  if (call.stored) stored_ = std::move(stored);
  if (result != TPM_SUCCESS) fail("libtpms did not process a command (result " + std::to_string(result) + ")");
  const ByteView response(response_, response_size_);
  if (response.size() < kHeaderBytes || read_be(response.subspan(2, 4)) != response.size())
    fail("its response makes no sense");
  if (read_be(response.subspan(6, 4)) != 0) Acceleration::clear_errors();  // libtpms leaves errors of libcrypto behind
  return response;
}

// libtpms sets a flag in the copy's memory that its long computations look at, and that the next command clears before
// it begins. `end_cancels` lets no thread set it behind the end of the command. There is no mutex, because `cancel` may
// be called by a signal handler.
void Instance::cancel() noexcept {
  ++cancelling_;
  if (executes_) (void)copy_.cancel_command();
  --cancelling_;
}

void Instance::end_cancels() noexcept {
  executes_ = false;
  if (process_ != this_process()) {  // the child of a fork does not have the threads that were inside `cancel`
    process_ = this_process();
    cancelling_ = 0;
  }
  while (cancelling_ != 0) std::this_thread::yield();
}

void Instance::set_locality(unsigned locality) {
  if (locality >= kLocalities) throw Error(ErrorCode::kInvalidArgument, "a TPM has the localities 0 to 4");
  locality_ = static_cast<uint8_t>(locality);
}

void Instance::forget_response() noexcept {
  if (response_ != nullptr) wipe(response_, response_size_);
  response_size_ = 0;
}

std::optional<SecretBytes> Instance::take_stored() { return std::exchange(stored_, std::nullopt); }

SecretBytes Instance::permanent() { return state(TPMLIB_STATE_PERMANENT, "permanent"); }

Snapshot Instance::snapshot() { return {permanent(), state(TPMLIB_STATE_VOLATILE, "volatile")}; }

SecretBytes Instance::state(TPMLIB_StateType type, const char* name) {
  if (!alive_) fail("it is not powered on");
  Call call;
  unsigned char* state = nullptr;
  uint32_t size = 0;
  TPM_RESULT result = TPM_FAIL;
  enter(call, [&] { result = copy_.get_state(type, &state, &size); });
  if (result != TPM_SUCCESS)
    fail(std::string("libtpms did not return its ") + name + " state (result " + std::to_string(result) + ")");
  // libtpms has allocated `state` in heap_: this wipes and releases it, also if the copy below throws.
  struct Release {
    Heap& heap;
    unsigned char* memory;
    ~Release() { heap.release(memory); }
  } release{heap_, state};
  return SecretBytes(ByteView(state, size));
}

Device::BufferSize Instance::ask_buffer_size(size_t wanted) {
  Call call;
  uint32_t now = 0, least = 0, most = 0;
  const bool was_used = std::exchange(used_, true);
  enter(call, [&] {
    if (!alive_) (void)copy_.choose_tpm_version(TPMLIB_TPM_VERSION_2);
    now = copy_.set_buffer_size(static_cast<uint32_t>(wanted), &least, &most);
  });
  if (!was_used) {  // while it is off, a copy stays as the linker left it
    used_ = false;
    reset_memory();
  }
  return {now, least, most};
}

Device::BufferSize Instance::buffer_size() { return ask_buffer_size(alive_ ? 0 : buffer_size_); }

Device::BufferSize Instance::set_buffer_size(size_t wanted) {
  if (alive_)
    throw Error(ErrorCode::kInvalidArgument, "the size of a TPM's buffer can be set only while the TPM is off");
  buffer_size_ = std::min<size_t>(wanted, UINT32_MAX);
  const BufferSize size = ask_buffer_size(buffer_size_);
  buffer_size_ = size.now;
  return size;
}

ByteView Instance::memory() const { return copy_.zeroed; }

}  // namespace vtpm::tpm
