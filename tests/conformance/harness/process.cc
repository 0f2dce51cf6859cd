// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/harness/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace vtpm::conformance {
namespace {

/// Reads from `fd` until every writing end is closed.
std::string read_all(int fd) {
  std::string all;
  char buffer[4096];
  for (ssize_t got; (got = read(fd, buffer, sizeof buffer)) > 0;) all.append(buffer, static_cast<size_t>(got));
  close(fd);
  return all;
}

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = write(fd, text.data(), text.size());
    if (put <= 0) return;
    text.remove_prefix(static_cast<size_t>(put));
  }
}

struct Pipe {
  int read_end, write_end;
  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
    read_end = ends[0];
    write_end = ends[1];
  }
};

}  // namespace

std::string in_child(const std::function<void()>& work) {
  const Pipe pipe;
  fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("fork");
  if (child == 0) {
    close(pipe.read_end);
    alarm(60);
    try {
      work();
    } catch (const std::exception& error) {
      write_all(pipe.write_end, error.what());
    }
    _exit(0);  // no handler or destructor of the parent may run twice
  }
  close(pipe.write_end);
  std::string sentence = read_all(pipe.read_end);
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) sentence += std::string(" killed by ") + strsignal(WTERMSIG(status));
  if (WIFEXITED(status) && WEXITSTATUS(status) != 0) sentence += " exit " + std::to_string(WEXITSTATUS(status));
  return sentence;
}

Stranger::Stranger(const std::vector<std::string>& words, unsigned seconds) {
  std::vector<std::string> all = {"vtpm_conformance", "--act"};
  all.insert(all.end(), words.begin(), words.end());
  std::vector<char*> argv;
  for (std::string& word : all) argv.push_back(word.data());
  argv.push_back(nullptr);

  const Pipe pipe;
  fflush(nullptr);
  child_ = fork();
  if (child_ < 0) throw std::runtime_error("fork");
  if (child_ == 0) {
    dup2(pipe.write_end, STDOUT_FILENO);
    dup2(pipe.write_end, STDERR_FILENO);
    alarm(seconds);
    execv("/proc/self/exe", argv.data());
    _exit(127);
  }
  close(pipe.write_end);
  output_ = pipe.read_end;
}

void Stranger::kill() {
  if (child_ != 0) ::kill(child_, SIGKILL);
  wait();
}

const Ran& Stranger::wait() {
  if (child_ == 0) return ran_;
  ran_.output = read_all(output_);
  int status = 0;
  waitpid(std::exchange(child_, 0), &status, 0);
  ran_.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return ran_;
}

std::map<std::string, Act>& acts() {
  static std::map<std::string, Act> all;
  return all;
}

}  // namespace vtpm::conformance
