// SPDX-License-Identifier: Apache-2.0
// The source tree as the house tests read it.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace vtpm::house {

inline const std::filesystem::path kRoot = VTPM_SOURCE;
/// The folders of the product, relative to the root.
inline const std::vector<std::string> kProduct = {"base", "crypto", "store", "tpm", "device", "pkcs11", "tools"};

inline std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// Files below `folder` (relative to the root) with one of the extensions, as paths relative to the root, sorted.
inline std::vector<std::string> files_in(const std::string& folder, const std::vector<std::string>& extensions) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kRoot / folder)) {
    std::string extension = entry.path().extension();
    if (entry.is_regular_file() && std::find(extensions.begin(), extensions.end(), extension) != extensions.end()) {
      files.push_back(std::filesystem::relative(entry.path(), kRoot));
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  size_t begin = 0;
  while (begin < text.size()) {
    size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

}  // namespace vtpm::house
