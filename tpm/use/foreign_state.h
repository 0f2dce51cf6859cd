// SPDX-License-Identifier: Apache-2.0
// Permanent states that other programs wrote.
//
// libtpms trusts the state that it boots. Therefore a foreign state is first booted and used in a child process with
// resource limits, and only a state that this child has survived is booted in this process. Only the command-line tool
// does that; the module starts no processes.
#pragma once

#include <functional>

#include "base/bytes.h"
#include "tpm/engine/engine.h"

namespace vtpm::tpm {

/// Examines a state in a child process, which may use 20 s of CPU time and writes no files: boots it, reads every NV
/// index and persistent object, makes a key and signs. Throws kCorrupt, with the reason, if the child fails, and kIo if
/// there can be no child. Not for a process with other threads that hold locks, because it forks.
void examine_foreign_state(ByteView state);

/// Returns the auth value of a hierarchy ("owner", "endorsement", "lockout"), or nothing if it is not known. Called
/// only for hierarchies that have one.
using HierarchyAuths = std::function<SecretBytes(const char* hierarchy)>;
/// Turns an examined state into that of a token and returns it. Clears the auth values of the hierarchies, because the
/// PIN protects the state from now on; that of the lockout hierarchy may stay if it is not known. Persists the storage
/// root key if the state has none and there is room. `furnish`, if given, then changes or reads the result. Throws
/// kAuthFailed, which names the hierarchy, if an auth value is needed and not known, or is wrong.
SecretBytes adopt_foreign_state(ByteView state, const HierarchyAuths& auths,
                                const std::function<void(BootedTpm&)>& furnish);

}  // namespace vtpm::tpm
