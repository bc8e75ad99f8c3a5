// The real sockctl, run as a child process.
#ifndef SOCKHOST_TESTS_CLIENT_SOCKCTL_PROCESS_H_
#define SOCKHOST_TESTS_CLIENT_SOCKCTL_PROCESS_H_

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

namespace sockhost::client {

using Environment = std::map<std::string, std::string>;

struct Finished {
  int exit_code = -1;  // 128 + signal if a signal ended it
  std::string output;
  std::string errors;
};

// A sockctl that runs beside the test. It is killed, and the test fails, if it
// lets the test wait for more than a minute.
class SockctlProcess {
 public:
  enum class Stdout {
    kPipe,
    kTerminal,  // of 100 columns and 10 lines
  };

  // Starts it, with exactly this environment.
  explicit SockctlProcess(const std::vector<std::string>& arguments, Stdout kind = Stdout::kPipe,
                          const Environment& environment = {{"TERM", "xterm"}});
  ~SockctlProcess();

  SockctlProcess(const SockctlProcess&) = delete;
  SockctlProcess& operator=(const SockctlProcess&) = delete;

  // Waits until the output so far contains `text` and returns all of it.
  std::string WaitForOutput(const std::string& text);
  void Signal(int signal) const;
  // Goes away as the reader of its output.
  void CloseOutput();
  // Stops as the reader of its output, a pipe, and waits until there is no room in it.
  void StopReading();
  // Waits for its end.
  Finished Wait();

 private:
  bool ReadSome();

  bool reads_ = true;
  int output_fd_ = -1;  // our end of its standard output
  int errors_fd_ = -1;  // memory file with its standard error
  pid_t pid_ = -1;
  std::string output_;
};

// Runs sockctl from start to end.
Finished RunSockctl(const std::vector<std::string>& arguments, const Environment& environment = {});

}  // namespace sockhost::client

#endif  // SOCKHOST_TESTS_CLIENT_SOCKCTL_PROCESS_H_
