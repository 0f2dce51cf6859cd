// SPDX-License-Identifier: Apache-2.0
// The current process: its id, and reading memory that may not be mapped.
#pragma once

#include <sys/types.h>

#include <cstddef>

namespace vtpm {

/// getpid(), cached in a page that the kernel wipes in the child of a fork. It costs as much as reading a variable, and
/// is also right after a fork or clone that ran no handlers. Thread-safe.
pid_t this_process();

/// Copies `size` bytes from `from`, which may be any address: the kernel reads them (process_vm_readv). Returns false
/// if some of them cannot be read, and for every address if the kernel lacks the call or a filter rejects it.
/// Thread-safe.
bool read_if_mapped(const void* from, void* to, size_t size);

}  // namespace vtpm
