// A program made of Zephyr sources, run as a child process.
#ifndef SOCKHOST_TESTS_COMPAT_ZEPHYR_PROGRAM_H_
#define SOCKHOST_TESTS_COMPAT_ZEPHYR_PROGRAM_H_

#include <sys/types.h>

#include <string>

#include "service_core/unique_fd.h"

namespace sockhost {

// Standard output is read by the test, standard error is the test's. Killed with
// the object if it still runs.
class ZephyrProgram {
 public:
  explicit ZephyrProgram(const std::string& path);
  ~ZephyrProgram();
  ZephyrProgram(const ZephyrProgram&) = delete;
  ZephyrProgram& operator=(const ZephyrProgram&) = delete;

  // Waits until the output contains `text`, or ends, or a deadline passes. The number
  // that follows it there; -1 if it did not come.
  int WaitForNumberAfter(const std::string& text);
  bool WaitForOutput(const std::string& text);

  // Everything read so far is forgotten.
  void ForgetOutput() { output_.clear(); }

  void Signal(int signal) const;

  // Waits for the end and reads the rest. The exit code, or 128 + signal.
  int Wait();
  const std::string& output() const { return output_; }

 private:
  // Waits for more output. False at its end, or if none comes in time.
  bool ReadSome();

  UniqueFd output_fd_;
  pid_t pid_ = -1;
  std::string output_;
};

}  // namespace sockhost

#endif  // SOCKHOST_TESTS_COMPAT_ZEPHYR_PROGRAM_H_
