// SPDX-License-Identifier: Apache-2.0
// A wrapped key, as its owner stores it.
#pragma once

#include "base/bytes.h"

namespace vtpm::tpm {

/// A key as TPM2_Create and TPM2_Import return it (TPM 2.0 Part 3, 12.1 and 13.3). All parts are marshalled, including
/// their sizes: TPM2B_PUBLIC, TPM2B_PRIVATE, TPM2B_CREATION_DATA, TPM2B_DIGEST, TPMT_TK_CREATION. The creation evidence
/// is empty for imported keys.
struct KeyBlob {
  Bytes public_area, private_area;
  SecretBytes auth;  // the auth value of the object, random
  Bytes creation_data, creation_hash, creation_ticket;
  KeyBlob clone() const {
    return {public_area, private_area, auth.clone(), creation_data, creation_hash, creation_ticket};
  }
};

}  // namespace vtpm::tpm
