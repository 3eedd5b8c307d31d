// Small files, expected refusals and real data for the tests of host/data.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include "host/base/check.hpp"
#include "host/data/dataset.hpp"
#include "host/engine/backend.hpp"

namespace mgqe {

/// A folder of its own, removed with everything in it.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "mgqe_data_XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string path(const std::string& name) const { return path_ + "/" + name; }

  std::string write(const std::string& name, std::string_view text) const {
    std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
    std::ofstream(path(name), std::ios::binary) << text;
    return path(name);
  }

  std::string write_gzip(const std::string& name, std::string_view text) const {
    std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
    const gzFile file = gzopen(path(name).c_str(), "wb");
    gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
    gzclose(file);
    return path(name);
  }

 private:
  std::string path_;
};

/// Sets an environment variable and puts the old value back.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const std::string& value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    setenv(name, value.c_str(), 1);
  }
  ~ScopedVariable() {
    if (old_)
      setenv(name_, old_->c_str(), 1);
    else
      unsetenv(name_);
  }
  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> old_;
};

/// The message of the InputError that `action` throws; a failed expectation when it throws none.
template <class Action>
std::string refusal(Action&& action) {
  try {
    action();
  } catch (const InputError& error) {
    const std::string message = error.what();
    EXPECT_EQ(message.find('\n'), std::string::npos) << "not one line: " << message;
    return message;
  }
  ADD_FAILURE() << "expected an InputError";
  return "";
}

inline Backend& cpu() {
  static const std::unique_ptr<Backend> backend = make_backend("cpu");
  return *backend;
}

inline Dataset load(const std::string& name) {
  DataConfig config;
  config.name = name;
  return load_dataset(config, cpu());
}

/// Training items of a user, in time order.
inline std::vector<int32_t> sequence(const Dataset& dataset, int64_t user) {
  return {dataset.sequence_items.begin() + dataset.sequence_offsets[user],
          dataset.sequence_items.begin() + dataset.sequence_offsets[user + 1]};
}

inline std::vector<int32_t> history(const Dataset& dataset, int64_t user) {
  return {dataset.train_items.begin() + dataset.train_offsets[user],
          dataset.train_items.begin() + dataset.train_offsets[user + 1]};
}

/// Dense id of an original one.
inline int32_t dense_id(const DataIds& ids, const std::string& name) {
  for (int64_t id = 0; id < ids.size(); ++id)
    if (ids.name(id) == name) return static_cast<int32_t>(id);
  ADD_FAILURE() << "no id " << name;
  return -1;
}

/// A user's training items in time order by original id, then "| validation test".
inline std::string story(const Dataset& dataset, const std::string& user_name) {
  const int32_t user = dense_id(dataset.user_ids, user_name);
  std::string text;
  for (const int32_t item : sequence(dataset, user)) text += dataset.item_ids.name(item) + " ";
  text += "|";
  for (const int32_t held : {dataset.valid_item[user], dataset.test_item[user]})
    text.append(" ").append(held < 0 ? "-" : dataset.item_ids.name(held));
  return text;
}

/// Where real data lies: $MGQE_DATA_DIR, else data/ of the source tree; nothing where neither is.
inline std::optional<std::string> real_data_folder() {
  const char* folder = std::getenv("MGQE_DATA_DIR");
  const std::string path = folder != nullptr ? folder : MGQE_SOURCE_DIR "/data";
  if (!std::filesystem::is_directory(path)) return std::nullopt;
  return path;
}

}  // namespace mgqe
