// Which process is this? As cheap as reading a variable, also right after a fork or clone that ran no handlers.
#pragma once

#include <sys/types.h>

namespace vtpm {

/// getpid(), remembered in a page that the kernel wipes in a forked child. Thread-safe.
pid_t this_process();

}  // namespace vtpm
