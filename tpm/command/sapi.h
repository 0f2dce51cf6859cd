// SPDX-License-Identifier: Apache-2.0
// The tpm2-tss context of Commands, and what the source files that implement Commands share. Private to them.
#pragma once

#include <tss2/tss2_sys.h>

#include <cstddef>
#include <vector>

#include "base/arena.h"
#include "tpm/command/commands.h"
#include "tpm/command/marshal.h"
#include "tpm/command/tcti.h"

namespace vtpm::tpm {

/// The authorization area of a command, with one password for each handle that needs one. It is wiped at the end.
class Password : public Wiped<TSS2L_SYS_AUTH_COMMAND> {
 public:
  explicit Password(ByteView value = {}) { add(value); }
  Password(ByteView first, ByteView second) {
    add(first);
    add(second);
  }

 private:
  void add(ByteView value) {
    auths[count].sessionHandle = TPM2_RH_PW;
    assign(auths[count++].hmac, value);
  }
};

/// A tpm2-tss system context. It lies in the arena for secrets, because it keeps a copy of every command, passwords
/// included. `clear` wipes it and initializes it again.
struct Commands::Sapi {
  explicit Sapi(Device& device)
      : tcti(device), memory((Tss2_Sys_GetContextSize(0) + sizeof(std::max_align_t) - 1) / sizeof(std::max_align_t)) {
    context = reinterpret_cast<TSS2_SYS_CONTEXT*>(memory.data());
    clear();
  }
  void clear() {
    wipe(memory.data(), memory.size() * sizeof(std::max_align_t));
    TSS2_ABI_VERSION version = TSS2_ABI_VERSION_CURRENT;
    tcti.check(Tss2_Sys_Initialize(context, memory.size() * sizeof(std::max_align_t), tcti.context(), &version),
               "Tss2_Sys_Initialize");
  }
  ~Sapi() { Tss2_Sys_Finalize(context); }

  Tcti tcti;
  std::vector<std::max_align_t, ArenaAllocator<std::max_align_t>> memory;
  TSS2_SYS_CONTEXT* context;
};

/// Runs one command and throws the Error of its response code.
#define VTPM_RUN(command, ...) sapi_->tcti.check(Tss2_Sys_##command(sapi_->context, __VA_ARGS__), "TPM2_" #command)

}  // namespace vtpm::tpm
