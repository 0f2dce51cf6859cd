// SPDX-License-Identifier: Apache-2.0
// CKM_PKCS5_PBKD2: a secret key from a password (PKCS#11 3.2, 6.26).
#include <algorithm>

#include "base/process.h"
#include "crypto/kdf/kdf.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/keys/generate/generate.h"
#include "pkcs11/object/secret_key.h"

namespace vtpm::pkcs11 {
namespace {

using crypto::Hash;

struct PrfRow {
  CK_ULONG number;
  Hash hash;
};
constexpr PrfRow kPrfs[] = {{CKP_PKCS5_PBKD2_HMAC_SHA1, Hash::kSha1},
                            {CKP_PKCS5_PBKD2_HMAC_SHA224, Hash::kSha224},
                            {CKP_PKCS5_PBKD2_HMAC_SHA256, Hash::kSha256},
                            {CKP_PKCS5_PBKD2_HMAC_SHA384, Hash::kSha384},
                            {CKP_PKCS5_PBKD2_HMAC_SHA512, Hash::kSha512},
                            {CKP_PKCS5_PBKD2_HMAC_SHA512_224, Hash::kSha512_224},
                            {CKP_PKCS5_PBKD2_HMAC_SHA512_256, Hash::kSha512_256}};

/// CK_PKCS5_PBKD2_PARAMS of 2.40, which NSS passes, and CK_PKCS5_PBKD2_PARAMS2 have the same size and differ in their
/// last member: the length of the password, or a pointer to it. No page is mapped below 64 KiB (vm.mmap_min_addr), and
/// no password is that long. Because any other value may point to unmapped memory, the kernel reads it.
CK_ULONG password_bytes(const CK_PKCS5_PBKD2_PARAMS2& given) {
  constexpr CK_ULONG kLengthsEnd = CK_ULONG{1} << 16;
  CK_ULONG bytes = given.ulPasswordLen;
  if (bytes < kLengthsEnd) return bytes;
  const bool read = read_if_mapped(reinterpret_cast<const void*>(bytes), &bytes, sizeof bytes);  // NOLINT
  refuse_parameter_if(!read || bytes >= kLengthsEnd,
                      "PBKDF2: the length of the password is neither a number of at most 65535 nor the address of one");
  return bytes;
}

}  // namespace

Draft generate_from_password(const Mechanism& row, const CK_MECHANISM& mechanism, const Template& wanted, Who who) {
  const auto given = mechanism_parameter<CK_PKCS5_PBKD2_PARAMS2>(mechanism);
  const PrfRow* prf =
      std::find_if(std::begin(kPrfs), std::end(kPrfs), [&](const PrfRow& one) { return one.number == given.prf; });
  refuse_parameter_if(prf == std::end(kPrfs), "PBKDF2: unknown pseudo-random function");
  refuse_parameter_if(given.saltSource != CKZ_SALT_SPECIFIED || given.ulPrfDataLen != 0,
                      "PBKDF2: saltSource must be CKZ_SALT_SPECIFIED, and the pseudo-random function takes no data");
  refuse_parameter_if(given.iterations == 0 || given.iterations > INT32_MAX,
                      "PBKDF2: number of iterations out of range (1 to 2^31 - 1)");
  const Bytes salt = parameter_bytes(given.pSaltSourceData, given.ulSaltSourceDataLen);
  const SecretBytes password(parameter_view(given.pPassword, password_bytes(given)));
  SecretKeyPlan plan(wanted, Making::kMake, who, CKK_GENERIC_SECRET);
  const size_t bytes = plan.bytes_or(0);
  const SecretBytes value = crypto::pbkdf2(prf->hash, password, salt, static_cast<uint32_t>(given.iterations), bytes);
  return std::move(plan).make(value, {true, row.type, true, true});
}

}  // namespace vtpm::pkcs11
