// SPDX-License-Identifier: Apache-2.0
// Free space: zeros that are formatted as an entry, so that outside tools can read the file at any time. It follows the
// log, and separates the two copies of a header or a key slot.
//
//     free ::= SEQUENCE { SEQUENCE { IA5String "free", SET {}, SET {}, OCTET STRING zeros } }
//
// Some sizes do not exist in DER (130, 133, 146, 259, ...), because the length itself would need one more byte. Such a
// space is two free entries, of which the first has one byte of data. A free entry has no CRC: its bytes follow from
// its size.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "store/file/file.h"

namespace vtpm::store {

constexpr uint64_t kMinFreeBytes = 17;
constexpr size_t kMaxFreeHeaderBytes = kMinFreeBytes + 28;  // two entries: the small one and a large one's header

/// Returns the bytes that precede the zeros in a free space of `total` bytes (at least 17).
Bytes free_header(uint64_t total);

/// Returns the size of the free entry at the beginning of `bytes`, of which the first 28 suffice, or nothing if no free
/// entry begins there.
std::optional<uint64_t> read_free(ByteView bytes);

/// Whether a file's bytes [from, to) are exactly a free space, zeros included. An empty range is one.
bool is_free_space(const File& file, uint64_t from, uint64_t to);

void write_zeros(File& file, uint64_t from, uint64_t to);

/// Extends a file from `size` to `grown` bytes with zeros, and syncs it. If that fails, the file has its old size
/// again.
void grow(File& file, uint64_t size, uint64_t grown);

}  // namespace vtpm::store
