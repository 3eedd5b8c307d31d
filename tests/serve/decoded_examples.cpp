// decoded_examples FOLDER: writes an artifact for every scheme, FOLDER/N.safetensors, in this
// version and, FOLDER/N-v2.safetensors, the one before, and beside it the rows of its item table as
// our CPU back end decodes them, or a plain loop those in stages, FOLDER/N.f32. For
// read_artifact_test.sh.
#include <cstdio>
#include <filesystem>

#include "models/packing/device_table.hpp"
#include "tests/support/convert_testing.hpp"

namespace mgqe {

std::vector<float> plain_rows(const PackedTable& table) {
  std::vector<float> rows;
  for (int64_t r = 0; r < table.rows; ++r)
    for (const float value : testing::decoded_row(table, r)) rows.push_back(value);
  return rows;
}

void write_examples(const std::filesystem::path& folder) {
  std::vector<PackedTable> tables = testing::table_of_every_scheme();
  for (const int bits : {1, 5, 8, 11, 16}) tables.push_back(testing::scalar_table(9, 10, bits));
  for (const PackedTable& table : testing::staged_tables()) tables.push_back(table);
  const auto backend = make_backend("cpu");
  int number = 0;
  for (const PackedTable& table : tables) {
    Artifact artifact = testing::small_artifact();
    artifact.model.tables["item"] = table;
    const std::string name = std::to_string(number++);
    write_artifact(folder / (name + ".safetensors"), artifact);
    const SafetensorsFile file =
        testing::version_two(read_safetensors(folder / (name + ".safetensors")));
    write_safetensors(folder / (name + "-v2.safetensors"), file.arrays, file.metadata);
    const std::vector<float> rows =
        table.scheme == "prq" ? plain_rows(table) : decode_table(*backend, table).to_host();
    testing::write_text(folder / (name + ".f32"),
                        {reinterpret_cast<const char*>(rows.data()), rows.size() * sizeof(float)});
    std::printf("%s %s\n", name.c_str(), table.scheme.c_str());
  }
}

}  // namespace mgqe

int main(int, char** argv) { mgqe::write_examples(argv[1]); }
