#include "tools/output_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "crypto/descriptor.h"
#include "crypto/error.h"

namespace vtpm::tools {

void write_file(const std::string& path, ByteView contents, mode_t mode) {
  const std::string temporary = path + ".new-" + std::to_string(getpid());
  const Descriptor file = open_descriptor(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
  bool written = static_cast<bool>(file);
  while (written && !contents.empty()) {
    const ssize_t put = write(file.get(), contents.data(), contents.size());
    if (put < 0 && errno == EINTR) continue;
    written = put >= 0;
    if (written) contents = contents.subspan(static_cast<size_t>(put));
  }
  written = written && fsync(file.get()) == 0 && rename(temporary.c_str(), path.c_str()) == 0;
  const int reason = errno;
  if (file && !written) unlink(temporary.c_str());
  if (!written) throw Error(ErrorCode::kIo, "can not write " + path + ": " + std::strerror(reason));
}

}  // namespace vtpm::tools
