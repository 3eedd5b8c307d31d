// Artifacts as they are served and as they are read whole: what opens must be safe to read,
// whatever it holds, and what verify() passes must read back.
#include "host/io/artifact.hpp"

#include <algorithm>

#include "host/serve/artifact_view.hpp"
#include "host/serve/row_reader.hpp"
#include "tests/fuzz/formats/small_models.hpp"
#include "tests/fuzz/fuzz_target.hpp"

namespace mgqe::fuzzing {
namespace {

constexpr int64_t kFew = 5;  // rows that are read

void read_rows(const TableView& table) {
  const RowReader reader(table);
  const int64_t some = std::min(kFew, reader.rows());
  std::vector<float> out(static_cast<size_t>(some * reader.dim()));
  reader.range(0, {out.data(), some, reader.dim()});
  reader.range(reader.rows() - some, {out.data(), some, reader.dim()});
  std::vector<Half> halves(static_cast<size_t>(reader.dim()));
  const int64_t last = reader.rows() - 1, behind = reader.rows();
  if (some > 0) reader.look_up(std::span(&last, 1), halves.data(), reader.dim());
  FUZZ_EXPECT(refused([&] { reader.look_up(std::span(&behind, 1), halves.data(), reader.dim()); }));
  std::vector<float> scored(static_cast<size_t>(some * reader.scored_dim()));
  reader.scored_range(0, {scored.data(), some, reader.scored_dim()});
}

/// Searches of an order that was not looked at may end anywhere but outside the rows.
void read_ids(const IdMap& ids, bool good) {
  for (const std::string_view text : {"", "a", "7", "-2", "\xC3\xA9"})
    refused([&] { FUZZ_EXPECT(ids.row_of(text) < ids.size()); });
  refused([&] { FUZZ_EXPECT(ids.row_of(int64_t{70}) < ids.size()); });
  for (int64_t row = 0; row < std::min(kFew, ids.size()); ++row) {
    const bool refusal = refused([&] {
      const int64_t found = ids.row_of(ids.text_of(row));
      FUZZ_EXPECT(!good || found == row, "id of row ", row, " is found at row ", found);
    });
    FUZZ_EXPECT(!good || !refusal, "row ", row);
  }
}

/// Of this version, and of the one before it, which stored no order of ids.
std::vector<std::string> models() {
  std::vector<std::string> models = small_model_files();
  const std::string path = scratch_path("seed.safetensors");
  file_of("seed.safetensors", input_of(models.front()));
  SafetensorsFile old = testing::version_two(read_safetensors(path));
  write_safetensors(path, old.arrays, old.metadata);
  models.push_back(unchecked(bytes_of(path)));
  return models;
}

void read(Input input) {
  static const std::vector<std::string> ours = models();
  const std::string file = whole_or_changed(input, ours);
  const Bytes bytes = aligned_bytes(input_of(file), "model.safetensors");
  const ArtifactView view = ArtifactView::open(bytes);
  const bool good = !refused([&] { view.verify(); });
  int64_t rows = 0;
  for (const std::string& name : view.table_names()) {
    read_rows(view.table(name));
    rows = std::max(rows, view.table(name).rows());
  }
  // Version 1 and 2 store no order, so that two rows with one id are seen by nobody.
  for (const std::string& entity : view.entities())
    read_ids(view.ids(entity), good && view.version() >= 3);
  FUZZ_EXPECT(view.sizes().file_bytes == bytes.size());
  if (rows > 1 << 20) return;  // hashed rows cost a file nothing, but each id its number in memory
  const bool readable = !refused([&] { read_artifact(bytes); });
  FUZZ_EXPECT(!good || readable, "verified, but not read");
}

std::vector<std::string> seeds() {
  std::vector<std::string> seeds = models();
  for (size_t i = seeds.size(); i > 0; --i)
    seeds.push_back(led_by(static_cast<char>(i - 1), std::string("\0\4\0", 3)));
  return seeds;
}

const RegisteredTarget kTarget({"artifact", read, seeds});

}  // namespace
}  // namespace mgqe::fuzzing
