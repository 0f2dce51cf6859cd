// SPDX-License-Identifier: Apache-2.0
#include "store/file/file.h"

#include <chrono>
#include <thread>

namespace vtpm::store {

void File::sync(Sync what, CallSite site) const {
  const uint64_t failed_before = failed_syncs_;
  ++syncing_;
  try {
    sync_now(what, site);
  } catch (const StaleFile&) {
    --syncing_;
    throw;
  } catch (const Error& error) {
    sync_failure_ = error.code();
    if (writable()) ++failed_syncs_;
    --syncing_;
    throw;
  }
  --syncing_;
  // Of several threads that sync at the same time the kernel reports a common failure to only one.
  while (syncing_ != 0) std::this_thread::sleep_for(std::chrono::microseconds(20));
  if (failed_syncs_ != failed_before) {
    throw Error(sync_failure_, "cannot sync the file: another thread's sync of it has failed at the same time");
  }
}

}  // namespace vtpm::store
