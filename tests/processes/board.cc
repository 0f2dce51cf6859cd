// SPDX-License-Identifier: Apache-2.0
#include "tests/processes/board.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>

namespace vtpm::conformance {

bool long_form() {
  const char* wanted = std::getenv("VTPM_TEST_LONG");
  return wanted != nullptr && *wanted != '\0';
}

Board::Board(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || ftruncate(fd, sizeof(Page)) != 0) throw std::runtime_error("cannot make " + path);
  void* memory = mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (memory == MAP_FAILED) throw std::runtime_error("cannot map " + path);
  page_ = static_cast<Page*>(memory);  // a new page is all zeros
}

Board::~Board() { munmap(page_, sizeof(Page)); }

}  // namespace vtpm::conformance
