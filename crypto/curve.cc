#include <algorithm>
#include <string_view>

#include "crypto/curve_table.h"

namespace vtpm::crypto {
namespace {

constexpr uint8_t kOidP256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};  // 1.2.840.10045.3.1.7
constexpr uint8_t kOidP384[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22};                    // 1.3.132.0.34
constexpr uint8_t kOidP521[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23};                    // 1.3.132.0.35

// Every name under which a PrintableString may call the curve (SEC 2, ANSI X9.62, FIPS 186-4).
constexpr std::string_view kNamesP256[] = {"secp256r1", "prime256v1", "P-256"};
constexpr std::string_view kNamesP384[] = {"secp384r1", "P-384"};
constexpr std::string_view kNamesP521[] = {"secp521r1", "P-521"};

constexpr CurveRow kCurves[] = {
    {Curve::kP256, 256, "prime256v1", kOidP256, kNamesP256},
    {Curve::kP384, 384, "secp384r1", kOidP384, kNamesP384},
    {Curve::kP521, 521, "secp521r1", kOidP521, kNamesP521},
};

constexpr uint8_t kPrintableString = 0x13;

}  // namespace

std::span<const CurveRow> curve_rows() { return kCurves; }
const CurveRow& row_of(Curve curve) { return kCurves[static_cast<size_t>(curve)]; }

size_t curve_octets(Curve curve) { return (row_of(curve).bits + 7) / 8; }

ByteView curve_oid(Curve curve) { return row_of(curve).oid; }

std::optional<Curve> curve_from_parameters(ByteView der) {
  std::string_view name;
  if (der.size() > 2 && der[0] == kPrintableString && der[1] == der.size() - 2) name = as_text(der.subspan(2));
  for (const CurveRow& row : kCurves) {
    if (equal(der, row.oid) || std::ranges::find(row.names, name) != row.names.end()) return row.curve;
  }
  return std::nullopt;
}

}  // namespace vtpm::crypto
