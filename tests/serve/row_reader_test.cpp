// Rows as they are served: the bits that training decodes, of every scheme and type.
#include "host/serve/row_reader.hpp"

#include <thread>

#include <gtest/gtest.h>

#include "models/packing/device_table.hpp"
#include "tests/support/io_testing.hpp"

namespace mgqe {
namespace {

using testing::refusal;
using testing::ScratchFolder;

/// Calls check(name, reader, rows (n, d) as the CPU back end decodes them) for every scheme.
template <class Check>
void for_every_scheme(const Check& check) {
  std::vector<PackedTable> tables = testing::table_of_every_scheme();
  for (const int bits : {1, 5, 11, 16}) tables.push_back(testing::scalar_table(9, 10, bits));
  const auto backend = make_backend("cpu");
  const ScratchFolder folder;
  for (const PackedTable& table : tables) {
    Artifact artifact = testing::small_artifact();
    artifact.model.tables["item"] = table;
    write_artifact(folder / "a", artifact);
    const ArtifactView view = ArtifactView::open(folder / "a");
    SCOPED_TRACE(table.scheme);
    check(RowReader(view.table("item")), decode_table(*backend, table).to_host());
  }
}

TEST(RowReader, DecodesWhatTrainingDecodes) {
  for_every_scheme([](const RowReader& reader, const std::vector<float>& rows) {
    std::vector<float> out(rows.size());
    reader.range(0, {out.data(), reader.rows(), reader.dim()});
    EXPECT_EQ(out, rows);
  });
}

TEST(RowReader, LooksUpInAnyOrderAndType) {
  for_every_scheme([](const RowReader& reader, const std::vector<float>& rows) {
    const int64_t d = reader.dim(), stride = d + 3;
    std::vector<int64_t> wanted;
    for (int64_t i = 0; i < 50; ++i) wanted.push_back((i * 7 + 3) % reader.rows());
    const auto expect = [&](auto sample, auto round) {
      using T = decltype(sample);
      for (const int threads : {1, 3}) {
        std::vector<T> out(wanted.size() * static_cast<size_t>(stride), T{});
        reader.look_up(wanted, out.data(), stride, threads);
        for (size_t i = 0; i < wanted.size(); ++i)
          for (int64_t c = 0; c < stride; ++c) {
            const T want = c < d ? round(rows[static_cast<size_t>(wanted[i] * d + c)]) : T{};
            const T got = out[i * static_cast<size_t>(stride) + static_cast<size_t>(c)];
            ASSERT_EQ(std::memcmp(&got, &want, sizeof got), 0) << "row " << wanted[i] << ", " << c;
          }
      }
    };
    expect(0.0f, [](float x) { return x; });
    expect(Half{}, [](float x) { return to_half(x); });
    expect(Bfloat16{}, [](float x) { return to_bfloat16(x); });
  });
}

TEST(RowReader, RefusesRowsThatAreNoneAndWritesNothing) {
  for_every_scheme([](const RowReader& reader, const std::vector<float>&) {
    for (const int64_t row : {int64_t{-1}, reader.rows(), int64_t{1} << 40}) {
      std::vector<float> out(static_cast<size_t>(2 * reader.dim()), 7.0f);
      const std::vector<int64_t> wanted = {0, row};
      EXPECT_CONTAINS(refusal([&] { reader.look_up(wanted, out.data(), reader.dim()); }),
                      "row " + std::to_string(row) + " (number 1 of those asked for) is not in");
      for (const float value : out) EXPECT_EQ(value, 7.0f);
    }
  });
}

/// Codes beyond K are read from room that is there.
TEST(RowReader, ReadsADamagedFileWithinItsBounds) {
  PackedTable table = testing::table_of("dpq_vq", 9, 8);
  table.tiers = {{9, 5, 4}};
  table.arrays["codebook"] = HostArray(testing::some_floats(5 * 8, 3), {5, 8});
  table.arrays["codes.0"] = HostArray(std::vector<uint8_t>(9 * 2, 0), {9, 2});
  Artifact artifact = testing::small_artifact();
  artifact.model.tables["item"] = table;
  const ScratchFolder folder;
  write_artifact(folder / "a", artifact);
  std::string bytes = testing::read_text(folder / "a");
  const SafetensorsHeader header = read_safetensors_header(folder / "a");
  const TensorInfo& codes = header.tensors.at("item.codes.0");
  for (int64_t i = codes.begin; i < codes.end; ++i)
    bytes[static_cast<size_t>(header.header_bytes + i)] = static_cast<char>(0xFF);
  testing::write_text(folder / "a", bytes);
  const ArtifactView view = ArtifactView::open(folder / "a");
  const RowReader reader(view.table("item"));
  std::vector<float> out(9 * 8, 7.0f);
  reader.range(0, {out.data(), 9, 8});
  for (const float value : out) EXPECT_EQ(value, 0.0f);
}

TEST(RowReader, ServesManyThreads) {
  for_every_scheme([](const RowReader& reader, const std::vector<float>& rows) {
    std::vector<std::thread> threads;
    std::atomic<int> wrong = 0;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        std::vector<Half> out(static_cast<size_t>(reader.dim()));
        for (int64_t i = 0; i < 200; ++i) {
          const std::vector<int64_t> row = {(i * 5 + t) % reader.rows()};
          reader.look_up(row, out.data(), reader.dim());
          for (int64_t c = 0; c < reader.dim(); ++c)
            wrong += out[static_cast<size_t>(c)].bits !=
                     to_half(rows[static_cast<size_t>(row[0] * reader.dim() + c)]).bits;
        }
      });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0);
  });
}

}  // namespace
}  // namespace mgqe
