// SPDX-License-Identifier: Apache-2.0
// The commands of TPM 2.0 Part 3, on one device, as functions.
//
// Authorization is always by password (SAPI costs about 1 us a command, an HMAC session 1.8 ms, and nobody listens
// between two functions of one process). Every function throws Error: kTpmFailure when the device died, otherwise the
// response code's own (tpm/command/response.h). Whoever holds a Commands holds the device's lock.
//
// get_random and stir_random may be called by anyone inside Engine::use; NV areas have friendlier functions in
// tpm/use/nv.h, keys in tpm/use/resident_key.h.
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

/// What the TPM says and a key has signed: TPMS_ATTEST and TPMT_SIGNATURE, marshalled.
struct Attested {
  Bytes info, signature;
};

class Commands {
 public:
  explicit Commands(Device& device);
  ~Commands();
  Commands(const Commands&) = delete;
  Commands& operator=(const Commands&) = delete;

  Device& device() { return device_; }
  /// The device's session, or what TPM2_Clear has made of it: a handle of another session is void.
  uint64_t session() const;

  /// Turns the device on with a permanent state and starts its TPM (TPM2_Startup, clear).
  void power_on(ByteView permanent);
  void power_on_new();
  void power_off() noexcept;

  /// Executes one command as it is and returns its response, whatever its response code is.
  SecretBytes execute(ByteView command);

  // --- chapter 16: random numbers ---
  SecretBytes get_random(size_t bytes);
  void stir_random(ByteView seed);

  // --- chapters 12, 24, 28: objects ---
  Handle create_primary(uint32_t hierarchy, const TPM2B_PUBLIC& wanted);
  void evict_control(uint32_t object, uint32_t persistent);
  /// A key under `parent` with its creation evidence.
  KeyBlob create(uint32_t parent, const TPM2B_PUBLIC& wanted, SecretBytes auth);
  Handle load(uint32_t parent, const KeyBlob& key);
  /// Unencrypted import; answers TPM2B_PRIVATE.
  Bytes import(uint32_t parent, const TPM2B_PUBLIC& public_area, const TPM2B_SENSITIVE& sensitive);
  /// A duplicate that was wrapped for `parent` (TPM2B_PRIVATE, TPM2B_ENCRYPTED_SECRET), without an inner wrapper;
  /// answers TPM2B_PRIVATE.
  Bytes import_wrapped(uint32_t parent, ByteView public_area, ByteView duplicate, ByteView seed);
  /// The loaded object as TPM2B_PRIVATE with another auth value; the object itself keeps its own.
  Bytes object_change_auth(uint32_t object, uint32_t parent, ByteView auth, ByteView fresh);
  /// Whether an empty auth value opens a storage key on a NIST curve that is exempt from the dictionary-attack logic
  /// (of another key a wrong guess would count). Stores nothing.
  bool has_empty_auth(uint32_t storage_key);
  /// The public area of a loaded or persistent object. Throws kNotFound.
  TPM2B_PUBLIC read_public(uint32_t object);
  /// Marshalled TPMS_CONTEXT, good until the next power-on.
  Bytes context_save(const Handle& object);
  Handle context_load(ByteView context);
  void flush_context(uint32_t handle);

  // --- chapters 14, 20: signing, decrypting. `auth` is the key's ---
  /// `digest` has the size of a TPM hash; r || s, each `bytes` long.
  Bytes sign_ecdsa(uint32_t key, ByteView auth, ByteView digest, size_t bytes);
  /// Scheme NULL, the raw operation; as long as `block`.
  SecretBytes rsa_decrypt(uint32_t key, ByteView auth, ByteView block);
  /// x coordinate, `bytes` long.
  SecretBytes ecdh_zgen(uint32_t key, ByteView auth, ByteView x, ByteView y, size_t bytes);

  // --- chapters 18, 22: attestation; `signer` has an empty auth value, `nonce` at most 64 bytes ---
  Attested certify(uint32_t object, ByteView auth, uint32_t signer, ByteView nonce);
  /// With what TPM2_Create answered. Throws kTpm when the ticket is not this TPM's for this object.
  Attested certify_creation(uint32_t object, const KeyBlob& key, uint32_t signer, ByteView nonce);
  Attested quote(uint32_t signer, const TPML_PCR_SELECTION& selection, ByteView nonce);
  /// The values of the selected PCRs that exist, in the order of a quote's digest.
  std::vector<Bytes> pcr_read(const TPML_PCR_SELECTION& selection);

  // --- chapter 24: hierarchies ---
  void hierarchy_change_auth(uint32_t hierarchy, ByteView auth, ByteView fresh);
  /// TPM2_Clear by the platform, which is ours: a new owner. The endorsement seed stays.
  void clear();

  // --- chapter 30: capabilities ---
  /// TPMA_PERMANENT (Part 2, 8.6): which auth values are set.
  uint32_t permanent_flags();
  /// Handles in use that are not below `first` and have its type byte.
  std::vector<uint32_t> handles(uint32_t first);

  // --- chapter 31: NV; `authority` is the owner, the platform or the index itself ---
  void nv_define_space(uint32_t authority, const NvPublic& area, ByteView auth);
  void nv_undefine_space(uint32_t authority, uint32_t index);
  NvPublic nv_read_public(uint32_t index);
  void nv_write(uint32_t authority, ByteView auth, uint32_t index, size_t offset, ByteView data);  // <= 1024 bytes
  SecretBytes nv_read(uint32_t authority, ByteView auth, uint32_t index, size_t offset, size_t bytes);
  void nv_increment(uint32_t authority, ByteView auth, uint32_t index);
  void nv_extend(uint32_t authority, ByteView auth, uint32_t index, ByteView data);  // <= 1024 bytes
  void nv_set_bits(uint32_t authority, ByteView auth, uint32_t index, uint64_t bits);

 private:
  void startup();
  struct Sapi;

  Device& device_;
  std::unique_ptr<Sapi> sapi_;
  uint64_t clears_ = 0;  // TPM2_Clear flushes what is loaded
};

}  // namespace vtpm::tpm
