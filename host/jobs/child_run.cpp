#include "host/jobs/child_run.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/base/check.hpp"
#include "host/io/atomic_file.hpp"
#include "host/io/console/terminal.hpp"

namespace mgqe {
namespace {

constexpr int kProgressFd = 3;  // in the child

struct Pipe {
  int read, write;
};

Pipe make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw Error("pipe2: " + system_message(errno));
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return {ends[0], ends[1]};
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  for (std::string& text : strings) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

/// This process's environment, with the two variables the child is told by.
std::vector<std::string> child_environment(int threads) {
  const std::string threads_name = "OMP_NUM_THREADS=";
  const std::string progress_name = std::string(kProgressFdVariable) + "=";
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string text = *variable;
    if (!text.starts_with(threads_name) && !text.starts_with(progress_name))
      variables.push_back(text);
  }
  variables.push_back(threads_name + std::to_string(threads));
  variables.push_back(progress_name + std::to_string(kProgressFd));
  return variables;
}

/// In the child, between fork and exec: system calls alone, nothing that takes a lock.
[[noreturn]] void become(const char* program, char* const* arguments, char* const* variables,
                         pid_t parent, int output, int errors, int progress) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(127);  // it died before the line above
  dup2(output, STDOUT_FILENO);
  dup2(errors, STDERR_FILENO);
  if (progress == kProgressFd)
    fcntl(progress, F_SETFD, 0);  // dup2 would leave it to be closed
  else
    dup2(progress, kProgressFd);
  execve(program, arguments, variables);
  constexpr char kMessage[] = " cannot be started\n";
  static_cast<void>(!write(STDERR_FILENO, program, std::strlen(program)));
  static_cast<void>(!write(STDERR_FILENO, kMessage, sizeof kMessage - 1));
  _exit(127);
}

}  // namespace

ChildRun::ChildRun(const std::string& program, std::vector<std::string> arguments, int threads,
                   const std::filesystem::path& log, bool appends)
    : began_(Clock::now()) {
  const int mode = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (appends ? 0 : O_TRUNC);
  log_ = open(log.c_str(), mode, 0666);
  if (log_ < 0) input_error(log.string(), ": cannot be written: ", system_message(errno));
  const Pipe errors = make_pipe(), progress = make_pipe();
  errors_.fd = errors.read;
  progress_.fd = progress.read;
  std::vector<std::string> variables = child_environment(threads);
  const std::vector<char*> argv = pointers(arguments), envp = pointers(variables);
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0)
    become(program.c_str(), argv.data(), envp.data(), parent, log_, errors.write, progress.write);
  const int failure = errno;
  close(errors.write);
  close(progress.write);
  if (pid_ < 0) throw Error("fork: " + system_message(failure));
}

ChildRun::~ChildRun() {
  if (!ended_ && pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  errors_.close();
  progress_.close();
  if (log_ >= 0) close(log_);
}

template <class Take>
void ChildRun::Lines::read(const Take& take) {
  char buffer[4096];
  for (ssize_t n; fd >= 0 && (n = ::read(fd, buffer, sizeof buffer)) >= 0;) {
    if (n == 0) return close();
    partial.append(buffer, static_cast<size_t>(n));
    for (size_t end; (end = partial.find('\n')) != std::string::npos; partial.erase(0, end + 1))
      take(partial.substr(0, end));
  }
}

void ChildRun::Lines::close() {
  if (fd >= 0) ::close(fd);
  fd = -1;
}

void ChildRun::look() {
  int status = 0;
  // Asked before the pipes are read, so that what an ended child wrote is all there.
  const bool ended = !ended_ && waitpid(pid_, &status, WNOHANG) == pid_;
  const auto take_error = [&](const std::string& line) {
    write_directly(log_, line + "\n");
    if (!line.empty()) last_line_ = line;
  };
  errors_.read(take_error);
  if (ended && !errors_.partial.empty()) take_error(errors_.partial);  // its last words
  progress_.read([&](const std::string& line) {
    if (const auto state = read_progress_record(line)) state_ = state;
  });
  if (ended) end(status);
}

void ChildRun::end(int status) {
  ended_ = true;
  finished_ = Clock::now();
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
  if (WIFSIGNALED(status))
    error_ = fmt::format("killed by signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)));
  else
    error_ = last_line_.empty() ? fmt::format("exit code {}", WEXITSTATUS(status)) : last_line_;
}

void ChildRun::stop() {
  if (!ended_) kill(pid_, SIGTERM);
}

double ChildRun::seconds() const {
  return std::chrono::duration<double>((ended_ ? finished_ : Clock::now()) - began_).count();
}

}  // namespace mgqe
