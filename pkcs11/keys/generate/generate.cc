// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/keys/generate/generate.h"

#include "pkcs11/mechanism/family_table.h"
#include "pkcs11/object/key_factory.h"
#include "pkcs11/object/secret_key.h"

namespace vtpm::pkcs11 {
namespace {

struct Generator {
  Draft (*make)(const Mechanism& row, const CK_MECHANISM& mechanism, const Template& wanted, Who who) = nullptr;
  bool makes_secrets = true;
};

/// The maker for a mechanism without a parameter.
template <Draft (*kMake)(const Mechanism&, const Template&, Who)>
Draft by_template(const Mechanism& row, const CK_MECHANISM&, const Template& wanted, Who who) {
  return kMake(row, wanted, who);
}

constexpr FamilyTable<Generator> kGenerators({
    {Family::kSecretKey, {by_template<generate_secret_key>}},
    {Family::kPbkdf2, {generate_from_password}},
    {Family::kDomain, {by_template<generate_domain>, false}},
});
static_assert(kGenerators.covers(CKF_GENERATE, &Generator::make));

}  // namespace

bool makes_private(const Mechanism& row, bool on_token, Who who) {
  return kGenerators[row.family].makes_secrets && private_by_default(on_token, who);
}

Draft generate(const Mechanism& row, const CK_MECHANISM& mechanism, const Template& wanted, Who who) {
  return kGenerators[row.family].make(row, mechanism, wanted, who);
}

}  // namespace vtpm::pkcs11
