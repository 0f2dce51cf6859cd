// SPDX-License-Identifier: Apache-2.0
// What there is to know about each curve, once. Private to crypto/.
#pragma once

#include <span>
#include <string_view>

#include "crypto/key/key.h"

namespace vtpm::crypto {

struct CurveRow {
  Curve curve;
  KeyType type;
  size_t bits;
  size_t octets;            // of a coordinate and of a private value
  const char* native_name;  // OpenSSL's: of the group, or of the key type when the key is not on a Weierstrass curve
  std::span<const ByteView> oids;  // DER; the first is the one that we write
  std::span<const std::string_view> names;
};
std::span<const CurveRow> curve_rows();
const CurveRow& row_of(Curve curve);
/// The curve of OpenSSL's key; nothing when it has none that we know, or describes it by numbers instead of its name.
std::optional<Curve> named_curve(const evp_pkey_st* key);

}  // namespace vtpm::crypto
