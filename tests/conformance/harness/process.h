// SPDX-License-Identifier: Apache-2.0
// Other processes: forked children of a test, and this program run again as a stranger.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace vtpm::conformance {

/// Runs `work` in a forked child and waits for it. Empty when all went well, else the sentence of what went wrong: an
/// exception's text (MUST throws), or how the child died. A child that has not ended after 60 s is killed.
std::string in_child(const std::function<void()>& work);

/// What another process did.
struct Ran {
  int status = -1;     // exit status; -1 when it was killed
  std::string output;  // its standard output and standard error
};
/// This program executed anew with `--act name argument…`; the environment (and so the store) is inherited.
class Stranger {
 public:
  explicit Stranger(const std::vector<std::string>& words, unsigned seconds = 60);
  ~Stranger() { wait(); }
  Stranger(const Stranger&) = delete;
  Stranger& operator=(const Stranger&) = delete;
  /// Waits for its end. After `seconds` it is killed.
  const Ran& wait();
  /// kill -9, at whatever it is just doing.
  void kill();

 private:
  pid_t child_;
  int output_;
  Ran ran_;
};
inline Ran run_act(const std::vector<std::string>& words) { return Stranger(words).wait(); }

/// What `--act name` does; registered by the files that need a stranger. A throwing act exits with 1 and the sentence.
using Act = std::function<void(const std::vector<std::string>& arguments)>;
std::map<std::string, Act>& acts();
struct RegisterAct {
  RegisterAct(const std::string& name, Act act) { acts()[name] = std::move(act); }
};

}  // namespace vtpm::conformance
