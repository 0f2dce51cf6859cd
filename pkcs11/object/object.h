// SPDX-License-Identifier: Apache-2.0
// One object of a token, as every session sees it.
//
// An Object is immutable once it is published: a change publishes a new Object under the same handle, so that a reader
// never waits and never sees half a change. The attributes that everyone may see are here. The secret part of a token
// object stays sealed in the store until it is needed; that of a session object is in the locked arena.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "base/waiting.h"
#include "crypto/key/key.h"
#include "pkcs11/object/attribute.h"
#include "pkcs11/object/object_class.h"
#include "pkcs11/object/schema.h"
#include "tpm/use/attestation.h"

namespace vtpm::pkcs11 {

/// The key of a key object, which is made at its first use. Thread-safe; a thread that needs the key while another
/// makes it waits.
class KeyCache {
 public:
  template <typename Make>
  std::shared_ptr<crypto::PrivateKey> private_key(Make&& make) {
    const Making making(mutex_);
    if (!private_) private_ = make();
    return private_;
  }
  template <typename Make>
  std::shared_ptr<const crypto::PublicKey> public_key(Make&& make) {
    const Making making(mutex_);
    if (!public_) public_ = make();
    return public_;
  }
  bool empty() const {
    std::lock_guard lock(mutex_);
    return !evidence_ && !private_ && !public_;
  }
  /// The TPM's evidence about the key, requested once and kept: its parts must belong together, and each request gives
  /// others.
  template <typename Make>
  std::shared_ptr<const tpm::KeyEvidence> evidence(Make&& make) {
    const Making making(mutex_);
    if (!evidence_) evidence_ = std::make_shared<const tpm::KeyEvidence>(make());
    return evidence_;
  }

 private:
  /// The mutex, held. A fork waits meanwhile, because it must not copy a held mutex.
  struct Making {
    explicit Making(std::mutex& mutex) : lock(mutex) {}
    const std::lock_guard<std::mutex> lock;
    const WaitPolicy::Keep half_done;
  };
  mutable std::mutex mutex_;
  std::shared_ptr<const tpm::KeyEvidence> evidence_;
  std::shared_ptr<crypto::PrivateKey> private_;
  std::shared_ptr<const crypto::PublicKey> public_;
};

struct Object {
  CK_OBJECT_HANDLE handle = 0;
  std::string id;               // CKA_UNIQUE_ID: 32 hexadecimal digits; the entries are obj/<id> and secret/<id>
  uint64_t sequence = 0;        // the number of the entry; 0 for session objects
  CK_SESSION_HANDLE owner = 0;  // the session of a session object; 0 for token objects
  bool bound = false;           // CKA_VTPM_BOUND
  uint64_t born = 0;            // for a token object: the number of the first version of its entry
  bool of_tpm = false;          // it belongs to the TPM or the token itself, and has no record obj/<id>
  bool hidden = false;          // it is one of is_tpms_own, which listings leave out
  Attributes shown;
  SecretAttributes secret;  // of session objects only
  std::shared_ptr<KeyCache> keys = std::make_shared<KeyCache>();

  bool is_token() const { return owner == 0; }
  bool is_private() const { return shown.flag(CKA_PRIVATE); }
  CK_OBJECT_CLASS object_class() const { return shown.number(CKA_CLASS).value_or(CKO_VENDOR_DEFINED); }
  /// The row of the object's class, which answers every question about the class.
  const ObjectClass& class_row() const { return object_class_row(shown); }
  /// Which part of a key the object is; kNone for an object that is not a key.
  KeyPart key_part() const { return class_row().key; }
  bool is_key() const { return key_part() != KeyPart::kNone; }
  /// The NV index that holds the value; 0 if there is none.
  uint32_t nv_index() const { return static_cast<uint32_t>(shown.number(CKA_VTPM_NV_INDEX).value_or(0)); }
  /// The persistent handle of a key that the TPM itself keeps; 0 if there is none.
  uint32_t tpm_handle() const { return static_cast<uint32_t>(shown.number(CKA_VTPM_HANDLE).value_or(0)); }
};
using ObjectPtr = std::shared_ptr<const Object>;

/// The public key of either half of a key pair. Throws Refusal CKR_KEY_TYPE_INCONSISTENT for any other object.
std::shared_ptr<const crypto::PublicKey> public_key_of(const Object& object);

/// The DER of docs/format.md, "PKCS#11 objects". Decoding throws Error kCorrupt.
template <typename Buffer>
SecretBytes encode_attributes(const AttributeMap<Buffer>& attributes);
template <typename Buffer>
AttributeMap<Buffer> decode_attributes(ByteView der);

/// A value in the form of the disk: numbers are eight big-endian bytes.
Bytes disk_form(CK_ATTRIBUTE_TYPE type, ByteView value);

std::string object_entry(const std::string& id);  // "obj/<id>"
std::string secret_entry(const std::string& id);  // "secret/<id>"

}  // namespace vtpm::pkcs11
