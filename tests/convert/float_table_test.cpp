// Float tables from .npy and safetensors: every type, and every file that is not one.
#include "host/convert/float_table.hpp"

#include "host/io/safetensors.hpp"
#include "tests/support/convert_testing.hpp"

namespace mgqe::testing {
namespace {

std::vector<float> read_all(const FloatTable& table) {
  std::vector<int32_t> rows;
  for (int64_t r = 0; r < table.rows(); ++r) rows.push_back(static_cast<int32_t>(r));
  std::vector<float> values(static_cast<size_t>(table.rows() * table.dim()));
  table.gather(rows, {values.data(), table.rows(), table.dim()});
  return values;
}

FloatTable npy(const std::string& text) {
  return FloatTable(read_npy(Bytes::own(text, "table.npy")));
}
std::string refused(const std::string& text) {
  const std::string message = refusal([&] { npy(text); });
  EXPECT_CONTAINS(message, "table.npy");
  return message;
}

TEST(NpyTest, EveryFloatType) {
  const std::vector<float> values = {1.0f, -2.5f, 0.0f, 1024.0f, 3.0f, -0.125f};
  EXPECT_EQ(read_all(npy(npy_table(values, 3))), values);
  const std::vector<double> doubles(values.begin(), values.end());
  EXPECT_EQ(read_all(npy(npy_text(npy_header("<f8", "(2, 3)"), bytes_of(doubles)))), values);
  std::vector<Half> halves;
  for (const float value : values) halves.push_back(to_half(value));
  EXPECT_EQ(read_all(npy(npy_text(npy_header("<f2", "(2, 3)"), bytes_of(halves)))), values);
}

TEST(NpyTest, LaterVersionsOtherQuotesAndOddPlaces) {
  const std::vector<float> values = {1.0f, 2.0f};
  const std::string header = "{\"shape\":(2,1),\"fortran_order\":False,\"descr\":\"<f4\"}";
  for (const int version : {1, 2, 3})
    EXPECT_EQ(read_all(npy(npy_text(header, bytes_of(values), version))), values) << version;
}

TEST(NpyTest, RowsInAnyOrder) {
  const FloatTable table = table_in_memory({0, 1, 2, 3, 4, 5}, 2);
  std::vector<float> values(8);
  table.gather(std::vector<int32_t>{2, 0, 0, 1}, {values.data(), 4, 2});
  EXPECT_EQ(values, (std::vector<float>{4, 5, 0, 1, 0, 1, 2, 3}));
}

TEST(NpyTest, RefusesWhatIsNone) {
  const std::string data = bytes_of(std::vector<float>{1, 2, 3, 4});
  EXPECT_CONTAINS(refused(""), "numpy.save");
  EXPECT_CONTAINS(refused("\x93NUMPY"), "version");
  EXPECT_CONTAINS(refused(npy_text(npy_header("<f4", "(2, 2)"), data, 4)), "version is 4");
  EXPECT_CONTAINS(refused(npy_text(npy_header("<f4", "(2, 2)"), data).substr(0, 40)),
                  "ends within its header");
  EXPECT_CONTAINS(refused(npy_text(npy_header("<f4", "(2, 3)"), data)), "cut");
  EXPECT_CONTAINS(refused(npy_text(npy_header("<f4", "(2, 1)"), data)), "16 follow");
  EXPECT_CONTAINS(refused(npy_text(npy_header("<f4", "(4611686018427387904, 64)"), data)), "bytes");
  EXPECT_CONTAINS(refused(npy_text(npy_header("<f4", "(2, 2)", "True"), data)), "Fortran");
  EXPECT_CONTAINS(refused(npy_text(npy_header(">f4", "(2, 2)"), data)), "big-endian");
  EXPECT_CONTAINS(refused(npy_text(npy_header("|O", "(2, 2)"), data)), "pickled");
  EXPECT_CONTAINS(refused(npy_text(npy_header("<c8", "(2, 1)"), data)), "<c8");
  EXPECT_CONTAINS(refused(npy_text("{'descr': [('a', '<f4')], }", data)), "records");
  EXPECT_CONTAINS(refused(npy_text("{'descr': '<f4', 'shape': (2, 2), }", data)), "fortran_order");
  EXPECT_CONTAINS(refused(npy_text("{'descr: ", data)), "malformed");
  EXPECT_CONTAINS(refused(npy_text("{'fortran_order': Maybe", data)), "True or False");
  EXPECT_CONTAINS(refused(npy_text("{'shape': (2, -2)", data)), "shape");
}

TEST(FloatTableTest, RefusesWhatIsNoTable) {
  const auto with = [](const std::string& descr, const std::string& shape, size_t bytes) {
    return refused(npy_text(npy_header(descr, shape), std::string(bytes, '\0')));
  };
  EXPECT_CONTAINS(with("<f4", "(4,)", 16), "(rows, columns)");
  EXPECT_CONTAINS(with("<f4", "(1, 2, 2)", 16), "(1, 2, 2)");
  EXPECT_CONTAINS(with("<i4", "(2, 2)", 16), "I32");
  EXPECT_CONTAINS(with("<f4", "(0, 2)", 0), "(0, 2)");
  EXPECT_CONTAINS(with("<f4", "(1, 1025)", 4100), "1 to 1024 columns");
}

TEST(FloatTableTest, NamesTheFirstRowAndColumnThatIsNoNumber) {
  const int64_t rows = 20'000, dim = 3;  // several chunks
  const auto message = [&](float bad, std::vector<int64_t> places) {
    std::vector<float> values(static_cast<size_t>(rows * dim), 1.0f);
    for (const int64_t place : places) values[static_cast<size_t>(place)] = bad;
    const FloatTable table = table_in_memory(values, dim);
    return refusal([&] { table.check(ignore_progress); });
  };
  EXPECT_CONTAINS(message(NAN, {59'999, 45'001, 45'002}), "row 15000, column 1 is nan");
  EXPECT_CONTAINS(message(-INFINITY, {0}), "row 0, column 0 is -inf");
  EXPECT_CONTAINS(message(1e30f, {5}), "row 1, column 2 is 1e+30, beyond 1e+17");
  table_in_memory({1e17f, -1e17f}, 2).check(ignore_progress);
}

TEST(FloatTableTest, ADoubleBeyondFloatIsNoNumber) {
  const std::vector<double> doubles = {1.0, 1e300};
  const FloatTable table = npy(npy_text(npy_header("<f8", "(2, 1)"), bytes_of(doubles)));
  EXPECT_CONTAINS(refusal([&] { table.check(ignore_progress); }), "row 1, column 0 is inf");
}

TEST(FloatTableTest, SafetensorsByName) {
  const ScratchFolder folder;
  const std::string path = (folder / "model.safetensors").string();
  ArrayMap arrays;
  arrays["a.weight"] = HostArray(std::vector<float>{1, 2, 3, 4}, {2, 2});
  arrays["b"] = HostArray(std::vector<Bfloat16>{to_bfloat16(0.5f), to_bfloat16(-3.0f)}, {1, 2});
  arrays["bias"] = HostArray(std::vector<float>{1, 2}, {2});
  arrays["n"] = HostArray(std::vector<int64_t>{1, 2}, {1, 2});
  write_safetensors(path, arrays, {});
  EXPECT_EQ(read_all(FloatTable::open(path + ":a.weight")), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(read_all(FloatTable::open(path + ":b")), (std::vector<float>{0.5f, -3.0f}));
  EXPECT_CONTAINS(refusal([&] { FloatTable::open(path); }), "2 matrices of floats: a.weight, b");
  EXPECT_CONTAINS(refusal([&] { FloatTable::open(path + ":c"); }), "no array \"c\"");
  EXPECT_CONTAINS(refusal([&] { FloatTable::open(path + ":bias"); }), "(2)");
  EXPECT_CONTAINS(refusal([&] { FloatTable::open(path + ":n"); }), "I64");
  arrays.erase("b");
  write_safetensors(path, arrays, {});
  EXPECT_EQ(FloatTable::open(path).rows(), 2);
  EXPECT_CONTAINS(refusal([&] { FloatTable::open((folder / "no.npy").string()); }), "no such file");
}

}  // namespace
}  // namespace mgqe::testing
