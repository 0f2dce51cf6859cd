// SPDX-License-Identifier: Apache-2.0
// Whether the machine's clock can be right.
#pragma once

namespace vtpm::tools {

/// Throws Error kInvalidArgument when the clock stands before the day on which this program was configured to be built
/// (SOURCE_DATE_EPOCH's, where that is set): it has not been set then.
void require_plausible_clock();

}  // namespace vtpm::tools
