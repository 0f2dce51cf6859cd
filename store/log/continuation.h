// SPDX-License-Identifier: Apache-2.0
// Whether a file can be trusted with more: a log that was made to deceive (right checksums, wrong numbers) may read
// well today, and lose what stands in it, or what is added, as soon as something is.
//
// A scan that is `plain` needs no proof: whole transactions of rising numbers that claim to know of nothing later stay
// what they are, whatever is put behind them. Anything else (also what a crash or rot has left) is tried beforehand, on
// a copy that exists only in the reader's eye.
#pragma once

#include "store/format/encoding.h"
#include "store/log/index.h"

namespace vtpm::store {

/// A transaction that is to be written at `end`, everything behind it up to `size` being free space.
struct Addition {
  uint64_t end = 0, size = 0;
  Encoded transaction;
};

/// One that adds no name, where it is not yet known what will be added.
Encoded sample_transaction(const Salt& salt, uint64_t number, uint64_t durable);

/// Whether `file` with this addition would hold what `now` does, and the addition, and end where it should.
bool can_be_added(const Addition& addition, const File& file, const StoreHeader& header, Index now);

/// Whether the same versions of the same names are in both, in the same state. Deleted ones count as absent.
bool hold_the_same(const Index& one, const Index& other);

}  // namespace vtpm::store
