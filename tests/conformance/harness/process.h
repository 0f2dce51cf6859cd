// SPDX-License-Identifier: Apache-2.0
// Other processes: forked children of a test, and this program executed again as an independent application.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace vtpm::conformance {

/// Runs `work` in a forked child and waits for it. Returns an empty string on success, otherwise a sentence that says
/// what failed: the text of an exception (MUST throws), or how the child died. A child that has not ended after 60 s is
/// killed.
std::string in_child(const std::function<void()>& work);

/// How another process ended, and what it printed.
struct Ran {
  int status = -1;     // exit status; -1 when it was killed
  std::string output;  // its standard output and standard error
};
/// Executes this program with `--act name argument…`. The new process inherits the environment, which names the store.
class Stranger {
 public:
  explicit Stranger(const std::vector<std::string>& words, unsigned seconds = 60);
  ~Stranger() { wait(); }
  Stranger(const Stranger&) = delete;
  Stranger& operator=(const Stranger&) = delete;
  /// Waits until the process ends, and kills it after `seconds`.
  const Ran& wait();
  /// Sends SIGKILL.
  void kill();

 private:
  pid_t child_;
  int output_;
  Ran ran_;
};
inline Ran run_act(const std::vector<std::string>& words) { return Stranger(words).wait(); }

/// Registers what `--act name` does, for the test files that need an independent application. If it throws, the process
/// prints the sentence and exits with 1.
using Act = std::function<void(const std::vector<std::string>& arguments)>;
std::map<std::string, Act>& acts();
struct RegisterAct {
  RegisterAct(const std::string& name, Act act) { acts()[name] = std::move(act); }
};

}  // namespace vtpm::conformance
