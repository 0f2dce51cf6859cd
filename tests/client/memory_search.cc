// SPDX-License-Identifier: Apache-2.0
// memory_search PID < patterns: prints which of the patterns are in a process's memory, as a core dump would show them.
//
// A pattern is a line "NAME HEX". It is searched as given and with its bytes reversed, which is how big-number
// libraries store numbers; any 16 bytes of it are a match. Prints "NAME ADDRESS MAPPING" for each place.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

namespace {

constexpr size_t kPiece = 16;

struct Pattern {
  std::string name, bytes;
};

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

void add(std::vector<Pattern>& patterns, const std::string& name, const std::string& bytes) {
  if (bytes.size() <= kPiece) {
    patterns.push_back({name, bytes});
    return;
  }
  for (size_t at = 0; at + kPiece <= bytes.size(); at += kPiece) patterns.push_back({name, bytes.substr(at, kPiece)});
}

std::string read_range(int memory, off_t begin, off_t end) {
  std::string bytes(static_cast<size_t>(end - begin), '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = pread(memory, bytes.data() + done, bytes.size() - done, begin + static_cast<off_t>(done));
    if (got <= 0) break;
    done += static_cast<size_t>(got);
  }
  bytes.resize(done);
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  std::vector<Pattern> patterns;
  for (std::string name, hex; std::cin >> name >> hex;) {
    std::string bytes = from_hex(hex);
    add(patterns, name, bytes);
    std::reverse(bytes.begin(), bytes.end());
    add(patterns, name + "(reversed)", bytes);
  }
  const std::string process = std::string("/proc/") + argv[1];
  const int memory = open((process + "/mem").c_str(), O_RDONLY | O_CLOEXEC);
  std::ifstream maps(process + "/maps");
  if (memory < 0 || !maps || patterns.empty()) {
    std::cerr << "memory_search: cannot read the memory of " << argv[1] << '\n';
    return 2;
  }
  size_t searched = 0;
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin = 0, end = 0;
    char access[5] = {};
    if (std::sscanf(line.c_str(), "%lx-%lx %4s", &begin, &end, access) != 3 || access[0] != 'r') continue;
    const std::string bytes = read_range(memory, static_cast<off_t>(begin), static_cast<off_t>(end));
    searched += bytes.size();
    for (const Pattern& pattern : patterns) {
      for (size_t at = bytes.find(pattern.bytes); at != std::string::npos; at = bytes.find(pattern.bytes, at + 1)) {
        std::cout << pattern.name << ' ' << std::hex << begin + at << std::dec << ' ' << line << '\n';
      }
    }
  }
  close(memory);
  std::cerr << "searched " << searched << " bytes\n";
}
