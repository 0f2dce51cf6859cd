// Octets that do not belong to the log are never thrown away: they are set aside in `<store>.quarantine`, as
//   SEQUENCE { GeneralizedTime, INTEGER offset, UTF8String reason, OCTET STRING octets }
// one after the other, mode 0600.
#pragma once

#include <string>
#include <string_view>

#include "crypto/bytes.h"
#include "store/file.h"

namespace vtpm::store {

std::string quarantine_path(const std::string& store_path);
/// Appends one record, synced.
void quarantine(FileSystem& file_system, const std::string& store_path, uint64_t offset, std::string_view reason,
                ByteView octets);

}  // namespace vtpm::store
