// SPDX-License-Identifier: Apache-2.0
// Whether entries can be appended to a file without harm. A log that was made to deceive (right checksums, wrong
// numbers) may read well, and lose entries as soon as something is appended to it.
//
// A scan that is `plain` needs no check: complete transactions with rising numbers and plausible durable marks remain
// what they are, whatever follows them. Everything else, also what a crash or rot has left, is checked beforehand on a
// copy in memory.
#pragma once

#include "store/format/encoding.h"
#include "store/log/index.h"

namespace vtpm::store {

/// A transaction to be written at offset `end` of a file of `size` bytes; the rest of the file is free space then.
struct Addition {
  uint64_t end = 0, size = 0;
  Encoded transaction;
};

/// Returns a transaction without names, for a check before it is known what will be added.
Encoded sample_transaction(const Salt& salt, uint64_t number, uint64_t durable);

/// Whether `file` with this addition would hold exactly the entries of `now` and those added, and end behind them.
bool can_be_added(const Addition& addition, const File& file, const StoreHeader& header, Index now);

/// Whether both indexes have the same versions of the same names, with the same status. Deleted names count as absent.
bool hold_the_same(const Index& one, const Index& other);

}  // namespace vtpm::store
