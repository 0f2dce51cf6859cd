#include "tests/conformance/recorder.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "tests/conformance/harness.h"

namespace vtpm::conformance {
namespace {

std::string test_name() {
  const testing::TestInfo* test = testing::UnitTest::GetInstance()->current_test_info();
  return test ? std::string(test->test_suite_name()) + "." + test->name() : "none";
}

/// Opened before any test runs, so that children have it too, whatever they may open themselves. Never destroyed:
/// threads of a test may outlive main.
class Book {
 public:
  Book() {
    const char* file = getenv("VTPM_TEST_RETURN_VALUES");
    if (file) fd_ = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  }
  void note(const char* function, CK_RV rv) {
    if (fd_ < 0) return;
    const std::lock_guard lock(mutex_);
    const std::string test = test_name();
    if (test != last_test_) seen_.clear();
    if (std::exchange(last_test_, test) != test) write_line(test + " begin");
    if (seen_.insert({function, rv}).second) write_line(test + " " + function + " " + rv_name(rv));
  }

 private:
  void write_line(const std::string& line) {
    [[maybe_unused]] const ssize_t written = write(fd_, (line + "\n").c_str(), line.size() + 1);
  }

  int fd_ = -1;
  std::mutex mutex_;
  std::string last_test_;
  std::set<std::pair<const char*, CK_RV>> seen_;
};

Book& book() {
  static Book* const the_book = new Book;
  return *the_book;
}

/// One entry of a list: a function of its own for each name and list, since a C function can carry no state.
template <int kList, auto kMember, typename Function>
struct Entry;
template <int kList, auto kMember, typename... Arguments>
struct Entry<kList, kMember, CK_RV (*)(Arguments...)> {
  static inline CK_RV (*original)(Arguments...) = nullptr;
  static inline const char* name = nullptr;
  static CK_RV call(Arguments... arguments) {
    in_module = true;
    const CK_RV rv = original(arguments...);
    in_module = false;
    book().note(name, rv);
    return rv;
  }
};

#define RECORD(function)                                                               \
  {                                                                                    \
    using Of = Entry<kList, &List::function, decltype(std::declval<List>().function)>; \
    Of::original = module.function;                                                    \
    Of::name = #function;                                                              \
    copy.function = Of::call;                                                          \
  }

}  // namespace

CK_FUNCTION_LIST* recorded(const CK_FUNCTION_LIST& module) {
  using List = CK_FUNCTION_LIST;
  constexpr int kList = 2;
  static List copy = module;
  book();
  VTPM_FUNCTIONS_2_40(RECORD)
  return &copy;
}

const CK_FUNCTION_LIST_3_2& recorded(const CK_FUNCTION_LIST_3_2& module) {
  using List = CK_FUNCTION_LIST_3_2;
  constexpr int kList = 3;
  static List copy = module;
  VTPM_FUNCTIONS_2_40(RECORD) VTPM_FUNCTIONS_3_0(RECORD) VTPM_FUNCTIONS_3_2(RECORD) return copy;
}

}  // namespace vtpm::conformance
