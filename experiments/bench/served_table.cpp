#include "experiments/bench/served_table.hpp"

#include <numeric>
#include <random>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "host/convert/edit.hpp"
#include "host/io/artifact.hpp"
#include "host/io/atomic_file.hpp"
#include "host/packed/decode_row.hpp"

namespace mgqe::bench {
namespace {

constexpr int kHeadCentroids = 256, kTailCentroids = 64;

/// Every byte is one of some codes: all 2^bits of a tier are in use.
HostArray random_bytes(int64_t rows, int64_t row_bytes, std::mt19937_64& random) {
  HostArray array;
  array.dtype = DType::kU8;
  array.shape = {rows, row_bytes};
  array.bytes.resize(static_cast<size_t>(rows * row_bytes));
  for (size_t i = 0; i < array.bytes.size(); i += 8) {
    const uint64_t word = random();
    std::memcpy(array.bytes.data() + i, &word, std::min<size_t>(8, array.bytes.size() - i));
  }
  return array;
}

HostArray random_codebook(int64_t dim, std::mt19937_64& random) {
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(kHeadCentroids * dim));
  for (float& value : values) value = normal(random);
  return {values, {kHeadCentroids, dim}};
}

/// NumPy's format 1.0: magic, version, length of a header that ends in a newline at 64 bytes.
template <class T>
void write_npy(const std::filesystem::path& path, const char* type, const T* values, int64_t rows,
               int64_t cols) {
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}, {}), }}",
                                   type, rows, cols);
  header.resize((10 + header.size() + 1 + 63) / 64 * 64 - 11, ' ');
  header += '\n';
  const auto length = static_cast<uint16_t>(header.size());
  AtomicFile file(path);
  file.write("\x93NUMPY\x01\x00", 8);
  file.write(&length, 2);
  file.write(header.data(), header.size());
  file.write(values, sizeof(T) * static_cast<size_t>(rows * cols));
  file.commit();
}

}  // namespace

ServedTable ServedTable::draw(const TableShape& shape, uint64_t seed) {
  std::mt19937_64 random(seed);
  const int64_t head = (shape.rows + 9) / 10;
  ServedTable table;
  table.drawn_ = std::make_unique<PackedTable>();
  PackedTable& drawn = *table.drawn_;
  drawn.scheme = "mgqe";
  drawn.rows = shape.rows;
  drawn.dim = shape.dim;
  drawn.tiers = {{head, kHeadCentroids, shape.subspaces},
                 {shape.rows, kTailCentroids, shape.subspaces}};
  drawn.arrays["codebook"] = random_codebook(shape.dim, random);
  for (int t = 0; t < 2; ++t)
    drawn.arrays["codes." + std::to_string(t)] = random_bytes(
        drawn.tier_rows(t),
        packed_row_bytes(shape.subspaces, code_bits(t == 0 ? kHeadCentroids : kTailCentroids)),
        random);
  PackedTable form = drawn;
  form.arrays.clear();
  table.reader_ = std::make_unique<RowReader>(
      TableView("item", std::move(form), views_of(drawn.arrays), "a drawn table"));
  return table;
}

ServedTable ServedTable::open(const std::filesystem::path& path, const std::string& name) {
  const ArtifactView artifact = ArtifactView::open(path);
  const std::vector<std::string> names = artifact.table_names();
  const std::string chosen = !name.empty() ? name : names.size() == 1 ? names[0] : "item";
  const TableView& view = artifact.table(chosen);
  if (!view.form().has_codes())
    input_error(path.string(), ": table ", chosen, " is ", view.form().scheme,
                ", which has no codes; its tables: ", fmt::format("{}", fmt::join(names, ", ")));
  ServedTable table;
  table.artifact_ = artifact;
  table.reader_ = std::make_unique<RowReader>(view);
  return table;
}

int64_t ServedTable::code_bytes() const {
  int64_t bytes = 0;
  for (int t = 0; t < tiers().ranges.count; ++t)
    bytes += tiers().ranges.rows(t) * tiers().tiers[t].row_bytes();
  return bytes;
}

int64_t ServedTable::write(const std::filesystem::path& path) const {
  MGQE_CHECK(drawn_ != nullptr, "the table is an artifact's already");
  OriginalIds ids;
  ids.integers.resize(static_cast<size_t>(rows()));
  std::iota(ids.integers.begin(), ids.integers.end(), int64_t{0});
  write_artifact(path,
                 table_artifact("item", *drawn_, std::move(ids), {}, nlohmann::json::object()));
  return static_cast<int64_t>(std::filesystem::file_size(path));
}

void ServedTable::dump(const std::filesystem::path& folder, View<const float> queries) const {
  ensure_writable_directory(folder);
  const std::vector<uint8_t> codes = unpacked_codes(tiers());
  write_npy(folder / "codes.npy", "|u1", codes.data(), rows(), subspaces());
  write_npy(folder / "codebook.npy", "<f4", tiers().tiers[0].codebook,
            int64_t{1} << tiers().tiers[0].bits, dim());
  write_npy(folder / "queries.npy", "<f4", queries.data, queries.rows, queries.cols);
  write(folder / "model.safetensors");
}

std::vector<uint8_t> unpacked_codes(const PackedTiers& table) {
  const int subspaces = table.tiers[0].subspaces;
  std::vector<uint8_t> codes;
  codes.reserve(static_cast<size_t>(table.ranges.end[table.ranges.count - 1] * subspaces));
  for (int t = 0; t < table.ranges.count; ++t) {
    MGQE_CHECK(table.tiers[t].subspaces == subspaces, "tiers differ in their subspaces");
    for (int64_t row = table.ranges.begin(t); row < table.ranges.end[t]; ++row)
      for (int j = 0; j < subspaces; ++j)
        codes.push_back(
            static_cast<uint8_t>(unpack_code(table.row(t, row), j, table.tiers[t].bits)));
  }
  return codes;
}

}  // namespace mgqe::bench
