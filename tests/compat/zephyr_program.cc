#include "tests/compat/zephyr_program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "gtest/gtest.h"

namespace sockhost {
namespace {

// Only a failure waits so long.
constexpr int kDeadlineMs = 30'000;

}  // namespace

ZephyrProgram::ZephyrProgram(const std::string& path) {
  int ends[2];
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  output_fd_.reset(ends[0]);
  const UniqueFd their_end(ends[1]);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, their_end.get(), STDOUT_FILENO);
  char* const arguments[] = {const_cast<char*>(path.c_str()), nullptr};
  pid_t pid = -1;
  const int error = posix_spawn(&pid, path.c_str(), &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  EXPECT_EQ(error, 0) << path << ": " << std::strerror(error);
  if (error == 0) pid_ = pid;
}

ZephyrProgram::~ZephyrProgram() {
  if (pid_ <= 0) return;
  Signal(SIGKILL);
  waitpid(pid_, nullptr, 0);
}

bool ZephyrProgram::ReadSome() {
  pollfd ready = {output_fd_.get(), POLLIN, 0};
  if (poll(&ready, 1, kDeadlineMs) != 1) return false;
  char buffer[4096];
  const ssize_t size = read(output_fd_.get(), buffer, sizeof(buffer));
  if (size <= 0) return false;
  output_.append(buffer, static_cast<size_t>(size));
  return true;
}

bool ZephyrProgram::WaitForOutput(const std::string& text) {
  while (output_.find(text) == std::string::npos) {
    if (!ReadSome()) return false;
  }
  return true;
}

int ZephyrProgram::WaitForNumberAfter(const std::string& text) {
  if (!WaitForOutput(text)) return -1;
  const size_t at = output_.find(text) + text.size();
  // The line is there as a whole: it was written by one call.
  return std::atoi(output_.c_str() + at);
}

void ZephyrProgram::Signal(int signal) const {
  // kill(2) takes other numbers for groups of processes, and -1 for all.
  if (pid_ > 0) kill(pid_, signal);
}

int ZephyrProgram::Wait() {
  while (ReadSome()) {
  }
  if (pid_ <= 0) return -1;
  int status = 0;
  EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace sockhost
