// SPDX-License-Identifier: Apache-2.0
// Checks that the host's clock can be right.
#pragma once

namespace vtpm::tools {

/// Throws Error kInvalidArgument if the clock shows a time before the day on which this build was configured (or
/// SOURCE_DATE_EPOCH): then the clock was never set.
void require_plausible_clock();

}  // namespace vtpm::tools
