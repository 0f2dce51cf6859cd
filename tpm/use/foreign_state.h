// SPDX-License-Identifier: Apache-2.0
// A permanent state that somebody else wrote.
//
// libtpms trusts the state that it boots from. So a foreign one is first booted and walked in a child process with
// limits; only what a child survived is booted in this process. Used by the command-line tool, never by the module:
// the module makes no processes.
#pragma once

#include <functional>

#include "base/bytes.h"
#include "tpm/engine/engine.h"

namespace vtpm::tpm {

/// Boots the state in a child (20 s of CPU, no files, no core), reads every NV index and persistent object, makes a key
/// and signs. Throws Error kCorrupt with a sentence when the child does not get through.
void examine_foreign_state(ByteView state);

/// The auth value of a hierarchy ("owner", "endorsement", "lockout"), asked for only where one is set; empty when
/// nobody knows it.
using HierarchyAuths = std::function<SecretBytes(const char* hierarchy)>;
/// What it takes to make an examined state a token's: the hierarchies' auth values are cleared (the PIN guards the
/// state from now on), and a storage root key of ours is persisted beside what is there, if there is room. `furnish`
/// looks at the result. That of the lockout hierarchy may stay. Throws Error kAuthFailed that names the auth value that
/// is set and is not known, or is wrong.
SecretBytes adopt_foreign_state(ByteView state, const HierarchyAuths& auths,
                                const std::function<void(BootedTpm&)>& furnish);

}  // namespace vtpm::tpm
