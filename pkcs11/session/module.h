// SPDX-License-Identifier: Apache-2.0
// The module between C_Initialize and C_Finalize (PKCS#11 3.2, 5.4): configuration, slots, sessions. And the gate,
// through which every C function passes.
//
// The gate is a writer-preferring read-write lock. Calls hold it shared; C_Initialize, C_Finalize and fork hold it
// exclusively. If the application gave mutex functions, a call holds the application's mutex as well, which it locks
// first. Therefore C_Finalize waits for active calls, and a fork copies no data that is half-changed. The child of a
// fork closes the stores' descriptors at once (an inherited lock would outlive its owner) and rebuilds the rest in its
// first call. Its first C_Initialize starts with a new state, but with the configuration of its parent and the stores
// that it may not open itself (docs/decisions/0002-servers-that-drop-their-rights.md).
//
// A call that waits for a lock leaves the gate meanwhile and keeps the module alive (base/waiting.h,
// docs/decisions/0001-waiting-for-locks.md). Therefore a fork can copy mutexes that are held: those of the slot table,
// sessions, tokens and stores. The child creates these anew.
#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include "base/waiting.h"
#include "crypto/library/random.h"
#include "crypto/symmetric/aead.h"
#include "pkcs11/session/application_mutex.h"
#include "pkcs11/session/session.h"
#include "pkcs11/session/session_table.h"
#include "pkcs11/session/slot_table.h"

namespace vtpm::pkcs11 {

class Module {
 public:
  /// What the child of a fork keeps for its own first C_Initialize. It may be unable to find it again, because a server
  /// clears its workers' environment and takes away their rights. No store in it is unlocked.
  struct Inheritance {
    Config config;
    SlotTable::Inheritance stores;
  };
  explicit Module(Inheritance of)
      : config(std::move(of.config)), slots(config, of.stores), sessions(config.max_sessions) {}
  ~Module();
  /// Logs the users of all tokens out.
  void end();

  const Config config;
  SlotTable slots;
  SessionTable sessions;
  /// Seals the operation states that are saved while no user is logged in (api/state.cc). The child of a fork has the
  /// same key, because it has copies of the sessions and of the states.
  const crypto::Siv state_seal{crypto::random_secret(crypto::Siv::kKeyBytes)};

  /// C_Initialize and C_Finalize. They wait until no other call runs. Throw Refusal: CKR_CRYPTOKI_ALREADY_INITIALIZED,
  /// CKR_CRYPTOKI_NOT_INITIALIZED, and what ApplicationMutex::for_arguments throws; then nothing has changed.
  static void initialize(const CK_C_INITIALIZE_ARGS& arguments);
  static void finalize();
};

/// The passage of one call through the gate, which it holds shared. Throws Refusal: CKR_CRYPTOKI_NOT_INITIALIZED;
/// CKR_DEVICE_ERROR in a clone of the process for which no fork handler ran. Not to be shared by threads.
class Passage {
 public:
  Passage();
  ~Passage();
  Passage(const Passage&) = delete;
  Passage& operator=(const Passage&) = delete;
  Module& module() const { return *module_; }
  /// Makes the call's waits end when this session is closed. The session must outlive the passage or the call's last
  /// wait.
  void stand_on(const Session& session) { session_ = &session; }

 private:
  class Waiting : public WaitPolicy {
   public:
    Waiting(Passage& passage, std::chrono::seconds limit) : WaitPolicy(limit), passage_(passage) {}

   private:
    void step_aside() override { passage_.leave(); }
    void come_back() override { passage_.return_to_the_same(); }
    Passage& passage_;
  };
  void leave();
  void return_to_the_same();

  Turn turn_;
  Module* module_ = nullptr;
  std::shared_ptr<Module> kept_;  // since the first wait
  const Session* session_ = nullptr;
  std::optional<Waiting> policy_;
};

}  // namespace vtpm::pkcs11
