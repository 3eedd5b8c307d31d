#include "experiments/grid/run_claims.hpp"

#include <cerrno>
#include <csignal>
#include <fstream>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/check.hpp"
#include "host/io/atomic_file.hpp"

namespace mgqe {

namespace fs = std::filesystem;

namespace {

std::string first_word_of(const char* path) {
  std::ifstream stream(path);
  std::string word;
  stream >> word;
  return word;
}

/// Seconds by which `other` was last changed before `path`, by the clock of the file system that
/// holds both.
double seconds_before(const fs::path& path, const fs::path& other) {
  struct stat now {
  }, then{};
  if (stat(path.c_str(), &now) != 0 || stat(other.c_str(), &then) != 0) return 0.0;
  return static_cast<double>(now.st_mtim.tv_sec - then.st_mtim.tv_sec) +
         1e-9 * static_cast<double>(now.st_mtim.tv_nsec - then.st_mtim.tv_nsec);
}

void touch(const fs::path& path) { utimensat(AT_FDCWD, path.c_str(), nullptr, 0); }

}  // namespace

ProcessName this_process() {
  // Host names repeat across containers and process ids across namespaces: name all three.
  char host[256] = "unknown", space[64] = "";
  gethostname(host, sizeof host - 1);
  const ssize_t length = readlink("/proc/self/ns/pid", space, sizeof space - 1);
  std::string machine =
      fmt::format("{}/{}/{}", host, first_word_of("/proc/sys/kernel/random/boot_id").substr(0, 8),
                  std::string(space, static_cast<size_t>(std::max<ssize_t>(length, 0))));
  for (char& c : machine)
    if (c == ' ') c = '-';
  return {machine, getpid()};
}

bool has_ended(const ProcessName& process) {
  if (process.machine != this_process().machine || process.pid <= 0) return false;
  if (kill(process.pid, 0) != 0) return errno == ESRCH;
  // One that ended and that no one has waited for still has its id: "PID (NAME) Z ...".
  std::ifstream stream(fmt::format("/proc/{}/stat", process.pid));
  std::string line;
  std::getline(stream, line);
  const size_t name_end = line.rfind(')');
  return name_end != std::string::npos && line.substr(name_end).starts_with(") Z");
}

RunClaims::RunClaims(fs::path folder) : folder_(std::move(folder)) {
  ensure_writable_directory(folder_);
  const ProcessName self = this_process();
  self_ = fmt::format("{} {}\n", self.machine, self.pid);
}

RunClaims::~RunClaims() {
  while (!held_.empty()) release(std::string(*held_.begin()));
}

namespace {

/// A file with `text` under `path`, whole from its first moment on: a process killed in between
/// leaves nothing. Whether there was none yet.
bool create_whole(const fs::path& path, const std::string& text) {
  int file = open(path.parent_path().c_str(), O_WRONLY | O_TMPFILE | O_CLOEXEC, 0666);
  const bool nameless = file >= 0;  // else the file system has no such files
  if (!nameless) file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file < 0 && errno == EEXIST) return false;
  if (file < 0) input_error(path.string(), ": cannot be made: ", system_message(errno));
  const bool written = write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const std::string self = fmt::format("/proc/self/fd/{}", file);
  const bool linked =
      !nameless || linkat(AT_FDCWD, self.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) == 0;
  const int error = errno;
  close(file);
  if (!written) input_error(path.string(), ": could not be written");
  if (!linked && error != EEXIST)
    input_error(path.string(), ": cannot be made: ", system_message(error));
  return linked;
}

}  // namespace

bool RunClaims::create(const std::string& run) {
  if (!create_whole(path_of(run), self_)) return false;
  held_.insert(run);
  return true;
}

bool RunClaims::is_stale(const fs::path& path) const {
  std::ifstream stream(path);
  ProcessName holder;
  stream >> holder.machine >> holder.pid;
  if (has_ended(holder)) return true;
  const fs::path probe = folder_ / fmt::format("now-{}", getpid());
  std::ofstream(probe).put('\n');
  const double silent = seconds_before(probe, path);
  fs::remove(probe);
  return silent > kStaleSeconds;
}

bool RunClaims::take(const std::string& run) {
  if (held_.contains(run) || create(run)) return true;
  const fs::path path = path_of(run);
  if (!is_stale(path)) return false;
  std::error_code ignored;
  fs::remove(path, ignored);
  return create(run);
}

void RunClaims::release(const std::string& run) {
  if (held_.erase(run) == 0) return;
  std::error_code ignored;
  fs::remove(path_of(run), ignored);
}

void RunClaims::beat() {
  const auto now = std::chrono::steady_clock::now();
  if (now - last_beat_ < std::chrono::duration<double>(kBeatSeconds)) return;
  last_beat_ = now;
  for (const std::string& run : held_) touch(path_of(run));
}

}  // namespace mgqe
