// SPDX-License-Identifier: Apache-2.0
#include "tpm/engine/storage_root.h"

#include <tss2/tss2_tpm2_types.h>

#include <algorithm>

#include "base/error.h"
#include "tpm/command/commands.h"
#include "tpm/command/marshal.h"
#include "tpm/engine/booted_tpm.h"

namespace vtpm::tpm {

namespace {

/// The TCG's template of the storage root key for ECC P-256 (Provisioning Guidance, 7.5.1): other tools derive the same
/// key from it.
TPM2B_PUBLIC storage_root_template() {
  TPM2B_PUBLIC wanted = {};
  TPMT_PUBLIC& area = wanted.publicArea;
  area.type = TPM2_ALG_ECC;
  area.nameAlg = TPM2_ALG_SHA256;
  area.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |
                          TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT;
  TPMS_ECC_PARMS& parameters = area.parameters.eccDetail;
  parameters.symmetric.algorithm = TPM2_ALG_AES;
  parameters.symmetric.keyBits.aes = 128;
  parameters.symmetric.mode.aes = TPM2_ALG_CFB;
  parameters.scheme.scheme = TPM2_ALG_NULL;
  parameters.curveID = TPM2_ECC_NIST_P256;
  parameters.kdf.scheme = TPM2_ALG_NULL;
  return wanted;
}

/// The public area without the public point.
Bytes shape(TPM2B_PUBLIC area) {
  area.publicArea.unique = {};
  return marshal(Tss2_MU_TPMT_PUBLIC_Marshal, area.publicArea);
}

uint32_t free_handle(Commands& tpm) {
  const std::vector<uint32_t> used = tpm.handles(kStorageRoot);
  uint32_t handle = kStorageRoot;
  while (std::find(used.begin(), used.end(), handle) != used.end()) ++handle;
  return handle;
}

}  // namespace

std::optional<uint32_t> find_storage_root(Commands& tpm) {
  const Bytes wanted = shape(storage_root_template());
  for (const uint32_t handle : tpm.handles(kStorageRoot)) {
    if (shape(tpm.read_public(handle)) == wanted && tpm.has_empty_auth(handle)) return handle;
  }
  return std::nullopt;
}

Handle derive_storage_root(Commands& tpm) { return tpm.create_primary(TPM2_RH_OWNER, storage_root_template()); }

uint32_t create_storage_root(Commands& tpm) {
  const uint32_t handle = free_handle(tpm);
  const Handle root = derive_storage_root(tpm);
  tpm.evict_control(root.value(), handle);
  return handle;
}

Bytes storage_root_area(BootedTpm& tpm) {
  return marshal(Tss2_MU_TPM2B_PUBLIC_Marshal, tpm.read_public(tpm.storage_root()));
}

}  // namespace vtpm::tpm
