// SPDX-License-Identifier: Apache-2.0
// The quarantine file `<store>.quarantine` keeps bytes that are removed from a store because they do not belong to its
// log. It is a sequence of
//
//     SEQUENCE { GeneralizedTime, INTEGER offset, UTF8String reason, OCTET STRING bytes }
//
// The users who have access to the store have access to that file, and no others.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "store/file/file.h"

namespace vtpm::store {

std::string quarantine_path(const std::string& store_path);
/// Appends `bytes`, which stood at `offset`, and syncs the file. `store`: the file at `store_path`; a new quarantine
/// file gets the same access or, if that is impossible, mode 0600. Throws as FileSystem and File do.
void quarantine(FileSystem& file_system, const std::string& store_path, const File& store, uint64_t offset,
                std::string_view reason, ByteView bytes);

}  // namespace vtpm::store
