// SPDX-License-Identifier: Apache-2.0
// What a store tells whoever keeps a log: the store has none.
#pragma once

#include <functional>
#include <string>

namespace vtpm {

/// Receives one sentence, with the path, about something that was done in another way than usual and is no error of a
/// call. It runs under the store's locks: it calls nothing of the store, and does not throw. May be empty.
using Reporter = std::function<void(const std::string& sentence)>;

}  // namespace vtpm
