// SPDX-License-Identifier: Apache-2.0
// The commands of TPM 2.0 Part 3 on one device, as functions. They are grouped by the chapters of Part 3.
//
// Authorization is always by password: SAPI costs about 1 us for a command, an HMAC session 1.8 ms, and nothing can
// listen between two functions of one process. `auth` parameters are auth values (Part 1, 19); where there is none, the
// auth value is empty.
//
// Every function throws Error: kTpmFailure or kNoMemory if the device died, otherwise the code that belongs to the
// response code (tpm/command/response.h). tpm/engine/engine.h says where commands that store may run. Not thread-safe:
// the caller holds the device's lock.
//
// Friendlier functions: for NV areas tpm/use/nv.h, for keys tpm/use/resident_key.h.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "tpm/command/handle.h"
#include "tpm/command/key_blob.h"
#include "tpm/command/nv_public.h"

struct TPM2B_PUBLIC;
struct TPM2B_SENSITIVE;
struct TPML_PCR_SELECTION;

namespace vtpm::tpm {

class Device;

/// A statement of the TPM and its signature: TPMS_ATTEST and TPMT_SIGNATURE, marshalled.
struct Attested {
  Bytes info, signature;
};

class Commands {
 public:
  /// `device` must outlive this.
  explicit Commands(Device& device);
  ~Commands();
  Commands(const Commands&) = delete;
  Commands& operator=(const Commands&) = delete;

  Device& device() { return device_; }
  /// A number that rises when the device's session ends (Device::session) and when TPM2_Clear flushes all objects. A
  /// handle of another session is void.
  uint64_t session() const;

  /// Turns the device on with a permanent state and starts its TPM (TPM2_Startup with TPM_SU_CLEAR; Part 3, 9.3). What
  /// the start stores is discarded. Throws what Device::power_on throws.
  void power_on(ByteView permanent);
  /// The same with a new TPM (Device::power_on_new).
  void power_on_new();
  /// Turns the device off and wipes the buffers of tpm2-tss.
  void power_off() noexcept;

  /// Executes one marshalled command (Part 1, 18) and returns its response, whatever its response code is. Resends it
  /// as tpm/command/exchange.h says, and throws what `exchange` throws.
  SecretBytes execute(ByteView command);

  // --- chapter 16: random numbers ---
  /// Any number of bytes, with as many commands as that needs.
  SecretBytes get_random(size_t bytes);
  /// `seed` may have any length.
  void stir_random(ByteView seed);

  // --- chapters 12, 24, 28: objects ---
  /// Creates a primary key with an empty auth value, and loads it.
  Handle create_primary(uint32_t hierarchy, const TPM2B_PUBLIC& wanted);
  /// Persists a transient object at the handle `persistent`, or deletes the persistent object if `object` is its own
  /// handle. Stores.
  void evict_control(uint32_t object, uint32_t persistent);
  /// Creates a key under `parent` with the auth value `auth`. Returns the wrapped key with its creation evidence.
  KeyBlob create(uint32_t parent, const TPM2B_PUBLIC& wanted, SecretBytes auth);
  Handle load(uint32_t parent, const KeyBlob& key);
  /// Wraps a key under `parent` that is given in clear. Returns TPM2B_PRIVATE.
  Bytes import(uint32_t parent, const TPM2B_PUBLIC& public_area, const TPM2B_SENSITIVE& sensitive);
  /// Imports a duplicate that was wrapped for `parent` without an inner wrapper. `duplicate`: TPM2B_PRIVATE; `seed`:
  /// TPM2B_ENCRYPTED_SECRET. Returns TPM2B_PRIVATE.
  Bytes import_wrapped(uint32_t parent, ByteView public_area, ByteView duplicate, ByteView seed);
  /// Returns the loaded object as TPM2B_PRIVATE with the auth value `fresh`. The loaded object keeps its own.
  Bytes object_change_auth(uint32_t object, uint32_t parent, ByteView auth, ByteView fresh);
  /// Whether a storage key on a NIST curve has an empty auth value. False for a key that is subject to the
  /// dictionary-attack logic, where a wrong guess would count. Stores nothing.
  bool has_empty_auth(uint32_t storage_key);
  /// The public area of a loaded or persistent object. Throws kNotFound.
  TPM2B_PUBLIC read_public(uint32_t object);
  /// Returns the marshalled TPMS_CONTEXT of an object, which is valid until the device is turned on again.
  Bytes context_save(const Handle& object);
  Handle context_load(ByteView context);
  void flush_context(uint32_t handle);

  // --- chapters 14, 20: signing, decrypting. `auth`: the auth value of the key ---
  /// `digest` must have the size of SHA-1, SHA-256, SHA-384 or SHA-512. Returns r || s, each of `bytes` bytes.
  Bytes sign_ecdsa(uint32_t key, ByteView auth, ByteView digest, size_t bytes);
  /// The raw operation (scheme NULL). The result has the size of `block`.
  SecretBytes rsa_decrypt(uint32_t key, ByteView auth, ByteView block);
  /// Returns the x coordinate of the shared point, `bytes` bytes.
  SecretBytes ecdh_zgen(uint32_t key, ByteView auth, ByteView x, ByteView y, size_t bytes);

  // --- chapters 18, 22: attestation; `signer` has an empty auth value, `nonce` at most 64 bytes ---
  Attested certify(uint32_t object, ByteView auth, uint32_t signer, ByteView nonce);
  /// `key` contains the creation evidence of TPM2_Create. Throws kTpm if the ticket is not this TPM's for this object.
  Attested certify_creation(uint32_t object, const KeyBlob& key, uint32_t signer, ByteView nonce);
  Attested quote(uint32_t signer, const TPML_PCR_SELECTION& selection, ByteView nonce);
  /// The values of the selected PCRs that exist, in the order of a quote's digest.
  std::vector<Bytes> pcr_read(const TPML_PCR_SELECTION& selection);

  // --- chapter 24: hierarchies ---
  void hierarchy_change_auth(uint32_t hierarchy, ByteView auth, ByteView fresh);
  /// TPM2_Clear with the platform's authorization: a new owner. The endorsement seed stays. Stores.
  void clear();

  // --- chapter 30: capabilities ---
  /// TPMA_PERMANENT (Part 2, 8.6): which auth values are set.
  uint32_t permanent_flags();
  /// The handles in use, ascending, that are at least `first` and have the same type (Part 2, 7.2).
  std::vector<uint32_t> handles(uint32_t first);

  // --- chapter 31: NV; `authority`: the handle that authorizes (owner, platform or the index), `auth`: its auth value
  // ---
  void nv_define_space(uint32_t authority, const NvPublic& area, ByteView auth);
  void nv_undefine_space(uint32_t authority, uint32_t index);
  NvPublic nv_read_public(uint32_t index);
  void nv_write(uint32_t authority, ByteView auth, uint32_t index, size_t offset, ByteView data);  // at most 1024 bytes
  SecretBytes nv_read(uint32_t authority, ByteView auth, uint32_t index, size_t offset, size_t bytes);
  void nv_increment(uint32_t authority, ByteView auth, uint32_t index);
  void nv_extend(uint32_t authority, ByteView auth, uint32_t index, ByteView data);  // at most 1024 bytes
  void nv_set_bits(uint32_t authority, ByteView auth, uint32_t index, uint64_t bits);

 private:
  void startup();
  struct Sapi;

  Device& device_;
  std::unique_ptr<Sapi> sapi_;
  uint64_t clears_ = 0;  // calls of TPM2_Clear, which flushes all loaded objects
};

}  // namespace vtpm::tpm
