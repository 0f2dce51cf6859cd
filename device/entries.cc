// SPDX-License-Identifier: Apache-2.0
#include "device/entries.h"

namespace vtpm::device {

namespace {

std::string below(std::string_view name, std::string_view rest) { return std::string(name).append(rest); }

}  // namespace

Entries::Entries(std::string_view name)
    : permanent(below(name, "/permall")),
      suspended_permanent(below(name, "/suspended/permall")),
      suspended_volatile(below(name, "/suspended/volatile")),
      suspended_save(below(name, "/suspended/savestate")),
      object_prefix(below(name, "/obj/")) {}

}  // namespace vtpm::device
