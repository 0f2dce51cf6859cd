// hold_lock FILE COMMAND…: runs the command while the lock of a store (octet 0) is held, and lets the lock go 1.1
// seconds after the command has begun to wait for it. Whatever the command says of long work, it says then. Ends as the
// command.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

namespace {

// Whether anybody waits for a lock on that file.
bool somebody_waits(ino_t inode) {
  const std::string file = ":" + std::to_string(inode) + " ";
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    if (line.find(" -> ") != std::string::npos && line.find(file) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const int file = open(argv[1], O_RDWR | O_CLOEXEC);
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_len = 1;
  struct stat status {};
  if (file < 0 || fcntl(file, F_OFD_SETLK, &lock) != 0 || fstat(file, &status) != 0) {
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
  while (!somebody_waits(status.st_ino)) {
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
