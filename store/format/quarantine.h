// SPDX-License-Identifier: Apache-2.0
// Bytes that do not belong to the log are never thrown away: they are set aside in `<store>.quarantine`, as
//   SEQUENCE { GeneralizedTime, INTEGER offset, UTF8String reason, OCTET STRING bytes }
// one after the other. Whoever may use the store may use that file, and nobody else.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "store/file/file.h"

namespace vtpm::store {

std::string quarantine_path(const std::string& store_path);
/// Appends one record, synced. `store`: the file that stands at `store_path`, whose access a new quarantine file gets;
/// it is for its owner alone where that is not possible. Throws as FileSystem and File do.
void quarantine(FileSystem& file_system, const std::string& store_path, const File& store, uint64_t offset,
                std::string_view reason, ByteView bytes);

}  // namespace vtpm::store
