// SPDX-License-Identifier: Apache-2.0
// Reports from a store, which has no log of its own.
#pragma once

#include <functional>
#include <string>

namespace vtpm {

/// Receives one sentence, including the path, about an unusual event that does not make a call fail. It is called with
/// the store's locks held, so it must not call the store, and it must not throw. May be empty.
using Reporter = std::function<void(const std::string& sentence)>;

}  // namespace vtpm
