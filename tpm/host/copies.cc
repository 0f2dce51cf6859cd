// SPDX-License-Identifier: Apache-2.0
#include "tpm/host/copies.h"

#define VTPM_HIDDEN __attribute__((visibility("hidden")))
#define VTPM_TPM_SECTION(name) extern "C" VTPM_HIDDEN uint8_t __start_##name[], __stop_##name[]

#define VTPM_TPM_COPY(prefix)                                                              \
  extern "C" {                                                                             \
  VTPM_HIDDEN extern decltype(TPMLIB_ChooseTPMVersion) prefix##_TPMLIB_ChooseTPMVersion;   \
  VTPM_HIDDEN extern decltype(TPMLIB_RegisterCallbacks) prefix##_TPMLIB_RegisterCallbacks; \
  VTPM_HIDDEN extern decltype(TPMLIB_MainInit) prefix##_TPMLIB_MainInit;                   \
  VTPM_HIDDEN extern decltype(TPMLIB_Terminate) prefix##_TPMLIB_Terminate;                 \
  VTPM_HIDDEN extern decltype(TPMLIB_Process) prefix##_TPMLIB_Process;                     \
  VTPM_HIDDEN extern decltype(TPMLIB_CancelCommand) prefix##_TPMLIB_CancelCommand;         \
  VTPM_HIDDEN extern decltype(TPMLIB_GetState) prefix##_TPMLIB_GetState;                   \
  VTPM_HIDDEN extern decltype(TPMLIB_SetBufferSize) prefix##_TPMLIB_SetBufferSize;         \
  }                                                                                        \
  VTPM_TPM_SECTION(prefix##_bss);                                                          \
  VTPM_TPM_SECTION(prefix##_data);                                                         \
  VTPM_TPM_SECTION(prefix##_data_rel);
#include "vtpm_tpm_copies.inc"
#undef VTPM_TPM_COPY

namespace vtpm::tpm {

std::span<const Copy> copies() {
#define VTPM_TPM_COPY(prefix)                         \
  {prefix##_TPMLIB_ChooseTPMVersion,                  \
   prefix##_TPMLIB_RegisterCallbacks,                 \
   prefix##_TPMLIB_MainInit,                          \
   prefix##_TPMLIB_Terminate,                         \
   prefix##_TPMLIB_Process,                           \
   prefix##_TPMLIB_CancelCommand,                     \
   prefix##_TPMLIB_GetState,                          \
   prefix##_TPMLIB_SetBufferSize,                     \
   {__start_##prefix##_bss, __stop_##prefix##_bss},   \
   {__start_##prefix##_data, __stop_##prefix##_data}, \
   {__start_##prefix##_data_rel, __stop_##prefix##_data_rel}},
  static const Copy all[] = {
#include "vtpm_tpm_copies.inc"
  };
#undef VTPM_TPM_COPY
  return all;
}

}  // namespace vtpm::tpm
