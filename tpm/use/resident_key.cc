// SPDX-License-Identifier: Apache-2.0
#include "tpm/use/resident_key.h"

#include <tss2/tss2_tpm2_types.h>

#include <algorithm>
#include <atomic>

#include "base/numbers.h"
#include "crypto/library/random.h"
#include "tpm/command/marshal.h"
#include "tpm/use/key_operation.h"

namespace vtpm::tpm {

namespace {

using crypto::Curve;

constexpr unsigned kRsaBits[] = {1024, 2048, 3072};
constexpr uint32_t kDefaultExponent = 65537;
constexpr uint32_t kSmallestExponent = 7;  // the smallest that libtpms loads
constexpr size_t kAuthBytes = 32;          // the most that the name algorithm, SHA-256, allows

struct CurveRow {
  Curve curve;
  TPM2_ECC_CURVE id;
};
constexpr CurveRow kCurves[] = {
    {Curve::kP256, TPM2_ECC_NIST_P256}, {Curve::kP384, TPM2_ECC_NIST_P384}, {Curve::kP521, TPM2_ECC_NIST_P521}};

enum class Origin { kCreated, kImported };

// RSA and EC keys may both sign and decrypt (raw RSA and ECDH need decrypt), with any scheme; the token enforces what
// the key's template allows. noDA: a wrong auth value must not lock the TPM, and must not store.
TPM2B_PUBLIC public_template(TPM2_ALG_ID type, Origin origin) {
  TPM2B_PUBLIC wanted = {};
  wanted.publicArea.type = type;
  wanted.publicArea.nameAlg = TPM2_ALG_SHA256;
  wanted.publicArea.objectAttributes =
      TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA | TPMA_OBJECT_SIGN_ENCRYPT | TPMA_OBJECT_DECRYPT;
  if (origin == Origin::kCreated) {
    wanted.publicArea.objectAttributes |=
        TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN;
  }
  return wanted;
}

TPM2B_PUBLIC rsa_template(unsigned bits, uint32_t exponent, Origin origin) {
  TPM2B_PUBLIC wanted = public_template(TPM2_ALG_RSA, origin);
  TPMS_RSA_PARMS& parameters = wanted.publicArea.parameters.rsaDetail;
  parameters.symmetric.algorithm = TPM2_ALG_NULL;
  parameters.scheme.scheme = TPM2_ALG_NULL;
  parameters.keyBits = static_cast<uint16_t>(bits);
  parameters.exponent = exponent == kDefaultExponent ? 0 : exponent;  // Part 2, 12.2.3.5: zero is the default
  return wanted;
}

TPM2B_PUBLIC ec_template(Curve curve, Origin origin) {
  TPM2B_PUBLIC wanted = public_template(TPM2_ALG_ECC, origin);
  TPMS_ECC_PARMS& parameters = wanted.publicArea.parameters.eccDetail;
  parameters.symmetric.algorithm = TPM2_ALG_NULL;
  parameters.scheme.scheme = TPM2_ALG_NULL;
  parameters.kdf.scheme = TPM2_ALG_NULL;
  for (const CurveRow& row : kCurves) {
    if (row.curve == curve) parameters.curveID = row.id;
  }
  return wanted;
}

/// The number, or 0 if it has more than 32 bits.
uint32_t small_number(ByteView big_endian) {
  const ByteView number = without_leading_zeros(big_endian);
  return number.size() > 4 ? 0 : static_cast<uint32_t>(read_be(number));
}

KeyBlob create(Engine& engine, const TPM2B_PUBLIC& wanted) {
  SecretBytes auth = crypto::random_secret(kAuthBytes);
  return engine.use([&](BootedTpm& tpm) {
    tpm.keys().make_room(LoadedKeys::kLoaded - 1);  // the parent and the new key need room
    return tpm.create(tpm.storage_root(), wanted, std::move(auth));
  });
}

KeyBlob import(Engine& engine, const TPM2B_PUBLIC& public_area, TPM2B_SENSITIVE& sensitive) {
  KeyBlob key;
  key.public_area = marshal(Tss2_MU_TPM2B_PUBLIC_Marshal, public_area);
  key.auth = crypto::random_secret(kAuthBytes);
  sensitive.sensitiveArea.sensitiveType = public_area.publicArea.type;
  assign(sensitive.sensitiveArea.authValue, key.auth);
  key.private_area = engine.use([&](BootedTpm& tpm) {
    tpm.keys().make_room(LoadedKeys::kLoaded - 1);
    Bytes private_area = tpm.import(tpm.storage_root(), public_area, sensitive);
    // TPM2_Import only wraps. The TPM checks when it loads the key whether the halves belong together.
    key.private_area = private_area;
    const Handle loaded = tpm.load(tpm.storage_root(), key);
    return private_area;
  });
  return key;
}

TPMT_PUBLIC public_area_of(const KeyBlob& blob) {
  TPM2B_PUBLIC area = {};
  unmarshal(Tss2_MU_TPM2B_PUBLIC_Unmarshal, blob.public_area, area);
  return area.publicArea;
}

}  // namespace

bool can_hold_rsa(unsigned bits, ByteView exponent, bool imported) {
  const uint32_t e = small_number(exponent);
  if (std::find(std::begin(kRsaBits), std::end(kRsaBits), bits) == std::end(kRsaBits) || (e & 1) == 0) return false;
  return e >= (imported ? kSmallestExponent : kDefaultExponent);
}

KeyBlob create_rsa(Engine& engine, const RsaTemplate& key) {
  return create(engine, rsa_template(key.bits, key.exponent, Origin::kCreated));
}

KeyBlob create_ec(Engine& engine, Curve curve) { return create(engine, ec_template(curve, Origin::kCreated)); }

KeyBlob import_rsa(Engine& engine, const crypto::RsaNumbers& rsa) {
  const ByteView modulus = without_leading_zeros(rsa.modulus);
  TPM2B_PUBLIC area =
      rsa_template(static_cast<unsigned>(modulus.size() * 8), small_number(rsa.public_exponent), Origin::kImported);
  assign(area.publicArea.unique.rsa, modulus);
  const auto sensitive = large<TPM2B_SENSITIVE>();
  const size_t prime_bytes = modulus.size() / 2;
  SecretBytes prime(prime_bytes);
  const ByteView given = rsa.prime1;
  const size_t zeros = given.size() > prime_bytes ? given.size() - prime_bytes : 0;
  if (std::any_of(given.begin(), given.begin() + static_cast<std::ptrdiff_t>(zeros), [](uint8_t x) { return x != 0; }))
    throw Error(ErrorCode::kInvalidArgument, "the TPM supports only RSA primes of half the size of the modulus");
  std::copy(given.begin() + static_cast<std::ptrdiff_t>(zeros), given.end(),
            prime.begin() + static_cast<std::ptrdiff_t>(prime_bytes - (given.size() - zeros)));
  assign(sensitive->sensitiveArea.sensitive.rsa, prime);
  return import(engine, area, *sensitive);
}

KeyBlob import_ec(Engine& engine, const crypto::PublicKey& public_key, ByteView scalar) {
  TPM2B_PUBLIC area = ec_template(public_key.curve(), Origin::kImported);
  const size_t bytes = crypto::curve_bytes(public_key.curve());
  const ByteView point = public_key.point();
  assign(area.publicArea.unique.ecc.x, point.subspan(1, bytes));
  assign(area.publicArea.unique.ecc.y, point.subspan(1 + bytes));
  const auto sensitive = large<TPM2B_SENSITIVE>();
  assign(sensitive->sensitiveArea.sensitive.ecc, scalar);
  return import(engine, area, *sensitive);
}

crypto::PublicKey public_key_of(const KeyBlob& blob) {
  const TPMT_PUBLIC area = public_area_of(blob);
  if (area.type == TPM2_ALG_RSA) {
    const uint32_t exponent =
        area.parameters.rsaDetail.exponent == 0 ? kDefaultExponent : area.parameters.rsaDetail.exponent;
    Bytes bytes;
    write_be(bytes, exponent, 4);
    return crypto::PublicKey::rsa(bytes_of(area.unique.rsa), bytes);
  }
  for (const CurveRow& row : kCurves) {
    if (area.type != TPM2_ALG_ECC || area.parameters.eccDetail.curveID != row.id) continue;
    const size_t bytes = crypto::curve_bytes(row.curve);
    Bytes point = {0x04};
    append(point, left_padded(bytes_of(area.unique.ecc.x), bytes));
    append(point, left_padded(bytes_of(area.unique.ecc.y), bytes));
    return crypto::PublicKey::ec(row.curve, point);
  }
  throw Error(ErrorCode::kUnsupported, "the TPM key is neither an RSA key nor on a supported NIST curve");
}

struct ResidentKey::Impl {
  std::shared_ptr<Engine> engine;
  KeyBlob blob;
  crypto::PublicKey public_key;
  uint64_t id;  // names this blob in this process

  template <typename F>
  auto use(F&& work) {
    return engine->use([&](BootedTpm& tpm) {
      return work(KeyAt{tpm, tpm.keys().load(id, blob), blob.auth, public_key});
    });
  }
};

ResidentKey::ResidentKey(std::shared_ptr<Engine> engine, KeyBlob blob) {
  static std::atomic<uint64_t> next_id = 1;
  crypto::PublicKey public_key = public_key_of(blob);
  impl_ = std::make_unique<Impl>(Impl{std::move(engine), std::move(blob), std::move(public_key), next_id++});
}

ResidentKey::~ResidentKey() { impl_->engine->drop_key(impl_->id); }

SecretBytes ResidentKey::rsa_private(ByteView block) {
  return impl_->use([&](const KeyAt& key) { return tpm::rsa_private(key, block); });
}

Bytes ResidentKey::ecdsa_sign(ByteView digest) {
  return impl_->use([&](const KeyAt& key) { return tpm::ecdsa_sign(key, digest); });
}

SecretBytes ResidentKey::ecdh(ByteView point) {
  return impl_->use([&](const KeyAt& key) { return tpm::ecdh(key, point); });
}

}  // namespace vtpm::tpm
