// SPDX-License-Identifier: Apache-2.0
// How far a long operation has come.
#pragma once

#include <cstddef>
#include <functional>

namespace vtpm {

/// Items done, of how many. May be empty: nobody looks.
using Progress = std::function<void(size_t done, size_t all)>;

}  // namespace vtpm
