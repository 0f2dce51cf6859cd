// SPDX-License-Identifier: Apache-2.0
// Who may use a file: giving a new file the access that an old one has, with or without the right to give files away.
#pragma once

#include <sys/stat.h>

#include <string>

namespace vtpm::store {

/// Lets everybody use the file `to`, which this process has just made and which only its owner may use, as they may
/// use `from`, whose `fstat` is `old`. Owner, group, mode and access control list are copied where this process may do
/// that. Where it may not give the file away it stays the owner, and the former owner keeps what he had: through the
/// group, if /etc/passwd and /etc/group show him as its member, else through an entry of his own in the access control
/// list. (Name services are not asked: that may take long, and this runs under a store's lock.)
///
/// Returns who would be left out, as the subject of a sentence; `to` is then its owner's alone. Empty: nobody.
std::string copy_access(int from, const struct stat& old, int to);

}  // namespace vtpm::store
