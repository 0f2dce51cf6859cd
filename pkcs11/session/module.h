// SPDX-License-Identifier: Apache-2.0
// The module between C_Initialize and C_Finalize: configuration, slots, sessions. And the gate, through which every C_
// call passes.
//
// The gate is a writer-preferring read-write lock. Calls hold it shared; C_Initialize, C_Finalize and fork hold it
// exclusively. Outside of it, where the application wants so, its own mutex is held. So C_Finalize waits for the calls
// that run, and a fork copies nothing that is half-changed. The child of a fork closes the stores' descriptors at once
// (an inherited lock would outlive its owner) and rebuilds the rest at its first call; its first C_Initialize starts
// afresh, with the configuration of its parent and the stores that it may not open itself
// (docs/decisions/0002-servers-that-drop-their-rights.md).
//
// A call that waits for a lock is outside of the gate meanwhile, and keeps the module alive (base/waiting.h,
// docs/decisions/0001-waiting-for-locks.md). So a fork does copy mutexes in use: those of the slot table, of sessions,
// tokens and stores. The child makes them anew.
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
  /// What the child of a fork keeps for its own first C_Initialize: it may not find any of it again, since a server
  /// clears its workers' environment and takes their rights. Nothing of it is unlocked.
  struct Inheritance {
    Config config;
    SlotTable::Inheritance stores;
  };
  explicit Module(Inheritance of)
      : config(std::move(of.config)), slots(config, of.stores), sessions(config.max_sessions) {}
  ~Module();
  /// Logs everybody out.
  void end();

  const Config config;
  SlotTable slots;
  SessionTable sessions;
  /// For states of operations that were saved while nobody was logged in (api/state.cc). The child of a fork has the
  /// same: its sessions came with it, and so did the states.
  const crypto::Siv state_seal{crypto::random_secret(crypto::Siv::kKeyBytes)};

  /// C_Initialize / C_Finalize. Throw Refusal: CKR_CRYPTOKI_ALREADY_INITIALIZED, CKR_CRYPTOKI_NOT_INITIALIZED, and
  /// what ApplicationMutex::for_arguments throws.
  static void initialize(const CK_C_INITIALIZE_ARGS& arguments);
  static void finalize();
};

/// Shared passage for one call. Throws Refusal: CKR_CRYPTOKI_NOT_INITIALIZED, CKR_DEVICE_ERROR (a clone of the process
/// that no fork handler has seen).
class Passage {
 public:
  Passage();
  ~Passage();
  Passage(const Passage&) = delete;
  Passage& operator=(const Passage&) = delete;
  Module& module() const { return *module_; }
  /// The call's waits end when this session is closed. It outlives the passage or its last wait.
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
  std::shared_ptr<Module> kept_;  // from the first wait on
  const Session* session_ = nullptr;
  std::optional<Waiting> policy_;
};

}  // namespace vtpm::pkcs11
