#include "tpm/storage_root.h"

#include <tss2/tss2_tpm2_types.h>

#include "tpm/commands.h"

namespace vtpm::tpm {

void create_storage_root(Commands& tpm) {
  // The TCG's SRK template for ECC P-256 (Provisioning Guidance, 7.5.1), so that other tools derive the same key.
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
  const Handle root = tpm.create_primary(TPM2_RH_OWNER, wanted);
  tpm.evict_control(root.value(), kStorageRoot);
}

}  // namespace vtpm::tpm
