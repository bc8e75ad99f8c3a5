#include "tests/client/sockctl_process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace sockhost::client {
namespace {

// Far longer than anything takes; only a hanging program reaches it.
constexpr int kPatienceMs = 60'000;

struct Channel {
  int ours = -1;
  int childs = -1;
};

Channel OpenOutput(SockctlProcess::Stdout kind) {
  Channel channel;
  if (kind == SockctlProcess::Stdout::kTerminal) {
    winsize size = {};
    size.ws_col = 100;
    size.ws_row = 10;
    EXPECT_EQ(openpty(&channel.ours, &channel.childs, nullptr, nullptr, &size), 0);
    return channel;
  }
  int fds[2];
  EXPECT_EQ(pipe(fds), 0);
  return {.ours = fds[0], .childs = fds[1]};
}

// Words as execve(2) wants them; they point into `words`.
std::vector<char*> Pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

// The test has threads: between fork and exec only what a signal handler may do.
pid_t Spawn(std::vector<std::string> words, std::vector<std::string> variables, int output_fd,
            int errors_fd) {
  const std::vector<char*> argv = Pointers(words);
  const std::vector<char*> envp = Pointers(variables);
  const pid_t pid = fork();
  if (pid != 0) return pid;
  dup2(output_fd, STDOUT_FILENO);
  dup2(errors_fd, STDERR_FILENO);
  close_range(3, ~0U, 0);
  execve(argv[0], argv.data(), envp.data());
  _exit(127);
}

std::string Contents(int fd) {
  std::string text(static_cast<size_t>(lseek(fd, 0, SEEK_END)), '\0');
  EXPECT_EQ(pread(fd, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  return text;
}

}  // namespace

SockctlProcess::SockctlProcess(const std::vector<std::string>& arguments, Stdout kind,
                               const Environment& environment)
    : errors_fd_(memfd_create("errors", MFD_CLOEXEC)) {
  const Channel channel = OpenOutput(kind);
  output_fd_ = channel.ours;
  std::vector<std::string> words = {SOCKCTL_BINARY};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<std::string> variables;
  for (const auto& [name, value] : environment) variables.push_back(absl::StrCat(name, "=", value));
  pid_ = Spawn(std::move(words), std::move(variables), channel.childs, errors_fd_);
  EXPECT_GT(pid_, 0);
  close(channel.childs);
}

SockctlProcess::~SockctlProcess() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  CloseOutput();
  close(errors_fd_);
}

std::string SockctlProcess::WaitForOutput(const std::string& text) {
  while (output_.find(text) == std::string::npos && ReadSome()) {
  }
  EXPECT_THAT(output_, testing::HasSubstr(text)) << "standard error: " << Contents(errors_fd_);
  return output_;
}

void SockctlProcess::Signal(int signal) const { EXPECT_EQ(kill(pid_, signal), 0); }

void SockctlProcess::CloseOutput() {
  if (output_fd_ >= 0) close(output_fd_);
  output_fd_ = -1;
}

void SockctlProcess::StopReading() {
  reads_ = false;
  const int room = fcntl(output_fd_, F_GETPIPE_SZ);
  int unread = 0;
  for (int ms = 0; unread < room && ms < kPatienceMs; ++ms) {
    EXPECT_EQ(ioctl(output_fd_, FIONREAD, &unread), 0);
    // Nothing tells that a pipe is full.
    usleep(1000);
  }
  EXPECT_EQ(unread, room);
}

Finished SockctlProcess::Wait() {
  while (output_fd_ >= 0 && reads_ && ReadSome()) {
  }
  // Its standard output is closed: it has ended, or was told to by CloseOutput().
  // glibc 2.36 declares pidfd_open() without C linkage.
  const auto process = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  pollfd ended = {.fd = process, .events = POLLIN, .revents = 0};
  if (poll(&ended, 1, kPatienceMs) != 1) {
    ADD_FAILURE() << "sockctl does not end";
    kill(pid_, SIGKILL);
  }
  close(process);
  int status = 0;
  waitpid(std::exchange(pid_, -1), &status, 0);
  const int exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return {.exit_code = exit_code, .output = output_, .errors = Contents(errors_fd_)};
}

// False at the end of the output.
bool SockctlProcess::ReadSome() {
  pollfd readable = {.fd = output_fd_, .events = POLLIN, .revents = 0};
  if (poll(&readable, 1, kPatienceMs) != 1) {
    ADD_FAILURE() << "sockctl prints nothing and does not end; so far: " << output_;
    kill(pid_, SIGKILL);
    return false;
  }
  char buffer[4096];
  const ssize_t size = read(output_fd_, buffer, sizeof(buffer));  // a terminal ends with EIO
  if (size <= 0) return false;
  output_.append(buffer, static_cast<size_t>(size));
  return true;
}

Finished RunSockctl(const std::vector<std::string>& arguments, const Environment& environment) {
  return SockctlProcess(arguments, SockctlProcess::Stdout::kPipe, environment).Wait();
}

}  // namespace sockhost::client
