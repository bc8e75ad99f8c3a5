// What the core logs while a test runs.
#ifndef SOCKHOST_TESTS_CORE_LOG_LINES_H_
#define SOCKHOST_TESTS_CORE_LOG_LINES_H_

#include <string>
#include <vector>

namespace sockhost {

// Captures the log from construction to destruction; one at a time.
class LogLines {
 public:
  LogLines();
  ~LogLines();
  LogLines(const LogLines&) = delete;
  LogLines& operator=(const LogLines&) = delete;

  std::vector<std::string> lines() const;
};

}  // namespace sockhost

#endif  // SOCKHOST_TESTS_CORE_LOG_LINES_H_
