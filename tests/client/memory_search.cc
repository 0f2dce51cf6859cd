// SPDX-License-Identifier: Apache-2.0
// memory_search PID < patterns: which of them stand in a process's memory, as a core dump of it would show them.
//
// A pattern is a line "NAME HEX". It is searched as it stands and with its bytes reversed, which is how numbers lie in
// the limbs of big-number libraries; each 16 bytes of it count. Prints "NAME ADDRESS MAPPING" for each place.
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
  std::string name, octets;
};

std::string from_hex(const std::string& hex) {
  std::string octets;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    octets += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return octets;
}

void add(std::vector<Pattern>& patterns, const std::string& name, const std::string& octets) {
  if (octets.size() <= kPiece) {
    patterns.push_back({name, octets});
    return;
  }
  for (size_t at = 0; at + kPiece <= octets.size(); at += kPiece) patterns.push_back({name, octets.substr(at, kPiece)});
}

std::string read_range(int memory, off_t begin, off_t end) {
  std::string octets(static_cast<size_t>(end - begin), '\0');
  size_t done = 0;
  while (done < octets.size()) {
    const ssize_t got = pread(memory, octets.data() + done, octets.size() - done, begin + static_cast<off_t>(done));
    if (got <= 0) break;
    done += static_cast<size_t>(got);
  }
  octets.resize(done);
  return octets;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  std::vector<Pattern> patterns;
  for (std::string name, hex; std::cin >> name >> hex;) {
    std::string octets = from_hex(hex);
    add(patterns, name, octets);
    std::reverse(octets.begin(), octets.end());
    add(patterns, name + "(reversed)", octets);
  }
  const std::string process = std::string("/proc/") + argv[1];
  const int memory = open((process + "/mem").c_str(), O_RDONLY | O_CLOEXEC);
  std::ifstream maps(process + "/maps");
  if (memory < 0 || !maps || patterns.empty()) {
    std::cerr << "memory_search: can not read the memory of " << argv[1] << '\n';
    return 2;
  }
  size_t searched = 0;
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin = 0, end = 0;
    char access[5] = {};
    if (std::sscanf(line.c_str(), "%lx-%lx %4s", &begin, &end, access) != 3 || access[0] != 'r') continue;
    const std::string octets = read_range(memory, static_cast<off_t>(begin), static_cast<off_t>(end));
    searched += octets.size();
    for (const Pattern& pattern : patterns) {
      for (size_t at = octets.find(pattern.octets); at != std::string::npos; at = octets.find(pattern.octets, at + 1)) {
        std::cout << pattern.name << ' ' << std::hex << begin + at << std::dec << ' ' << line << '\n';
      }
    }
  }
  close(memory);
  std::cerr << "searched " << searched << " octets\n";
}
