// SPDX-License-Identifier: Apache-2.0
// Files that the tool writes.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/bytes.h"

namespace vtpm::tools {

/// Writes what was asked for with --output. What stands at `path` decides how:
///
///   - nothing, or a file: a new file takes the place, whole, synced and by rename, with the permissions `mode` from
///   the
///     beginning;
///   - a device or a FIFO: it is opened and written, and stays;
///   - a symbolic link: the file that it leads to is replaced, and the link stays. Refused where others than the user
///     and root could have put the link, or a file behind it, there: where a directory of either belongs to another
///     user or can be written by the group or by everybody;
///   - /dev/stdout, /dev/stderr, /dev/fd/N, /proc/self/fd/N: the open descriptor is written;
///   - a directory, a socket: refused.
///
/// Throws Error: kIo, kNoSpace, kInvalidArgument. What stood there before is untouched then, unless it is a device, a
/// FIFO or a descriptor.
void write_file(const std::string& path, ByteView contents, mode_t mode);

}  // namespace vtpm::tools
