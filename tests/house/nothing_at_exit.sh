#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# nothing_at_exit.sh MODULE FILE…: the module destroys nothing when a process or a thread ends. Applications call the
# module in exit handlers that run later and would use destroyed objects.
#
# Reads the object files and archives: an object with a destructor is registered by one of these functions. The module
# must have no other destructor than the one that the compiler puts into every shared object, which runs the registered
# ones.
set -euo pipefail
module=$1
shift
[ $# -gt 3 ]
if nm -A --undefined-only "$@" 2>/dev/null | grep -E ' (__cxa_atexit|__cxa_thread_atexit(_impl)?|atexit|at_quick_exit|on_exit|pthread_key_create)(@.*)?$'; then
  echo 'these objects have something destroyed at exit: allocate it with new and keep it' >&2
  exit 1
fi
size=$(readelf -d "$module" | sed -n 's/.*(FINI_ARRAYSZ) *\([0-9]*\) .*/\1/p')
[ "$size" = 8 ] || {
  echo "the module has $size bytes of destructors (FINI_ARRAY); 8, one pointer, are expected" >&2
  exit 1
}
