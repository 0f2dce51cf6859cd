// SPDX-License-Identifier: Apache-2.0
// The table of curves. Private to crypto/.
#pragma once

#include <span>
#include <string_view>

#include "crypto/key/key.h"

namespace vtpm::crypto {

struct CurveRow {
  Curve curve;
  KeyType type;
  size_t bits;
  size_t bytes;                    // size of a coordinate and of a private value in bytes
  const char* native_name;         // OpenSSL's name of the group, or of the key type for Edwards and Montgomery curves
  std::span<const ByteView> oids;  // DER; the first is the one to write
  std::span<const std::string_view> names;
};
std::span<const CurveRow> curve_rows();
const CurveRow& row_of(Curve curve);
/// The curve of an OpenSSL key; nothing if it is not supported or is described by numbers instead of a name.
std::optional<Curve> named_curve(const evp_pkey_st* key);

}  // namespace vtpm::crypto
