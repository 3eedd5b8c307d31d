// The C library's file operations and allocations, of which the n-th of a kind can be made to fail:
// a library that the loader puts before it (LD_PRELOAD), so that a program as it is shipped meets
// every fault that the system could give it, and has no part in that. Operations on files under one
// folder alone count.
//   FAULTY_FOLDER  that folder, absolute; a relative path counts as one in it
//   FAULTY_PLAN    KIND:N:WHAT   the N-th of a kind; KIND:N+:WHAT also all that follow it. WHAT is
//                  an errno, `short` (a read or write of half), or `signal S` before it is done
//   FAULTY_TRACE   a file that each operation is written to, as a line of KIND and its paths, that
//                  of the fault once more as a line of FAULT and its path
//   FAULTY_CLOCK   so many seconds the time of day goes back, once it has been asked for
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

extern "C" {
void* __libc_malloc(size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);
}

namespace {

struct Plan {
  char kind[16] = "";
  long n = 0;
  bool onwards = false, halves = false;
  int error = 0, signal = 0;
  const char* folder = nullptr;
  int trace = -1;
};

Plan read_plan() {
  Plan plan;
  plan.folder = getenv("FAULTY_FOLDER");
  if (const char* trace = getenv("FAULTY_TRACE"))
    plan.trace = static_cast<int>(
        syscall(SYS_openat, AT_FDCWD, trace, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  const char* text = getenv("FAULTY_PLAN");
  if (text == nullptr) return plan;
  char count[16] = "", what[16] = "";
  if (sscanf(text, "%15[^:]:%15[^:]:%15[^:]", plan.kind, count, what) != 3) abort();
  plan.n = atol(count);
  plan.onwards = strchr(count, '+') != nullptr;
  plan.halves = strcmp(what, "short") == 0;
  if (sscanf(what, "signal %d", &plan.signal) != 1) plan.error = atoi(what);
  return plan;
}

// Before the first operation, while the program has one thread.
Plan plan;
std::atomic<bool> known{false};
const Plan& the_plan() {
  if (!known.exchange(true)) plan = read_plan();
  return plan;
}

bool is_inside(const char* path) {
  const char* folder = the_plan().folder;
  if (path == nullptr || folder == nullptr) return false;
  return path[0] != '/' || strncmp(path, folder, strlen(folder)) == 0;
}

/// The path of an open file, or "/" of a pipe or socket.
struct PathOf {
  explicit PathOf(int fd) {
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t length = readlink(link, path, sizeof path - 1);
    path[length > 0 && path[0] == '/' ? length : 1] = '\0';
    path[0] = '/';
  }
  char path[PATH_MAX] = "/";
};

void note(const char* kind, const char* path, const char* second) {
  char line[2 * PATH_MAX];
  const int length =
      snprintf(line, sizeof line, "%s %s%s%s\n", kind, path, *second ? " " : "", second);
  syscall(SYS_write, the_plan().trace, line, static_cast<size_t>(length));
}

/// Whether this operation is the one that is planned for; a signal is then sent.
bool strikes(const char* kind, const char* path, const char* second = "") {
  static std::atomic<long> count{0};
  const int before = errno;
  const Plan& plan = the_plan();
  if (plan.trace >= 0) note(kind, path, second);
  bool struck = false;
  if (strcmp(kind, plan.kind) == 0) {
    const long n = ++count;
    struck = n == plan.n || (plan.onwards && n > plan.n);
  }
  if (struck && plan.trace >= 0) note("FAULT", path, second);
  if (struck && plan.signal != 0) {
    syscall(SYS_kill, getpid(), plan.signal);
    struck = false;
  }
  errno = struck ? plan.error : before;
  return struck;
}

/// Of an operation that can only be done or not.
bool fails(const char* kind, const char* path, const char* second = "") {
  return is_inside(path) && strikes(kind, path, second) && !plan.halves;
}

/// Of one that moves bytes: false, or how many of them it may move.
bool fails(const char* kind, int fd, size_t& bytes) {
  const PathOf file(fd);
  if (!is_inside(file.path) || !strikes(kind, file.path)) return false;
  if (!plan.halves) return true;
  bytes = (bytes + 1) / 2;
  return false;
}

bool fails(const char* kind, int fd) {
  const PathOf file(fd);
  return fails(kind, file.path);
}

/// The C library's own.
template <class Function>
Function* own(Function*, const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

// What the loader and the initializers of libraries ask for is no program's to answer for.
std::atomic<bool> in_main{false};
int (*program_main)(int, char**, char**) = nullptr;

int counted_main(int argc, char** argv, char** environment) {
  in_main = true;
  const int code = program_main(argc, argv, environment);
  in_main = false;
  return code;
}

/// Small ones are too many to be of interest.
constexpr size_t kLargeAllocation = 2048;

bool no_memory(size_t bytes) {
  if (!in_main || bytes < kLargeAllocation || !strikes("memory", "memory")) return false;
  errno = ENOMEM;
  return true;
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

#define OWN(name) own(&name, #name)

#define OPEN(name)                                                  \
  int name(const char* path, int flags, ...) {                      \
    va_list rest;                                                   \
    va_start(rest, flags);                                          \
    const mode_t mode = va_arg(rest, mode_t);                       \
    va_end(rest);                                                   \
    return fails("open", path) ? -1 : OWN(name)(path, flags, mode); \
  }
OPEN(open)
OPEN(open64)

// Relative to a folder that is open, as remove_all() goes about it.
#define OPENAT(name)                                                                    \
  int name(int folder, const char* path, int flags, ...) {                              \
    va_list rest;                                                                       \
    va_start(rest, flags);                                                              \
    const mode_t mode = va_arg(rest, mode_t);                                           \
    va_end(rest);                                                                       \
    const bool fail = folder == AT_FDCWD ? fails("open", path) : fails("open", folder); \
    return fail ? -1 : OWN(name)(folder, path, flags, mode);                            \
  }
OPENAT(openat)
OPENAT(openat64)

FILE* fopen(const char* path, const char* mode) {
  return fails("open", path) ? nullptr : OWN(fopen)(path, mode);
}
FILE* fopen64(const char* path, const char* mode) {
  return fails("open", path) ? nullptr : OWN(fopen64)(path, mode);
}
int mkostemp(char* path, int flags) {
  return fails("open", path) ? -1 : OWN(mkostemp)(path, flags);
}
int mkostemp64(char* path, int flags) {
  return fails("open", path) ? -1 : OWN(mkostemp64)(path, flags);
}
int close(int fd) {
  const bool fail = fails("close", fd);
  const int error = errno;
  const int result = OWN(close)(fd);  // in any case, as the system does it
  if (fail) errno = error;
  return fail ? -1 : result;
}

ssize_t read(int fd, void* to, size_t bytes) {
  return fails("read", fd, bytes) ? -1 : OWN(read)(fd, to, bytes);
}
ssize_t pread(int fd, void* to, size_t bytes, off_t offset) {
  return fails("read", fd, bytes) ? -1 : OWN(pread)(fd, to, bytes, offset);
}
ssize_t pread64(int fd, void* to, size_t bytes, off64_t offset) {
  return fails("read", fd, bytes) ? -1 : OWN(pread64)(fd, to, bytes, offset);
}
// What fortified builds call instead.
ssize_t __read_chk(int fd, void* to, size_t bytes, size_t) { return read(fd, to, bytes); }
ssize_t __pread_chk(int fd, void* to, size_t bytes, off_t offset, size_t) {
  return pread(fd, to, bytes, offset);
}
ssize_t write(int fd, const void* from, size_t bytes) {
  return fails("write", fd, bytes) ? -1 : OWN(write)(fd, from, bytes);
}
ssize_t pwrite(int fd, const void* from, size_t bytes, off_t offset) {
  return fails("write", fd, bytes) ? -1 : OWN(pwrite)(fd, from, bytes, offset);
}
ssize_t pwrite64(int fd, const void* from, size_t bytes, off64_t offset) {
  return fails("write", fd, bytes) ? -1 : OWN(pwrite64)(fd, from, bytes, offset);
}
int ftruncate(int fd, off_t length) {
  return fails("truncate", fd) ? -1 : OWN(ftruncate)(fd, length);
}
int fsync(int fd) { return fails("fsync", fd) ? -1 : OWN(fsync)(fd); }
int flock(int fd, int operation) noexcept {
  return fails("lock", fd) ? -1 : OWN(flock)(fd, operation);
}
void* mmap(void* at, size_t bytes, int protection, int flags, int fd, off_t offset) noexcept {
  if (fd >= 0 && fails("map", fd)) return MAP_FAILED;
  return OWN(mmap)(at, bytes, protection, flags, fd, offset);
}
void* mmap64(void* at, size_t bytes, int protection, int flags, int fd, off64_t offset) noexcept {
  if (fd >= 0 && fails("map", fd)) return MAP_FAILED;
  return OWN(mmap64)(at, bytes, protection, flags, fd, offset);
}

int rename(const char* from, const char* to) noexcept {
  return fails("rename", from, to) ? -1 : OWN(rename)(from, to);
}
int renameat2(int folder, const char* from, int other, const char* to, unsigned flags) noexcept {
  return fails("rename", from, to) ? -1 : OWN(renameat2)(folder, from, other, to, flags);
}
int unlink(const char* path) noexcept { return fails("unlink", path) ? -1 : OWN(unlink)(path); }
int remove(const char* path) noexcept { return fails("unlink", path) ? -1 : OWN(remove)(path); }
int unlinkat(int folder, const char* path, int flags) noexcept {
  const bool fail = folder == AT_FDCWD ? fails("unlink", path) : fails("unlink", folder);
  return fail ? -1 : OWN(unlinkat)(folder, path, flags);
}
int mkdir(const char* path, mode_t mode) noexcept {
  return fails("mkdir", path) ? -1 : OWN(mkdir)(path, mode);
}
DIR* opendir(const char* path) { return fails("open", path) ? nullptr : OWN(opendir)(path); }
dirent* readdir(DIR* folder) {
  return fails("list", dirfd(folder)) ? nullptr : OWN(readdir)(folder);
}
dirent64* readdir64(DIR* folder) {
  return fails("list", dirfd(folder)) ? nullptr : OWN(readdir64)(folder);
}
int access(const char* path, int mode) noexcept {
  return fails("stat", path) ? -1 : OWN(access)(path, mode);
}
int stat(const char* path, struct stat* to) noexcept {
  return fails("stat", path) ? -1 : OWN(stat)(path, to);
}
int stat64(const char* path, struct stat64* to) noexcept {
  return fails("stat", path) ? -1 : OWN(stat64)(path, to);
}
int lstat(const char* path, struct stat* to) noexcept {
  return fails("stat", path) ? -1 : OWN(lstat)(path, to);
}
int fstat(int fd, struct stat* to) noexcept { return fails("stat", fd) ? -1 : OWN(fstat)(fd, to); }

int __libc_start_main(int (*main)(int, char**, char**), int argc, char** argv, void (*init)(),
                      void (*fini)(), void (*loader_fini)(), void* stack_end) {
  program_main = main;
  return OWN(__libc_start_main)(counted_main, argc, argv, init, fini, loader_fini, stack_end);
}
void* malloc(size_t bytes) { return no_memory(bytes) ? nullptr : __libc_malloc(bytes); }
void* aligned_alloc(size_t alignment, size_t bytes) {
  return no_memory(bytes) ? nullptr : __libc_memalign(alignment, bytes);
}

int clock_gettime(clockid_t clock, timespec* to) noexcept {
  static const char* back = getenv("FAULTY_CLOCK");
  static std::atomic<int> count{0};
  const int result = OWN(clock_gettime)(clock, to);
  if (back != nullptr && clock == CLOCK_REALTIME && ++count > 1) to->tv_sec -= atol(back);
  return result;
}

}  // extern "C"
#pragma GCC visibility pop
