// Whether a file can be trusted with more: a log that was made to deceive (right checksums, wrong numbers) may read
// well today, and lose what stands in it, or what is added, as soon as something is.
//
// A scan that is `plain` needs no proof: whole transactions of rising numbers that claim to know of nothing later stay
// what they are, whatever is put behind them. Anything else (also what a crash or rot has left) is tried beforehand, on
// a copy that exists only in the reader's eye.
#pragma once

#include "store/index.h"

namespace vtpm::store {

/// A transaction that is to be written to `file`: at `end`, everything behind it up to `size` being free space.
struct Addition {
  const File& file;
  uint64_t end = 0, size = 0;
  uint64_t first = 0, durable = 0;  // its number, and the highest one that it says was synced
};

/// Whether the log would still hold what `now` does, and end where it should: when what stands behind it has been
/// cleaned away (which may be all that told how far it is synced), and with the addition.
bool can_be_added(const Addition& addition, const StoreHeader& header, const Index& now);

/// Whether the same versions of the same names are in both, in the same state. Deleted ones count as absent.
bool hold_the_same(const Index& one, const Index& other);

}  // namespace vtpm::store
