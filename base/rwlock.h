// SPDX-License-Identifier: Apache-2.0
// A reader-writer lock that prefers writers. With std::shared_mutex a steady stream of readers can block a writer for
// ever.
#pragma once

#include <pthread.h>

#include "base/clocked_lock.h"
#include "base/waiting.h"

namespace vtpm {

/// For std::unique_lock and std::shared_lock. Not recursive. Waits for at most the call's limit (base/waiting.h), then
/// throws LockTimeout. A wait never steps aside.
class RwLock {
 public:
  RwLock() {
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&lock_, &attributes);
    pthread_rwlockattr_destroy(&attributes);
  }
  ~RwLock() { pthread_rwlock_destroy(&lock_); }
  RwLock(const RwLock&) = delete;
  RwLock& operator=(const RwLock&) = delete;

  void lock() {
    if (pthread_rwlock_trywrlock(&lock_) != 0) wait_for(pthread_rwlock_wrlock, write_lock_until);
  }
  void unlock() { pthread_rwlock_unlock(&lock_); }
  void lock_shared() {
    if (pthread_rwlock_tryrdlock(&lock_) != 0) wait_for(pthread_rwlock_rdlock, read_lock_until);
  }
  void unlock_shared() { pthread_rwlock_unlock(&lock_); }

 private:
  template <typename Forever, typename Until>
  void wait_for(Forever&& forever, Until&& until) {
    if (!WaitPolicy::current()) {
      forever(&lock_);
      return;
    }
    if (until(&lock_, WaitPolicy::Clock::now() + std::chrono::milliseconds(1))) return;
    const WaitPolicy::Keep keep;
    Wait wait("the store", Wait::For::kThread);
    while (!wait.pause([&](WaitPolicy::Clock::time_point deadline) { return until(&lock_, deadline); },
                       [&] { pthread_rwlock_unlock(&lock_); })) {
    }
  }

  pthread_rwlock_t lock_;
};

}  // namespace vtpm
