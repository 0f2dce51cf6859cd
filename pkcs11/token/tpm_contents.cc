// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/token/tpm_contents.h"

#include "pkcs11/object/tpm_object.h"
#include "tpm/engine/storage_root.h"
#include "tpm/use/nv.h"
#include "tpm/use/persistent_key.h"

namespace vtpm::pkcs11 {

bool has_place_in_tpm(const Object& object) { return object.nv_index() != 0 || object.tpm_handle() != 0; }

void remove_from_tpm(tpm::Commands& tpm, const Object& object) {
  if (const uint32_t index = object.nv_index()) {
    if (tpm::nv_public(tpm, index)) tpm::nv_undefine(tpm, index);
  } else if (const uint32_t key = object.tpm_handle()) {
    tpm::evict(tpm, key);
  }
}

Bytes storage_root_of(ByteView state) {
  Bytes root;
  tpm::Engine::inspect(state, [&](tpm::BootedTpm& tpm) { root = tpm::storage_root_area(tpm); });
  return root;
}

TpmContents look_into(ByteView state) {
  TpmContents contents;
  contents.state = tpm::Engine::visit(state, [&](tpm::BootedTpm& tpm) {
    contents.shown = public_tpm_objects(tpm);
    contents.nv_indices = tpm::nv_list(tpm);
  });
  return contents;
}

}  // namespace vtpm::pkcs11
