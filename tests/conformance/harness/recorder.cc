// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/harness/recorder.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <mutex>
#include <set>
#include <string>
#include <type_traits>
#include <utility>

#include "tests/conformance/harness/fault_injection.h"
#include "tests/conformance/harness/harness.h"
#include "tests/conformance/harness/stack_paint.h"

namespace vtpm::conformance {
namespace {

std::string test_name() {
  const testing::TestInfo* test = testing::UnitTest::GetInstance()->current_test_info();
  return test ? std::string(test->test_suite_name()) + "." + test->name() : "none";
}

/// Writes what each test has observed to the file that an environment variable names, each line once. The file is
/// opened before any test runs, so that children that may not open it can write to it too. The object is never
/// destroyed, because threads of a test may outlive main.
class Book {
 public:
  explicit Book(const char* variable) {
    const char* file = getenv(variable);
    if (file) fd_ = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  }
  /// The mutex is held during a fork, so that it is free in the child.
  std::mutex& mutex() { return mutex_; }
  bool closed() const { return fd_ < 0; }
  /// Notes that the test runs, even if it observes nothing.
  void begin() {
    const std::lock_guard lock(mutex_);
    turn_page();
  }
  void note(const std::string& what) {
    const std::lock_guard lock(mutex_);
    turn_page();
    if (seen_.insert(what).second) write_line(last_test_ + " " + what);
  }

 private:
  void turn_page() {
    const std::string test = test_name();
    if (test == last_test_) return;
    seen_.clear();
    last_test_ = test;
    write_line(test + " begin");
  }
  void write_line(const std::string& line) {
    [[maybe_unused]] const ssize_t written = write(fd_, (line + "\n").c_str(), line.size() + 1);
  }

  int fd_ = -1;
  std::mutex mutex_;
  std::string last_test_;
  std::set<std::string> seen_;
};

struct Books {
  Book return_values{"VTPM_TEST_RETURN_VALUES"}, vectors{"VTPM_TEST_VECTORS"};
};
Books& books() {
  static Books* const the_books = [] {
    auto* made = new Books;
    const auto unlock = [] {
      books().vectors.mutex().unlock();
      books().return_values.mutex().unlock();
    };
    pthread_atfork(
        [] {
          books().return_values.mutex().lock();
          books().vectors.mutex().lock();
        },
        unlock, unlock);
    return made;
  }();
  return *the_books;
}

/// The data file whose vectors this thread checks; empty outside of them.
thread_local std::string vector_file;

template <typename T>
const CK_MECHANISM* as_mechanism(T argument) {
  if constexpr (std::is_same_v<T, CK_MECHANISM*>)
    return argument;
  else
    return nullptr;
}

template <typename... Arguments>
void note_call(const char* function, CK_RV rv, Arguments... arguments) {
  if (Book& book = books().return_values; !book.closed()) book.note(std::string(function) + " " + rv_name(rv));
  Book& book = books().vectors;
  if (book.closed()) return;
  book.begin();
  if (rv != CKR_OK || vector_file.empty()) return;
  for (const CK_MECHANISM* mechanism : {static_cast<const CK_MECHANISM*>(nullptr), as_mechanism(arguments)...})
    if (mechanism) book.note(std::to_string(mechanism->mechanism) + " " + vector_file);
}

/// One entry of a list. Each name in each list has a function of its own, because a C function cannot carry state.
template <int kList, auto kMember, typename Function>
struct Entry;
template <int kList, auto kMember, typename... Arguments>
struct Entry<kList, kMember, CK_RV (*)(Arguments...)> {
  static inline CK_RV (*original)(Arguments...) = nullptr;
  static inline const char* name = nullptr;
  static CK_RV call(Arguments... arguments) {
    const unsigned char* const painted = paint_stack();
    in_module = true;
    const CK_RV rv = original(arguments...);
    in_module = false;
    note_stack(name, painted, __builtin_frame_address(0));
    note_call(name, rv, arguments...);
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

CheckingVectors::CheckingVectors(std::string file) { vector_file = std::move(file); }
CheckingVectors::~CheckingVectors() { vector_file.clear(); }

CK_FUNCTION_LIST* recorded(const CK_FUNCTION_LIST& module) {
  using List = CK_FUNCTION_LIST;
  constexpr int kList = 2;
  static List copy = module;
  books();
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
