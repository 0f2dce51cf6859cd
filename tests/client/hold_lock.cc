// SPDX-License-Identifier: Apache-2.0
// hold_lock FILE COMMAND…: runs the command while the lock of a store (byte 0) is held, and lets the lock go 1.1
// seconds after the command has begun to wait for it. If the command reports long work, it does so in that time. The
// exit status is the command's.
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

namespace {

// A process that waits for a lock sleeps between its attempts.
bool sleeps(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/syscall");
  std::string number;
  file >> number;
  return number == std::to_string(SYS_clock_nanosleep);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const int file = open(argv[1], O_RDWR | O_CLOEXEC);
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_len = 1;
  if (file < 0 || fcntl(file, F_OFD_SETLK, &lock) != 0) {
    std::perror(argv[1]);
    return 2;
  }
  const pid_t child = fork();
  if (child == 0) {
    close(file);
    execvp(argv[2], argv + 2);
    _exit(127);
  }
  int ended = 0;
  for (int seen = 0; seen < 5; seen += sleeps(child)) {
    if (waitpid(child, &ended, WNOHANG) == child) {
      std::fprintf(stderr, "%s ended without waiting for the lock\n", argv[2]);
      return 2;
    }
    usleep(20'000);
  }
  usleep(1'100'000);
  close(file);
  waitpid(child, &ended, 0);
  return WIFEXITED(ended) ? WEXITSTATUS(ended) : 1;
}
