// SPDX-License-Identifier: Apache-2.0
// Files that the tool writes.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/bytes.h"

namespace vtpm::tools {

/// Writes the output that --output names. How depends on the file at `path`:
///
///   - no file, or a regular file: a complete, synced file with the permissions `mode` replaces it by a rename;
///   - a device or a FIFO is opened and written;
///   - a symbolic link: its target is replaced, and the link stays. The call fails if users other than the caller and
///   root could have made the link or its target: if the directory of either belongs to another user, or is writable
///   for the group or for others;
///   - /dev/stdout, /dev/stderr, /dev/fd/N, /proc/self/fd/N: the open descriptor is written to;
///   - a directory or a socket: the call fails.
///
/// Throws Error: kIo, kNoSpace, kInvalidArgument. An existing file is then unchanged, unless it is a device, a FIFO or
/// a descriptor.
void write_file(const std::string& path, ByteView contents, mode_t mode);

}  // namespace vtpm::tools
