// SPDX-License-Identifier: Apache-2.0
#include "tools/usage.h"

#include <algorithm>
#include <numeric>

namespace vtpm::tools {
namespace {

/// The number of letters that must be inserted, removed or replaced (Levenshtein distance).
size_t distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

}  // namespace

std::string nearly(const std::string& name, const std::vector<std::string>& names) {
  const auto longer = std::find_if(names.begin(), names.end(), [&](const auto& a) { return a.starts_with(name); });
  if (longer != names.end() && name.size() > 2) return " (did you mean " + *longer + "?)";
  const auto closest = std::min_element(
      names.begin(), names.end(), [&](const auto& a, const auto& b) { return distance(name, a) < distance(name, b); });
  if (closest == names.end() || distance(name, *closest) > std::max<size_t>(1, name.size() / 3)) return "";
  return " (did you mean " + *closest + "?)";
}

std::string enumerated(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < names.size(); ++i) text += (i == 0 ? "" : i + 1 == names.size() ? " and " : ", ") + names[i];
  return text;
}

}  // namespace vtpm::tools
