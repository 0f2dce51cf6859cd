// SPDX-License-Identifier: Apache-2.0
#include "tools/plausible_clock.h"

#include <ctime>
#include <string>

#include "base/error.h"

namespace vtpm::tools {

void require_plausible_clock() {
  const std::time_t now = std::time(nullptr);
  std::tm broken{};
  char date[16] = "";
  if (gmtime_r(&now, &broken)) std::strftime(date, sizeof date, "%Y-%m-%d", &broken);
  if (std::string(date) >= VTPM_BUILD_DATE) return;
  throw Error(ErrorCode::kInvalidArgument, "the clock of this machine shows " + std::string(date) +
                                               ", a day before this program was built (" VTPM_BUILD_DATE
                                               "): set the clock first");
}

}  // namespace vtpm::tools
