// SPDX-License-Identifier: Apache-2.0
// PEM (RFC 7468): DER between -----BEGIN and -----END, in base64.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"

namespace vtpm::crypto {

std::string to_pem(const char* label, ByteView der);
/// The contents of the first object with this label in `text`; nothing if there is none.
std::optional<Bytes> from_pem(const char* label, ByteView text);

}  // namespace vtpm::crypto
