// What there is to know about each curve, once. Private to crypto/.
#pragma once

#include <span>
#include <string_view>

#include "crypto/key.h"

namespace vtpm::crypto {

struct CurveRow {
  Curve curve;
  size_t bits;
  const char* native_name;  // OpenSSL's group name
  ByteView oid;             // DER
  std::span<const std::string_view> names;
};
std::span<const CurveRow> curve_rows();
const CurveRow& row_of(Curve curve);

}  // namespace vtpm::crypto
