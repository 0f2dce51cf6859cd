// SPDX-License-Identifier: Apache-2.0
// The copies' calls into libcrypto (tpm/host/libcrypto_calls.inc).
//
// When memory runs out inside libcrypto, libtpms may write through the null pointer, take the failure for an answer,
// fail an assertion, or enter failure mode. Therefore no result of a failed allocation reaches it. The heap of the
// private libcrypto remembers that an allocation failed (crypto/library/want_of_memory.h). Once the function has
// returned, and holds no lock any more, the call into the copy is cut off. The objects that libtpms owns are noted
// (tpm/host/libcrypto_objects.h), because libtpms cannot free them after that.
#define OPENSSL_SUPPRESS_DEPRECATED  // libtpms calls the low-level functions

#include "tpm/host/libcrypto_calls.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/des.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

#include <tuple>
#include <type_traits>

#include "crypto/library/want_of_memory.h"
#include "tpm/host/guard.h"
#include "tpm/host/heap.h"

namespace vtpm::tpm {

void go_on_if_memory_lasts() noexcept {
  if (crypto::wanted_memory()) current_call->cut_off_for_memory();
}

void adopt_for_call(void* object, LibcryptoObjects::Release release) noexcept {
  if (!current_call->objects->adopt(object, release)) current_call->cut_off_for_memory();
}

namespace {

template <typename F>
struct Prototype;
template <typename R, typename... A>
struct Prototype<R(A...)> {
  using Result = R;
  template <size_t kIndex>
  using Argument = std::tuple_element_t<kIndex, std::tuple<A...>>;
};

template <auto kFunction, typename... A>
auto checked(A... arguments) noexcept {
  if constexpr (std::is_void_v<decltype(kFunction(arguments...))>) {
    kFunction(arguments...);
    go_on_if_memory_lasts();
  } else {
    const auto answer = kFunction(arguments...);
    go_on_if_memory_lasts();
    return answer;
  }
}

template <auto kFunction, typename T>
void freed(T* object) noexcept {
  current_call->objects->disown(object);
  kFunction(object);
}

template <auto kFunction, typename Owner, typename... A>
auto given(Owner owner, A... arguments) noexcept {
  const auto taken = kFunction(owner, arguments...);
  if (taken == 1) {
    const auto disown = [](auto argument) {
      if constexpr (std::is_pointer_v<decltype(argument)>) current_call->objects->disown(argument);
    };
    (disown(arguments), ...);
  }
  go_on_if_memory_lasts();
  return taken;
}

}  // namespace
}  // namespace vtpm::tpm

using namespace vtpm::tpm;  // NOLINT: for C functions that have no namespace

#define VTPM_ARGUMENT(function, index) Prototype<decltype(function)>::Argument<index> a##index
#define VTPM_ARGUMENTS_0(function)
#define VTPM_ARGUMENTS_1(function) VTPM_ARGUMENT(function, 0)
#define VTPM_ARGUMENTS_2(function) VTPM_ARGUMENTS_1(function), VTPM_ARGUMENT(function, 1)
#define VTPM_ARGUMENTS_3(function) VTPM_ARGUMENTS_2(function), VTPM_ARGUMENT(function, 2)
#define VTPM_ARGUMENTS_4(function) VTPM_ARGUMENTS_3(function), VTPM_ARGUMENT(function, 3)
#define VTPM_ARGUMENTS_5(function) VTPM_ARGUMENTS_4(function), VTPM_ARGUMENT(function, 4)
#define VTPM_ARGUMENTS_6(function) VTPM_ARGUMENTS_5(function), VTPM_ARGUMENT(function, 5)
#define VTPM_ARGUMENTS_7(function) VTPM_ARGUMENTS_6(function), VTPM_ARGUMENT(function, 6)
#define VTPM_PASS_0
#define VTPM_PASS_1 a0
#define VTPM_PASS_2 VTPM_PASS_1, a1
#define VTPM_PASS_3 VTPM_PASS_2, a2
#define VTPM_PASS_4 VTPM_PASS_3, a3
#define VTPM_PASS_5 VTPM_PASS_4, a4
#define VTPM_PASS_6 VTPM_PASS_5, a5
#define VTPM_PASS_7 VTPM_PASS_6, a6
#define VTPM_PROTOTYPE(count, function) \
  Prototype<decltype(function)>::Result vtpm_tpm_##function(VTPM_ARGUMENTS_##count(function))

#define VTPM_CHECKED(count, function) \
  VTPM_PROTOTYPE(count, function) { return checked<function>(VTPM_PASS_##count); }
#define VTPM_MADE(count, function, release) \
  VTPM_PROTOTYPE(count, function) { return adopted<release>(function(VTPM_PASS_##count)); }
#define VTPM_FREED(count, function) \
  VTPM_PROTOTYPE(count, function) { freed<function>(VTPM_PASS_##count); }
#define VTPM_GIVEN(count, function) \
  VTPM_PROTOTYPE(count, function) { return given<function>(VTPM_PASS_##count); }

extern "C" {
#include "tpm/host/libcrypto_calls.inc"

// The result goes into an existing number, or into a new one.
BIGNUM* vtpm_tpm_inverse(BIGNUM* into, const BIGNUM* number, const BIGNUM* modulus, BN_CTX* context) {
  if (into != nullptr) return checked<BN_mod_inverse>(into, number, modulus, context);
  return adopted<BN_clear_free>(BN_mod_inverse(nullptr, number, modulus, context));
}

// libcrypto takes ownership of the label and frees it in its own heap, but libtpms has allocated it in the copy's heap.
int vtpm_tpm_oaep_label(EVP_PKEY_CTX* context, void* label, int size) {
  void* copy = size > 0 ? OPENSSL_memdup(label, static_cast<size_t>(size)) : nullptr;
  go_on_if_memory_lasts();
  const int taken = EVP_PKEY_CTX_set0_rsa_oaep_label(context, copy, size);
  if (taken > 0) {
    current_call->heap->release(label);
  } else {
    OPENSSL_free(copy);
  }
  go_on_if_memory_lasts();
  return taken;
}

}  // extern "C"
