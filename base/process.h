// SPDX-License-Identifier: Apache-2.0
// This process: its number, and memory of it that may not be there.
#pragma once

#include <sys/types.h>

#include <cstddef>

namespace vtpm {

/// getpid(), remembered in a page that the kernel wipes in a forked child: as cheap as reading a variable, also right
/// after a fork or clone that ran no handlers. Thread-safe.
pid_t this_process();

/// Copies `size` bytes from `from`, which need not be an address of anything: the kernel reads them
/// (process_vm_readv). False when some of them cannot be read, and where the kernel has no such call or a filter
/// refuses it (then for every address). Thread-safe.
bool read_if_mapped(const void* from, void* to, size_t size);

}  // namespace vtpm
