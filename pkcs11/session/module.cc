// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/session/module.h"

#include <pthread.h>

#include <atomic>
#include <exception>
#include <new>

#include "base/arena.h"
#include "base/locks_after_fork.h"
#include "base/process.h"
#include "crypto/library/random.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/mechanism/mechanism.h"

namespace vtpm::pkcs11 {
namespace {

/// A read-write lock that is never destroyed, only dropped: the child of a fork cannot unlock one that was held at the
/// fork (the C library knows the holder by its thread id), and the waiters that it counts do not exist there.
class GateLock {
 public:
  GateLock() {
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    // Without writer preference a fork starves while other threads keep signing.
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&lock_, &attributes);
    pthread_rwlockattr_destroy(&attributes);
  }
  GateLock(const GateLock&) = delete;
  GateLock& operator=(const GateLock&) = delete;

  void lock() { pthread_rwlock_wrlock(&lock_); }
  void lock_shared() { pthread_rwlock_rdlock(&lock_); }
  void unlock() { pthread_rwlock_unlock(&lock_); }

 private:
  pthread_rwlock_t lock_;
};

/// The state of the process, which is never destroyed, because the module runs nothing at exit.
struct Gate {
  std::unique_ptr<GateLock> lock = std::make_unique<GateLock>();
  std::shared_ptr<Module> module;                  // calls that wait may keep that of an earlier C_Initialize alive
  pid_t owner = 0;                                 // the process that the state belongs to
  pid_t reported_configuration = 0;                // the process that has reported its broken configuration
  bool inherited = false;                          // child of a fork that has not called C_Initialize itself
  std::optional<Module::Inheritance> inheritance;  // the same, after its copy of the parent's module was dropped
  std::atomic<bool> to_be_rebuilt{false};          // child of a fork: descriptors and TPMs must be opened again
  bool to_be_reseeded = false;                     // child of a fork: the generator has the parent's state
  std::mutex rebuilding;
  // The functions are called until the last waiting call has returned, even after C_Finalize.
  std::atomic<bool> has_mutex{false};
  std::mutex holding;  // guards the pointer; std::atomic<std::shared_ptr> of libstdc++ 12 has a race
  std::shared_ptr<ApplicationMutex> mutex;
};

void before_fork();
void after_fork_in_parent();
void after_fork_in_child();

Gate& gate() {
  static Gate* const the_gate = [] {
    auto* made = new Gate;
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    return made;
  }();
  return *the_gate;
}

void before_fork() {
  gate().lock->lock();
  log_before_fork();
}
void after_fork_in_parent() {
  log_after_fork_in_parent();
  gate().lock->unlock();
}
void after_fork_in_child() {
  log_after_fork_in_child();
  // Closing a file is a cancellation point, and fork is not: a thread with a pending cancellation must not end in the
  // child here.
  int cancellation = PTHREAD_CANCEL_DISABLE;
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellation);
  Gate& here = gate();
  here.lock = std::make_unique<GateLock>();
  here.owner = this_process();
  here.to_be_reseeded = true;
  // Another thread may have held the application's mutex at the fork. It is never unlocked in the child, where that
  // thread does not exist.
  here.has_mutex = false;
  make_anew(here.holding, here.mutex);
  if (here.module) {
    here.inherited = true;
    here.to_be_rebuilt = true;
    here.module->slots.make_locks_anew();
    for (const auto& token : here.module->slots.open_tokens()) token->after_fork_close();
  }
  pthread_setcancelstate(cancellation, nullptr);
}

std::shared_ptr<ApplicationMutex> application_mutex() {
  Gate& here = gate();
  if (!here.has_mutex) return nullptr;
  std::lock_guard lock(here.holding);
  return here.mutex;
}

void set_application_mutex(Gate& here, std::shared_ptr<ApplicationMutex> mutex) {
  std::lock_guard lock(here.holding);
  here.has_mutex = mutex != nullptr;
  here.mutex.swap(mutex);
}

class Exclusive {
 public:
  Exclusive() : turn_(application_mutex()) { gate().lock->lock(); }
  ~Exclusive() { gate().lock->unlock(); }
  Exclusive(const Exclusive&) = delete;
  Exclusive& operator=(const Exclusive&) = delete;

 private:
  Turn turn_;
};

/// Must run before the TPMs are opened again, because they are seeded from the generator.
void reseed_after_fork(Gate& here) {
  if (!here.to_be_reseeded) return;
  crypto::random_after_fork();
  here.to_be_reseeded = false;
}

void rebuild_after_fork(Gate& here) {
  std::lock_guard lock(here.rebuilding);
  if (!here.to_be_rebuilt) return;
  const WaitPolicy within(std::chrono::seconds(here.module->config.lock_timeout));
  const WaitPolicy::Keep half_done;
  arena_after_fork();
  reseed_after_fork(here);
  here.module->sessions.make_locks_anew();
  for (const auto& token : here.module->slots.open_tokens()) {
    try {
      token->after_fork_reopen();
    } catch (const Error& error) {
      token->mark_removed();
      log_line(LogLevel::kError, error.sentence());
    }
  }
  here.to_be_rebuilt = false;
}

}  // namespace

Module::~Module() {
  try {
    end();
  } catch (const std::exception& error) {
    log_line(LogLevel::kError, std::string("C_Finalize: ") + error.what());
  }
}

void Module::end() {
  for (const auto& token : slots.open_tokens()) token->login().log_out();
}

namespace {

/// Ends the copy of the parent's module. Waiting calls of the parent held references that are never released in the
/// child.
void end_inherited(Gate& here) {
  rebuild_after_fork(here);
  here.module->end();
  here.inheritance.emplace(Module::Inheritance{here.module->config, here.module->slots.inheritance()});
  here.module.reset();
  here.inherited = false;
}

/// Reports a broken configuration to the system log, once for each process. It is the only report if no log is
/// configured.
void report_once(Gate& here, const Config& broken) {
  if (here.reported_configuration == this_process()) return;
  here.reported_configuration = this_process();
  syslog_line(LogLevel::kError, "the configuration is broken, so no token is served: " +
                                    broken.problems.front().sentence() + " (see vtpm-token config check)");
}

}  // namespace

void Module::initialize(const CK_C_INITIALIZE_ARGS& arguments) {
  Exclusive exclusive;
  Gate& here = gate();
  if (here.module && here.inherited) {
    // The parent's sessions and login, which fork copied, do not belong to this process.
    end_inherited(here);
  }
  refuse_if(here.module != nullptr, CKR_CRYPTOKI_ALREADY_INITIALIZED, "C_Initialize was called before");
  std::shared_ptr<ApplicationMutex> mutex = ApplicationMutex::for_arguments(arguments);
  reseed_after_fork(here);
  Module::Inheritance own = here.inheritance ? *here.inheritance : Module::Inheritance{load_config(is_mechanism), {}};
  log_open(own.config.log, own.config.log_level);
  if (own.config.broken()) report_once(here, own.config);
  hide_mechanisms(own.config.hidden_mechanisms);
  here.module = std::make_shared<Module>(std::move(own));
  here.inheritance.reset();
  here.owner = this_process();
  set_application_mutex(here, std::move(mutex));
}

void Module::finalize() {
  Exclusive exclusive;
  Gate& here = gate();
  refuse_if(!here.module, CKR_CRYPTOKI_NOT_INITIALIZED, "C_Initialize was not called");
  // Waiting calls keep the module alive: the last of them logs out and wipes the keys.
  here.inherited ? end_inherited(here) : here.module.reset();
  set_application_mutex(here, nullptr);
}

Passage::Passage() : turn_(application_mutex()) {
  Gate& here = gate();
  here.lock->lock_shared();
  try {
    refuse_if(!here.module, CKR_CRYPTOKI_NOT_INITIALIZED, "C_Initialize was not called");
    refuse_if(here.owner != this_process(), CKR_DEVICE_ERROR, "this process is a clone that was not made by fork");
    if (here.to_be_rebuilt) rebuild_after_fork(here);
    module_ = here.module.get();
    policy_.emplace(*this, std::chrono::seconds(module_->config.lock_timeout));
  } catch (...) {
    here.lock->unlock();
    throw;
  }
}

Passage::~Passage() {
  policy_.reset();
  kept_.reset();  // inside the gate, like everything that ends a module
  gate().lock->unlock();
}

void Passage::leave() {
  Gate& here = gate();
  if (!kept_) kept_ = here.module;
  here.lock->unlock();
  turn_.give_up();
}

void Passage::return_to_the_same() {
  std::exception_ptr no_turn;
  try {
    turn_.take();
  } catch (...) {
    no_turn = std::current_exception();
  }
  Gate& here = gate();
  here.lock->lock_shared();
  if (no_turn) std::rethrow_exception(no_turn);
  if (here.module != kept_ && here.module && session_) {
    throw Superseded(CKR_SESSION_HANDLE_INVALID, "C_Finalize and C_Initialize were called while the call waited");
  }
  if (here.module != kept_)
    throw Superseded(CKR_CRYPTOKI_NOT_INITIALIZED, "C_Finalize was called while the call waited");
  if (session_ && session_->closed()) {
    throw Superseded(CKR_SESSION_HANDLE_INVALID, "the session was closed by another thread while the call waited");
  }
}

}  // namespace vtpm::pkcs11
