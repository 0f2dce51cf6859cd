// SPDX-License-Identifier: Apache-2.0
#include "tpm/use/key_transfer.h"

#include <tss2/tss2_tpm2_types.h>

#include "base/error.h"
#include "crypto/library/random.h"
#include "tpm/command/commands.h"
#include "tpm/engine/storage_root.h"

namespace vtpm::tpm {

namespace {

constexpr size_t kAuthBytes = 32;  // SHA-256, the name algorithm, allows no more

void check_use(const PersistentObject& key) {
  if (!key.public_key)
    throw Error(ErrorCode::kUnsupported, "the key is neither an RSA key nor on a supported NIST curve");
  if (!key.signs && !key.decrypts) {
    throw Error(ErrorCode::kUnsupported,
                "the token cannot use the key: it is restricted, has a fixed scheme, needs a policy, or is an RSA key "
                "without decrypt");
  }
}

/// Runs a command that unwraps a key under the storage root key, and throws kNotFound if that is not its parent.
template <typename F>
auto unwrapping(F&& command) {
  try {
    return command();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kTpm) throw;  // kTpm: TPM_RC_INTEGRITY and similar codes
    throw Error(ErrorCode::kNotFound,
                "the storage root key of this token's TPM is not the parent of the key: " + error.sentence());
  }
}

}  // namespace

WrappedKey wrap_for_others(Engine& engine, const KeyBlob& key, ByteView auth) {
  if (auth.size() > kAuthBytes)
    throw Error(ErrorCode::kInvalidArgument, "the auth value of a key has at most 32 bytes");
  return engine.use_current([&](BootedTpm& tpm) {
    tpm.keys().make_room(0);
    const uint32_t parent = tpm.storage_root();
    const Handle loaded = tpm.load(parent, key);
    // A hierarchy stands for its primary key of the TCG's template (draft-bottomley-tpm2-keys, "parent").
    const uint32_t named = tpm.storage_root_is_transient() ? TPM2_RH_OWNER : parent;
    return WrappedKey{named, key.public_area, tpm.object_change_auth(loaded.value(), parent, key.auth, auth), {}};
  });
}

KeyBlob take_from_others(Engine& engine, const WrappedKey& key, ByteView auth) {
  check_use(describe_key(0, key.public_area));
  KeyBlob taken;
  taken.public_area = key.public_area;
  taken.auth = crypto::random_secret(kAuthBytes);
  return engine.use_current([&](BootedTpm& tpm) {
    tpm.keys().make_room(0);
    const uint32_t parent = tpm.storage_root();
    taken.private_area = key.private_area;
    if (!key.seed.empty()) {
      taken.private_area =
          unwrapping([&] { return tpm.import_wrapped(parent, key.public_area, key.private_area, key.seed); });
    }
    const Handle loaded = unwrapping([&] { return tpm.load(parent, taken); });
    taken.private_area = tpm.object_change_auth(loaded.value(), parent, auth, taken.auth);
    return std::move(taken);
  });
}

}  // namespace vtpm::tpm
