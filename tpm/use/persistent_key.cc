// SPDX-License-Identifier: Apache-2.0
#include "tpm/use/persistent_key.h"

#include <tss2/tss2_tpm2_types.h>

#include "base/error.h"
#include "tpm/command/commands.h"
#include "tpm/command/marshal.h"
#include "tpm/use/key_operation.h"
#include "tpm/use/resident_key.h"

namespace vtpm::tpm {

namespace {

std::optional<crypto::PublicKey> known_key(const Bytes& public_area) {
  KeyBlob blob;
  blob.public_area = public_area;
  try {
    return public_key_of(blob);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kUnsupported || error.code() == ErrorCode::kInvalidArgument) return std::nullopt;
    throw;
  }
}

}  // namespace

PersistentObject describe_key(uint32_t handle, const Bytes& public_area) {
  TPM2B_PUBLIC area = {};
  unmarshal(Tss2_MU_TPM2B_PUBLIC_Unmarshal, public_area, area);
  PersistentObject object;
  object.handle = handle;
  object.public_area = public_area;
  object.public_key = known_key(object.public_area);
  const TPMT_PUBLIC& key = area.publicArea;
  const TPMA_OBJECT attributes = key.objectAttributes;
  object.fixed_tpm = (attributes & TPMA_OBJECT_FIXEDTPM) != 0;
  object.generated = (attributes & TPMA_OBJECT_SENSITIVEDATAORIGIN) != 0;
  object.restricted = (attributes & TPMA_OBJECT_RESTRICTED) != 0;
  if (!object.public_key || object.restricted || (attributes & TPMA_OBJECT_USERWITHAUTH) == 0) return object;
  const bool sign = (attributes & TPMA_OBJECT_SIGN_ENCRYPT) != 0, decrypt = (attributes & TPMA_OBJECT_DECRYPT) != 0;
  if (key.type == TPM2_ALG_RSA) {
    // Every RSA mechanism is built on the raw operation, which the TPM calls decryption without a scheme.
    if (key.parameters.rsaDetail.scheme.scheme != TPM2_ALG_NULL || !decrypt) return object;
    object.signs = sign;
    object.decrypts = true;
  } else {
    const bool free_scheme = key.parameters.eccDetail.scheme.scheme == TPM2_ALG_NULL;
    object.signs = sign && free_scheme;
    object.decrypts = decrypt && free_scheme;
  }
  return object;
}

std::vector<PersistentObject> persistent_objects(Commands& tpm) {
  std::vector<PersistentObject> found;
  for (const uint32_t handle : tpm.handles(kPersistentFirst))
    found.push_back(describe_key(handle, marshal(Tss2_MU_TPM2B_PUBLIC_Marshal, tpm.read_public(handle))));
  return found;
}

void evict(Commands& tpm, uint32_t handle) {
  const std::vector<uint32_t> used = tpm.handles(handle);
  if (!used.empty() && used.front() == handle) tpm.evict_control(handle, handle);
}

PersistentKey::PersistentKey(std::shared_ptr<Engine> engine, PersistentObject object, SecretBytes auth)
    : engine_(std::move(engine)), object_(std::move(object)), auth_(std::move(auth)) {
  if (!object_.public_key) throw Error(ErrorCode::kUnsupported, "the type of the persistent key is not supported");
}

template <typename F>
auto PersistentKey::use(F&& work) {
  return engine_->use_current([&](BootedTpm& tpm) {
    if (marshal(Tss2_MU_TPM2B_PUBLIC_Marshal, tpm.read_public(object_.handle)) != object_.public_area)
      throw Error(ErrorCode::kNotFound, "the persistent key is not at its handle any more");
    tpm.keys().make_room(LoadedKeys::kLoaded);  // the command needs room for one transient object itself
    return work(KeyAt{tpm, object_.handle, auth_, *object_.public_key});
  });
}

SecretBytes PersistentKey::rsa_private(ByteView block) {
  return use([&](const KeyAt& key) { return tpm::rsa_private(key, block); });
}

Bytes PersistentKey::ecdsa_sign(ByteView digest) {
  return use([&](const KeyAt& key) { return tpm::ecdsa_sign(key, digest); });
}

SecretBytes PersistentKey::ecdh(ByteView point) {
  return use([&](const KeyAt& key) { return tpm::ecdh(key, point); });
}

}  // namespace vtpm::tpm
