// SPDX-License-Identifier: Apache-2.0
// Access to files: a new file gets the access of an old one, also if this process may not change owners.
#pragma once

#include <sys/stat.h>

#include <string>

namespace vtpm::store {

/// Gives the file `to`, which this process has just created with mode 0600, the access of `from`, whose `fstat` is
/// `old`. Copies owner, group, mode and access control list if this process may do that. If it may not change the
/// owner, the new file remains its own, and the former owner keeps his access: through the group, if /etc/passwd and
/// /etc/group show him as a member, or else through an entry of his own in the access control list. (Name services are
/// not used, since they may be slow and this runs under the store's lock.)
///
/// If a user of `from` would lose access, returns that user as the subject of a sentence, and `to` keeps mode 0600.
/// Otherwise returns an empty string. Throws kIo.
std::string copy_access(int from, const struct stat& old, int to);

}  // namespace vtpm::store
