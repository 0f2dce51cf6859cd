// SPDX-License-Identifier: Apache-2.0
// A wrapped key as its owner stores it.
#pragma once

#include "base/bytes.h"

namespace vtpm::tpm {

/// `public_area` (TPM2B_PUBLIC) and `private_area` (TPM2B_PRIVATE) are marshalled, size included; the creation evidence
/// (TPM2B_CREATION_DATA, TPM2B_DIGEST, TPMT_TK_CREATION) is empty for imported keys.
struct KeyBlob {
  Bytes public_area, private_area;
  SecretBytes auth;  // random auth value of the object
  Bytes creation_data, creation_hash, creation_ticket;
  KeyBlob clone() const {
    return {public_area, private_area, auth.clone(), creation_data, creation_hash, creation_ticket};
  }
};

}  // namespace vtpm::tpm
