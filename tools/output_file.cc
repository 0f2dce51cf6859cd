#include "tools/output_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "crypto/error.h"

namespace vtpm::tools {

void write_file(const std::string& path, ByteView contents, mode_t mode) {
  const std::string temporary = path + ".new-" + std::to_string(getpid());
  const int file = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
  bool written = file >= 0;
  while (written && !contents.empty()) {
    const ssize_t put = write(file, contents.data(), contents.size());
    if (put < 0 && errno == EINTR) continue;
    written = put >= 0;
    if (written) contents = contents.subspan(static_cast<size_t>(put));
  }
  written = written && fsync(file) == 0 && rename(temporary.c_str(), path.c_str()) == 0;
  const int reason = errno;
  if (file >= 0) {
    close(file);
    if (!written) unlink(temporary.c_str());
  }
  if (!written) throw Error(ErrorCode::kIo, "can not write " + path + ": " + std::strerror(reason));
}

}  // namespace vtpm::tools
