// SPDX-License-Identifier: Apache-2.0
#include "tpm/use/foreign_state.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/descriptor.h"
#include "base/error.h"
#include "tpm/command/commands.h"
#include "tpm/engine/storage_root.h"
#include "tpm/use/nv.h"
#include "tpm/use/persistent_key.h"

namespace vtpm::tpm {

namespace {

/// Uses the state as a token would: reads its NV areas and persistent objects, makes a key and signs.
void walk(Commands& tpm) {
  for (const uint32_t index : nv_list(tpm)) {
    const auto area = nv_public(tpm, index);
    if (!area) continue;
    try {
      (void)nv_read(tpm, *area);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kTpmFailure) throw;  // otherwise the area is locked, or needs an auth value
    }
  }
  (void)persistent_objects(tpm);
  (void)tpm.permanent_flags();
  (void)tpm.get_random(32);
}

void limit(decltype(RLIMIT_CPU) what, rlim_t value) {
  const rlimit both = {value, value};
  setrlimit(what, &both);
}

/// Examines the state in the child process and ends it. Writes the reason to `answer` if the state is not sound.
[[noreturn]] void examine_here(ByteView state, int answer) {
  constexpr rlim_t kCpuSeconds = 20;
  limit(RLIMIT_CPU, kCpuSeconds);
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_FSIZE, 0);
  alarm(60);
  std::string sentence;
  try {
    const SecretBytes again = Engine::visit(state, walk);
    Engine::inspect(again, walk);  // the state that the walk has left must boot as well
  } catch (const std::exception& error) {
    sentence = error.what();
    if (sentence.empty()) sentence = "unknown";
  }
  if (!sentence.empty()) (void)!write(answer, sentence.data(), sentence.size());
  _exit(sentence.empty() ? 0 : 1);
}

/// Clears the auth value of a hierarchy.
void clear_auth(Commands& tpm, uint32_t hierarchy, ByteView auth, const char* name) {
  try {
    tpm.hierarchy_change_auth(hierarchy, auth, {});
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kAuthFailed) throw;
    throw Error(ErrorCode::kAuthFailed, auth.empty()
                                            ? std::string("the TPM has an auth value of the ") + name +
                                                  " hierarchy: it is needed to adopt the TPM"
                                            : std::string("the auth value of the ") + name + " hierarchy is wrong");
  }
}

/// Persists the storage root key. A TPM whose memory for persistent objects is full derives it at each boot instead.
void persist_storage_root(Commands& tpm) {
  try {
    create_storage_root(tpm);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kNvFull) throw;
  }
}

}  // namespace

void examine_foreign_state(ByteView state) {
  Pipe answer = open_pipe();
  if (!answer) throw Error(ErrorCode::kIo, std::string("cannot make a pipe: ") + std::strerror(errno));
  const pid_t child = fork();
  if (child == 0) {
    answer.reading.close();
    examine_here(state, answer.writing.get());
  }
  answer.writing.close();
  std::string sentence;
  char part[256];
  for (ssize_t got;
       child > 0 && ((got = read(answer.reading.get(), part, sizeof part)) > 0 || (got < 0 && errno == EINTR));) {
    if (got > 0) sentence.append(part, static_cast<size_t>(got));
  }
  if (child < 0) throw Error(ErrorCode::kIo, std::string("cannot make a process: ") + std::strerror(errno));
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
  if (sentence.empty() && WIFSIGNALED(status)) sentence = strsignal(WTERMSIG(status));
  throw Error(ErrorCode::kCorrupt, "the TPM state is not sound and was not adopted: " + sentence);
}

SecretBytes adopt_foreign_state(ByteView state, const HierarchyAuths& auths,
                                const std::function<void(BootedTpm&)>& furnish) {
  return Engine::visit(state, [&](BootedTpm& tpm) {
    const uint32_t flags = tpm.permanent_flags();
    const auto auth_of = [&](const char* hierarchy) { return auths ? auths(hierarchy) : SecretBytes(); };
    if (flags & TPMA_PERMANENT_OWNERAUTHSET) clear_auth(tpm, TPM2_RH_OWNER, auth_of("owner"), "owner");
    if (flags & TPMA_PERMANENT_ENDORSEMENTAUTHSET)
      clear_auth(tpm, TPM2_RH_ENDORSEMENT, auth_of("endorsement"), "endorsement");
    if (flags & TPMA_PERMANENT_LOCKOUTAUTHSET) {
      const SecretBytes auth = auth_of("lockout");
      if (!auth.empty()) clear_auth(tpm, TPM2_RH_LOCKOUT, auth, "lockout");
    }
    if (!find_storage_root(tpm)) persist_storage_root(tpm);
    if (furnish) furnish(tpm);
  });
}

}  // namespace vtpm::tpm
