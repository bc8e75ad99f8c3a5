// Runs the tests of zephyr/ztest.h.
#include <pthread.h>
#include <zephyr/ztest.h>

#include <algorithm>
#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <string_view>
#include <vector>

namespace {

enum class Outcome { kPassed, kFailed, kSkipped };

sockhost_ztest_suite* suites = nullptr;
sockhost_ztest_case* cases = nullptr;

// Of the running test, or of the setup of its suite.
std::atomic<Outcome> outcome{Outcome::kPassed};
// The thread that a failed check ends.
thread_local bool is_test_thread = false;

// Failed wins over skipped, and both over passed.
void Mark(Outcome new_outcome) {
  if (outcome != Outcome::kFailed) outcome = new_outcome;
}

void EndTest() {
  if (is_test_thread) pthread_exit(nullptr);
}

struct Call {
  void (*function)(void*);
  void* argument;
};

// Calls a function on a thread of its own, which a failed check may end.
void RunOnTestThread(const Call& call) {
  pthread_t thread;
  const auto run = [](void* argument) -> void* {
    const Call& call = *static_cast<const Call*>(argument);
    is_test_thread = true;
    call.function(call.argument);
    return nullptr;
  };
  if (pthread_create(&thread, nullptr, run, const_cast<Call*>(&call)) != 0) {
    std::puts("    no thread for the test");
    return Mark(Outcome::kFailed);
  }
  pthread_join(thread, nullptr);
}

// A test with what its suite does before and after it.
struct Run {
  const sockhost_ztest_suite& suite;
  const sockhost_ztest_case& test;
  void* fixture;
};

Outcome RunTest(Run run) {
  outcome = Outcome::kPassed;
  RunOnTestThread({[](void* argument) {
                     const Run& run = *static_cast<const Run*>(argument);
                     if (run.suite.before) run.suite.before(run.fixture);
                     run.test.function(run.fixture);
                   },
                   &run});
  if (run.suite.after) RunOnTestThread({run.suite.after, run.fixture});
  return outcome;
}

struct Summary {
  int passed = 0;
  int failed = 0;
  int skipped = 0;
};

void Count(Summary& summary, Outcome outcome, const sockhost_ztest_case& test, int64_t took_ms) {
  const char* word = "PASS";
  if (outcome == Outcome::kPassed) {
    ++summary.passed;
  } else if (outcome == Outcome::kFailed) {
    ++summary.failed;
    word = "FAIL";
  } else {
    ++summary.skipped;
    word = "SKIP";
  }
  std::printf("%s %s.%s (%lld ms)\n", word, test.suite, test.name, static_cast<long long>(took_ms));
  std::fflush(stdout);
}

template <typename T>
std::vector<T*> SortedByName(T* list) {
  std::vector<T*> sorted;
  for (T* at = list; at; at = at->next) sorted.push_back(at);
  std::sort(sorted.begin(), sorted.end(), [](const T* a, const T* b) {
    return std::string_view(a->name) < std::string_view(b->name);
  });
  return sorted;
}

void RunSuite(const sockhost_ztest_suite& suite, Summary& summary) {
  if (suite.predicate && !suite.predicate(nullptr)) return;
  void* const fixture = suite.setup ? suite.setup() : nullptr;
  for (const sockhost_ztest_case* test : SortedByName(cases)) {
    if (std::string_view(test->suite) != suite.name) continue;
    const int64_t begin = k_uptime_get();
    const Outcome result = RunTest({suite, *test, fixture});
    Count(summary, result, *test, k_uptime_get() - begin);
  }
  if (suite.teardown) suite.teardown(fixture);
}

}  // namespace

extern "C" {

void sockhost_ztest_announce_suite(struct sockhost_ztest_suite* suite) {
  suite->next = suites;
  suites = suite;
}

void sockhost_ztest_announce_case(struct sockhost_ztest_case* test) {
  test->next = cases;
  cases = test;
}

void sockhost_check_failed(enum sockhost_check_kind kind, const char* what, const char* file,
                           int line, const char* format, ...) {
  std::printf("    %s:%d: %s", file, line, what);
  if (format && *format) {
    va_list arguments;
    va_start(arguments, format);
    std::fputs("\n        ", stdout);
    std::vprintf(format, arguments);
    va_end(arguments);
  }
  std::putchar('\n');
  Mark(kind == SOCKHOST_CHECK_ASSUME ? Outcome::kSkipped : Outcome::kFailed);
  if (kind != SOCKHOST_CHECK_EXPECT) EndTest();
}

void ztest_test_fail(void) {
  Mark(Outcome::kFailed);
  EndTest();
}

void ztest_test_skip(void) {
  Mark(Outcome::kSkipped);
  EndTest();
}

void ztest_test_pass(void) { EndTest(); }

int sockhost_ztest_run(void) {
  Summary summary;
  for (const sockhost_ztest_suite* suite : SortedByName(suites)) RunSuite(*suite, summary);
  std::printf("%d passed, %d failed, %d skipped\n", summary.passed, summary.failed,
              summary.skipped);
  const int run = summary.passed + summary.failed + summary.skipped;
  return run == 0 ? 1 : summary.failed;
}

}  // extern "C"
