// SPDX-License-Identifier: Apache-2.0
// Test vectors as data files: one case to a line, "field=value" separated by spaces, '#' begins a comment line.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"
#include "crypto/hash/digest.h"
#include "crypto/key/key.h"

namespace vtpm {

Bytes from_hex(std::string_view hex);
/// Returns the contents of a file of tests/data/crypto. Throws if it cannot be read.
Bytes read_data(const std::string& name);

class Case {
 public:
  explicit Case(const std::string& line);
  bool has(const std::string& field) const { return fields_.contains(field); }
  const std::string& text(const std::string& field) const { return fields_.at(field); }
  Bytes bytes(const std::string& field) const { return from_hex(text(field)); }
  uint32_t number(const std::string& field) const { return static_cast<uint32_t>(std::stoul(text(field))); }
  crypto::Hash hash(const std::string& field = "hash") const;
  crypto::Curve curve() const;
  bool good() const { return text("result") == "good"; }

 private:
  std::map<std::string, std::string> fields_;
};

/// Runs `check` on every case, traced by line number; a file without cases fails.
void for_each_case(const std::string& name, const std::function<void(const Case&)>& check);

/// Returns the code of the Error that `action` throws. If it throws none, fails the test and returns kInternal.
ErrorCode error_of(const std::function<void()>& action);

}  // namespace vtpm
