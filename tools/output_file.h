// Files that the tool writes.
#pragma once

#include <sys/types.h>

#include <string>

#include "crypto/bytes.h"

namespace vtpm::tools {

/// Writes or replaces a file, whole, synced and by rename, with these permissions from the beginning. Throws Error kIo.
void write_file(const std::string& path, ByteView contents, mode_t mode);

}  // namespace vtpm::tools
