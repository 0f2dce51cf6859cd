// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string_view>

#include "crypto/key/curve_table.h"

namespace vtpm::crypto {
namespace {

constexpr uint8_t kP256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};  // 1.2.840.10045.3.1.7
constexpr uint8_t kP384[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22};                    // 1.3.132.0.34
constexpr uint8_t kP521[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23};                    // 1.3.132.0.35
constexpr uint8_t kP224[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x21};                    // 1.3.132.0.33
constexpr uint8_t kK256[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a};                    // 1.3.132.0.10
// RFC 5639: 1.3.36.3.3.2.8.1.1.7, 11 and 13.
constexpr uint8_t kB256[] = {0x06, 0x09, 0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x07};
constexpr uint8_t kB384[] = {0x06, 0x09, 0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x0b};
constexpr uint8_t kB512[] = {0x06, 0x09, 0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x0d};
// RFC 8410: 1.3.101.110 to 113. Before it, GnuPG named the first two by 1.3.6.1.4.1.3029.1.5.1 (cryptlib's arc) and
// 1.3.6.1.4.1.11591.15.1; PKCS #11 tokens for it still do.
constexpr uint8_t kX25519[] = {0x06, 0x03, 0x2b, 0x65, 0x6e};
constexpr uint8_t kX448[] = {0x06, 0x03, 0x2b, 0x65, 0x6f};
constexpr uint8_t kEd25519[] = {0x06, 0x03, 0x2b, 0x65, 0x70};
constexpr uint8_t kEd448[] = {0x06, 0x03, 0x2b, 0x65, 0x71};
constexpr uint8_t kOldX25519[] = {0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x97, 0x55, 0x01, 0x05, 0x01};
constexpr uint8_t kOldEd25519[] = {0x06, 0x09, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01};

constexpr ByteView kOidsP256[] = {kP256}, kOidsP384[] = {kP384}, kOidsP521[] = {kP521}, kOidsP224[] = {kP224},
                   kOidsK256[] = {kK256}, kOidsEd25519[] = {kEd25519, kOldEd25519}, kOidsEd448[] = {kEd448},
                   kOidsX25519[] = {kX25519, kOldX25519}, kOidsX448[] = {kX448}, kOidsB256[] = {kB256},
                   kOidsB384[] = {kB384}, kOidsB512[] = {kB512};

// Every name under which a PrintableString may call the curve (SEC 2, ANSI X9.62, FIPS 186-4; PKCS #11 3.0, 2.3.5 and
// 2.3.7; RFC 5639; RFC 8410).
constexpr std::string_view kNamesP256[] = {"secp256r1", "prime256v1", "P-256"};
constexpr std::string_view kNamesP384[] = {"secp384r1", "P-384"};
constexpr std::string_view kNamesP521[] = {"secp521r1", "P-521"};
constexpr std::string_view kNamesP224[] = {"secp224r1", "P-224"};
constexpr std::string_view kNamesK256[] = {"secp256k1"};
constexpr std::string_view kNamesEd25519[] = {"edwards25519", "Ed25519", "id-Ed25519"};
constexpr std::string_view kNamesEd448[] = {"edwards448", "Ed448", "id-Ed448"};
constexpr std::string_view kNamesX25519[] = {"curve25519", "X25519", "id-X25519"};
constexpr std::string_view kNamesX448[] = {"curve448", "X448", "id-X448"};
constexpr std::string_view kNamesB256[] = {"brainpoolP256r1"};
constexpr std::string_view kNamesB384[] = {"brainpoolP384r1"};
constexpr std::string_view kNamesB512[] = {"brainpoolP512r1"};

constexpr CurveRow kCurves[] = {
    {Curve::kP256, KeyType::kEc, 256, 32, "prime256v1", kOidsP256, kNamesP256},
    {Curve::kP384, KeyType::kEc, 384, 48, "secp384r1", kOidsP384, kNamesP384},
    {Curve::kP521, KeyType::kEc, 521, 66, "secp521r1", kOidsP521, kNamesP521},
    {Curve::kP224, KeyType::kEc, 224, 28, "secp224r1", kOidsP224, kNamesP224},
    {Curve::kSecp256k1, KeyType::kEc, 256, 32, "secp256k1", kOidsK256, kNamesK256},
    {Curve::kEd25519, KeyType::kEdwards, 255, 32, "ED25519", kOidsEd25519, kNamesEd25519},
    {Curve::kEd448, KeyType::kEdwards, 448, 57, "ED448", kOidsEd448, kNamesEd448},
    {Curve::kX25519, KeyType::kMontgomery, 255, 32, "X25519", kOidsX25519, kNamesX25519},
    {Curve::kX448, KeyType::kMontgomery, 448, 56, "X448", kOidsX448, kNamesX448},
    {Curve::kBrainpoolP256, KeyType::kEc, 256, 32, "brainpoolP256r1", kOidsB256, kNamesB256},
    {Curve::kBrainpoolP384, KeyType::kEc, 384, 48, "brainpoolP384r1", kOidsB384, kNamesB384},
    {Curve::kBrainpoolP512, KeyType::kEc, 512, 64, "brainpoolP512r1", kOidsB512, kNamesB512},
};

constexpr uint8_t kObjectIdentifier = 0x06, kPrintableString = 0x13;

}  // namespace

std::span<const CurveRow> curve_rows() { return kCurves; }
const CurveRow& row_of(Curve curve) { return kCurves[static_cast<size_t>(curve)]; }

KeyType curve_key_type(Curve curve) { return row_of(curve).type; }

size_t curve_bytes(Curve curve) { return row_of(curve).bytes; }

size_t curve_point_bytes(Curve curve) {
  const CurveRow& row = row_of(curve);
  return row.type == KeyType::kEc ? 1 + 2 * row.bytes : row.bytes;
}

ByteView curve_oid(Curve curve) { return row_of(curve).oids.front(); }

bool names_curve(ByteView der) {
  return der.size() > 2 && der.size() < 130 && der[1] == der.size() - 2 &&
         (der[0] == kObjectIdentifier || der[0] == kPrintableString);
}

std::optional<Curve> curve_from_parameters(ByteView der) {
  std::string_view name;
  if (names_curve(der) && der[0] == kPrintableString) name = as_text(der.subspan(2));
  for (const CurveRow& row : kCurves) {
    if (std::ranges::any_of(row.oids, [&](ByteView oid) { return equal(der, oid); }) ||
        std::ranges::find(row.names, name) != row.names.end()) {
      return row.curve;
    }
  }
  return std::nullopt;
}

}  // namespace vtpm::crypto
