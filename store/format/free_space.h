// SPDX-License-Identifier: Apache-2.0
// The preallocated tail, dressed as an entry, so that outside tools read the file at any time.
//
//   free ::= SEQUENCE { SEQUENCE { IA5String "free", SET {}, SET {}, OCTET STRING zeros } }
//
// No DER length fits some totals (130, 133, 146, 259, ...: the length itself would need one more byte): those are two
// free entries, the first with one data byte. A free entry has no CRC: its bytes follow from its size alone.
// Between two copies of a header or a key slot a free entry keeps their distance.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "store/file/file.h"

namespace vtpm::store {

constexpr uint64_t kMinFreeBytes = 17;
constexpr size_t kMaxFreeHeaderBytes = kMinFreeBytes + 28;  // two entries: the small one and a large one's header

/// The bytes in front of the zeros of a free space of `total` bytes (at least 17): what a writer puts there.
Bytes free_header(uint64_t total);

/// The size of the one free entry that begins here, or nothing. `bytes` needs no more than its first 28 bytes.
std::optional<uint64_t> read_free(ByteView bytes);

/// Whether a file's bytes [from, to) are a free space as a writer makes it, zeros included; no bytes are.
bool is_free_space(const File& file, uint64_t from, uint64_t to);

void write_zeros(File& file, uint64_t from, uint64_t to);

/// Extends a file of `size` bytes by zeros, synced. On an error it has its old size again.
void grow(File& file, uint64_t size, uint64_t grown);

}  // namespace vtpm::store
