// write_seeds FOLDER: the seeds of every target, each a file in FOLDER/TARGET.
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tests/fuzz/fuzz_target.hpp"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: write_seeds FOLDER\n");
    return 2;
  }
  for (const mgqe::fuzzing::FuzzTarget& target : mgqe::fuzzing::fuzz_targets()) {
    const std::filesystem::path folder = std::filesystem::path(argv[1]) / target.name;
    std::filesystem::create_directories(folder);
    int number = 0;
    for (const std::string& seed : target.seeds()) {
      std::ofstream file(folder / ("seed-" + std::to_string(number++)), std::ios::binary);
      file << seed;
      if (!file.flush()) return 1;
    }
    std::printf("%s\n", target.name.c_str());
  }
}
