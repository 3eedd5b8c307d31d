// `mgqe lookup`: decoded rows of a table.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace mgqe {

class LookupCommand {
 public:
  explicit LookupCommand(CLI::App& app);

  bool given() const { return command_->parsed(); }
  void run() const;

 private:
  CLI::App* command_;
  std::string path_, table_, ids_file_, npy_;
  std::vector<std::string> ids_, rows_;
  std::string missing_ = "error";
  int threads_ = 0;
  bool as_json_ = false;
};

/// A NumPy file of values (rows, cols).
void write_npy(const std::string& path, const std::vector<float>& values, int64_t rows,
               int64_t cols);

}  // namespace mgqe
