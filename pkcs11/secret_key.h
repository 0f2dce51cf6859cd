// Secret keys: which types there are, what values they take, and how they come to be. They are always software keys,
// whose value is in the sealed part of the object.
#pragma once

#include <span>

#include "pkcs11/mechanism.h"
#include "pkcs11/schema.h"

namespace vtpm::pkcs11 {

struct SecretKeyType {
  CK_KEY_TYPE type;
  size_t least, most, step;  // octets of the value: least, least + step … most
  bool encrypts;             // the defaults of CKA_ENCRYPT and CKA_DECRYPT
  bool signs;                // … and of CKA_SIGN and CKA_VERIFY

  bool takes(size_t octets) const { return octets >= least && octets <= most && (octets - least) % step == 0; }
};
std::span<const SecretKeyType> secret_key_types();

/// C_CreateObject: checks the value and completes what the template implies. Throws Refusal:
/// CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT.
void import_secret_key(Draft& draft);
/// C_GenerateKey. Throws Refusal: the template's errors, CKR_KEY_SIZE_RANGE, CKR_TEMPLATE_INCOMPLETE without
/// CKA_VALUE_LEN where the type has more than one length.
Draft generate_secret_key(const Mechanism& mechanism, const Template& object, bool so);

}  // namespace vtpm::pkcs11
