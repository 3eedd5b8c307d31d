#include "tests/fuzz/fuzz_target.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include <unistd.h>

namespace mgqe::fuzzing {

namespace fs = std::filesystem;

namespace {

std::vector<FuzzTarget>& registered() {
  static std::vector<FuzzTarget> targets;
  return targets;
}

/// A folder of this process, gone when it ends.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::error_code none;
    const fs::path memory = "/dev/shm";
    const fs::path parent = fs::is_directory(memory, none) ? memory : fs::temp_directory_path();
    std::string pattern = (parent / "mgqe_fuzz_XXXXXX").string();
    MGQE_CHECK(mkdtemp(pattern.data()) != nullptr, "no folder ", pattern);
    path_ = pattern;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace

RegisteredTarget::RegisteredTarget(FuzzTarget target) {
  std::vector<FuzzTarget>& targets = registered();
  const auto by_name = [](const FuzzTarget& a, const FuzzTarget& b) { return a.name < b.name; };
  targets.insert(std::upper_bound(targets.begin(), targets.end(), target, by_name), target);
}

const std::vector<FuzzTarget>& fuzz_targets() { return registered(); }

void run_target(const FuzzTarget& target, Input input) {
  try {
    target.read(input);
  } catch (const InputError& error) {
    FUZZ_EXPECT(*error.what() != '\0', "a message without a word");
  }
}

Bytes aligned_bytes(Input input, const std::string& name) {
  // Exactly as long as it is: what is read beyond is seen by a sanitizer.
  static std::unique_ptr<uint8_t[], decltype(&std::free)> memory(nullptr, &std::free);
  void* place = nullptr;
  MGQE_CHECK(posix_memalign(&place, 64, std::max<size_t>(input.size(), 1)) == 0, "no memory");
  memory.reset(static_cast<uint8_t*>(place));
  if (!input.empty()) std::memcpy(place, input.data(), input.size());
  return Bytes::view({memory.get(), input.size()}, name);
}

std::string whole_or_changed(Input input, const std::vector<std::string>& ours) {
  constexpr size_t kShortest = 128;  // of a file that could be whole
  if (input.size() >= kShortest) return {input.begin(), input.end()};
  InputReader reader(input);
  std::string file = ours[reader.take<uint8_t>() % ours.size()];
  while (!reader.rest().empty()) {
    const size_t place = reader.take<uint16_t>() % file.size();
    file[place] = static_cast<char>(reader.take<uint8_t>());
  }
  return file;
}

std::string scratch_path(const std::string& name) {
  static const ScratchFolder folder;
  return (folder.path() / name).string();
}

std::string file_of(const std::string& name, Input input) {
  std::string path = scratch_path(name);
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(input.data()),
             static_cast<std::streamsize>(input.size()));
  MGQE_CHECK(file.flush(), "cannot write ", path);
  return path;
}

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace mgqe::fuzzing
