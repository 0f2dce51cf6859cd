// SPDX-License-Identifier: Apache-2.0
// The progress of a long operation.
#pragma once

#include <cstddef>
#include <functional>

namespace vtpm {

/// Called with the number of completed items and their total. May be empty.
using Progress = std::function<void(size_t done, size_t all)>;

}  // namespace vtpm
