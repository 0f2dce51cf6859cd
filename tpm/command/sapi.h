// SPDX-License-Identifier: Apache-2.0
// How Commands runs a command: the tpm2-tss context and what the units that implement Commands share. Not for others.
#pragma once

#include <tss2/tss2_sys.h>

#include <cstddef>
#include <vector>

#include "base/arena.h"
#include "tpm/command/commands.h"
#include "tpm/command/marshal.h"
#include "tpm/command/tcti.h"

namespace vtpm::tpm {

/// The authorization area: a password for each handle that wants one, on the stack, wiped.
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

/// A tpm2-tss system context in our arena: it keeps a copy of every command, passwords included.
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

#define VTPM_RUN(command, ...) sapi_->tcti.check(Tss2_Sys_##command(sapi_->context, __VA_ARGS__), "TPM2_" #command)

}  // namespace vtpm::tpm
