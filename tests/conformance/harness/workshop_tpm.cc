// SPDX-License-Identifier: Apache-2.0
// The calls that use libtpms, other than those that make keys and areas.
#include "tests/conformance/harness/workshop.h"

namespace vtpm::conformance {
namespace {

constexpr CK_ATTRIBUTE_TYPE kCertifyInfo = CKA_VENDOR_DEFINED | 0x56540011UL;
const Template kMade = {{CKA_TOKEN, true}, {CKA_PRIVATE, true}, {CKA_LABEL, "made"}};
const Template kArea = kMade.with({{CKA_CLASS, CKO_DATA}, {CKA_APPLICATION, "tpm-nv"}, {CKA_VALUE, Bytes(30, 9)}});

}  // namespace

void Workshop::add_tpm() {
  static CK_ATTRIBUTE row;
  static KeyPair fresh;
  static CK_OBJECT_HANDLE object;
  static Bytes sealed, point;
  area_ = session.create(kArea.with({{CKA_LABEL, "area"}}));
  counter_ = session.create({{CKA_CLASS, CKO_HW_FEATURE}, {CKA_HW_FEATURE_TYPE, CKH_MONOTONIC_COUNTER}});
  tpm_rsa_ =
      session.generate(CKM_RSA_PKCS_KEY_PAIR_GEN, {{CKA_TOKEN, true}, {CKA_MODULUS_BITS, 1024}, {CKA_LABEL, "rsa"}},
                       {{CKA_TOKEN, true}, {CKA_PRIVATE, true}, {kVtpmResident, true}, {CKA_LABEL, "rsa"}});
  sealed = session.encrypt(CKM_RSA_PKCS, tpm_rsa_.public_key, in_);
  point = session.get(ec_.public_key, CKA_EC_POINT);
  const auto gets = [this](const CK_OBJECT_HANDLE& of, CK_ATTRIBUTE_TYPE type) {
    return [this, &of, type] {
      row = {type, out_.data(), out_.size()};
      return p11->C_GetAttributeValue(session, of, &row, 1);
    };
  };

  add(
      "C_GetAttributeValue", [] {}, gets(area_, CKA_VALUE));
  add(
      "C_GetAttributeValue", [] {}, gets(counter_, CKA_VALUE));
  add(
      "C_GetAttributeValue",
      [this] {
        fresh = session.generate(CKM_EC_KEY_PAIR_GEN, kMade.with({{CKA_EC_PARAMS, kP256}}), kMade);
      },
      gets(fresh.private_key, kCertifyInfo));
  add(
      "C_SetAttributeValue", [] {},
      [this] {
        return session.try_set(area_, {{CKA_VALUE, Bytes(30, 9)}});
      });
  add(
      "C_DestroyObject", [this] { object = session.create(kArea); },
      [this] { return p11->C_DestroyObject(session, object); });

  const auto signs = [this] {
    MUST(p11->C_SignInit(session, Mechanism(CKM_SHA256_RSA_PKCS).get(), tpm_rsa_.private_key));
  };
  const auto sign = [this] { return room(), p11->C_Sign(session, in_.data(), in_.size(), out_.data(), &size_); };
  add("C_Sign", signs, sign);
  add(
      "C_Decrypt", [this] { MUST(p11->C_DecryptInit(session, Mechanism(CKM_RSA_PKCS).get(), tpm_rsa_.private_key)); },
      [this] { return room(), p11->C_Decrypt(session, sealed.data(), sealed.size(), out_.data(), &size_); });
  add(
      "C_DeriveKey", [] {},
      [this] {
        CK_ECDH1_DERIVE_PARAMS parameter = {CKD_NULL, 0, nullptr, point.size(), point.data()};
        CK_MECHANISM mechanism{CKM_ECDH1_DERIVE, &parameter, sizeof parameter};
        Template wanted = kMade.with({{CKA_CLASS, CKO_SECRET_KEY}, {CKA_KEY_TYPE, CKK_GENERIC_SECRET}});
        CK_OBJECT_HANDLE key = 0;
        return p11->C_DeriveKey(session, &mechanism, ec_.private_key, wanted.data(), wanted.size(), &key);
      },
      1);
  add(
      "C_GenerateKeyPair", [] {},
      [this] {
        return session.try_generate(CKM_RSA_PKCS_KEY_PAIR_GEN, kMade.with({{CKA_MODULUS_BITS, 1024}}),
                                    kMade.with({{kVtpmResident, true}}));
      },
      2);
  works_.back().dear = true;
}

// The objects are found by their attributes, because a login changes their handles.
void Workshop::expect_intact() {
  const auto one = [this](Template match) {
    const auto found = session.find(std::move(match));
    EXPECT_EQ(found.size(), 1u);
    return found.empty() ? CK_INVALID_HANDLE : found[0];
  };
  EXPECT_EQ(session.find({}).size(), kept_count_);
  EXPECT_EQ(session.get(one({{CKA_LABEL, "data"}}), CKA_VALUE), Bytes(100, 7));
  EXPECT_EQ(session.get(one({{CKA_LABEL, "area"}}), CKA_VALUE), Bytes(30, 9));
  const Bytes counter =
      session.get(one({{CKA_HW_FEATURE_TYPE, CKH_MONOTONIC_COUNTER}, {CKA_CLASS, CKO_HW_FEATURE}}), kVtpmNvValue);
  EXPECT_GE(counter, counted_);  // eight bytes, big-endian
  counted_ = counter;
  for (const auto& [mechanism, label] : {std::pair{CKM_ECDSA_SHA256, "ec"}, std::pair{CKM_SHA256_RSA_PKCS, "rsa"}}) {
    const Bytes signature = session.sign(mechanism, one({{CKA_LABEL, label}, {CKA_CLASS, CKO_PRIVATE_KEY}}), in_);
    EXPECT_RV(CKR_OK,
              session.try_verify(mechanism, one({{CKA_LABEL, label}, {CKA_CLASS, CKO_PUBLIC_KEY}}), in_, signature));
  }
}

}  // namespace vtpm::conformance
