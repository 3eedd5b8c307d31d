// Artifacts of a few hundred bytes: a GMF model, and tables of every scheme as `mgqe convert`
// leaves them.
#pragma once

#include <string>
#include <vector>

#include "host/io/artifact.hpp"
#include "tests/fuzz/fuzz_target.hpp"
#include "tests/support/io_testing.hpp"

namespace mgqe::fuzzing {

/// Whether `action` ends with an InputError.
template <class Action>
bool refused(const Action& action) {
  try {
    action();
    return false;
  } catch (const InputError&) {
    return true;
  }
}

/// The file without its checksum, which would hide all that stands behind it.
inline std::string unchecked(std::string file) {
  constexpr std::string_view kEntry = "\"crc32\"", kOther = "\"crc33\"";
  file.replace(file.find(kEntry), kEntry.size(), kOther);
  return file;
}

inline std::string file_of_artifact(const Artifact& artifact) {
  const std::string path = scratch_path("small.safetensors");
  write_artifact(path, artifact);
  return bytes_of(path);
}

inline Artifact artifact_of_tables(const std::vector<PackedTable>& tables) {
  Artifact artifact = testing::small_artifact();
  artifact.model = {};
  artifact.model.backbone = "table";
  artifact.model.task = kLookupTask;
  artifact.ids.clear();
  for (size_t i = 0; i < tables.size(); ++i) {
    const std::string name = "t" + std::to_string(i);
    artifact.model.tables[name] = tables[i];
    for (int64_t r = 0; r < tables[i].rows; ++r) artifact.ids[name].integers.push_back(r);
  }
  return artifact;
}

inline std::vector<std::string> small_model_files() {
  const Artifact gmf = testing::small_artifact();
  std::vector<std::string> files = {file_of_artifact(gmf), unchecked(file_of_artifact(gmf))};
  for (const auto& tables : {testing::table_of_every_scheme(), testing::staged_tables()})
    for (const PackedTable& table : tables)
      files.push_back(unchecked(file_of_artifact(artifact_of_tables({table}))));
  return files;
}

}  // namespace mgqe::fuzzing
