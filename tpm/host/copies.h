// SPDX-License-Identifier: Apache-2.0
// The copies of libtpms that are linked into this program (cmake/TpmCopies.cmake).
#pragma once

#include <libtpms/tpm_error.h>
#include <libtpms/tpm_library.h>

#include <span>

#include "base/bytes.h"

namespace vtpm::tpm {

/// The entry points and the memory of one copy. Every call except `cancel_command` is made under the guard
/// (tpm/host/guard.h), by one thread at a time.
struct Copy {
  decltype(&TPMLIB_ChooseTPMVersion) choose_tpm_version;
  decltype(&TPMLIB_RegisterCallbacks) register_callbacks;
  decltype(&TPMLIB_MainInit) main_init;
  decltype(&TPMLIB_Terminate) terminate;
  decltype(&TPMLIB_Process) process;
  decltype(&TPMLIB_CancelCommand) cancel_command;  // any thread may call it while a command is executed
  decltype(&TPMLIB_GetState) get_state;
  decltype(&TPMLIB_SetBufferSize) set_buffer_size;
  MutableByteView zeroed;          // its .bss
  MutableByteView data, data_rel;  // its .data and .data.rel
};

/// All copies. They live as long as the program.
std::span<const Copy> copies();

}  // namespace vtpm::tpm
