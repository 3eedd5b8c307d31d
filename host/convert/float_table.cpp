#include "host/convert/float_table.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <vector>

#include <fmt/format.h>

#include "host/base/bfloat16.hpp"
#include "host/base/check.hpp"
#include "host/base/half.hpp"
#include "host/base/parallel.hpp"
#include "host/io/safetensors.hpp"
#include "host/packed/packed_scheme.hpp"

namespace mgqe {

namespace fs = std::filesystem;

namespace {

constexpr int64_t kGrain = 256;           // rows a thread takes at least
constexpr int64_t kCheckedAtOnce = 8192;  // rows
/// kMaxDim squares of it add up to a float.
constexpr float kLargest = 1e17f;

float to_float(double x) { return static_cast<float>(x); }

/// `count` stored values of type T, at any address.
template <class T>
void widen(const uint8_t* from, int64_t count, float* to) {
  if constexpr (std::is_same_v<T, float>) {
    std::memcpy(to, from, sizeof(float) * static_cast<size_t>(count));
  } else {
    for (int64_t i = 0; i < count; ++i) {
      T value;
      std::memcpy(&value, from + i * static_cast<int64_t>(sizeof(T)), sizeof(T));
      to[i] = to_float(value);
    }
  }
}

using Widen = void (*)(const uint8_t* from, int64_t count, float* to);

/// Null where the type is no float.
Widen widen_of(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return widen<float>;
    case DType::kF64:
      return widen<double>;
    case DType::kF16:
      return widen<Half>;
    case DType::kBf16:
      return widen<Bfloat16>;
    default:
      return nullptr;
  }
}

bool is_matrix_of_floats(const TensorInfo& info) {
  return info.shape.size() == 2 && widen_of(info.dtype) != nullptr;
}

FileArray array_of(const Bytes& file, const SafetensorsHeader& header, const std::string& name) {
  const TensorInfo& info = header.tensors.at(name);
  const auto data = file.span().subspan(static_cast<size_t>(header.header_bytes + info.begin),
                                        static_cast<size_t>(info.bytes()));
  return {file, file.name() + ":" + name, info.dtype, info.shape, data};
}

FileArray open_safetensors(const std::string& path, const std::string& wanted) {
  const Bytes file = Bytes::map(path);
  const SafetensorsHeader header = read_safetensors_header(file);
  if (header.tensors.contains(wanted)) return array_of(file, header, wanted);
  std::vector<std::string> matrices;
  for (const auto& [name, info] : header.tensors)
    if (is_matrix_of_floats(info)) matrices.push_back(name);
  if (!wanted.empty())
    input_error(path, " has no array \"", wanted, "\"; its matrices of floats are ",
                fmt::format("{}", fmt::join(matrices, ", ")));
  if (matrices.size() == 1) return array_of(file, header, matrices.front());
  input_error(path, " has ", matrices.size(), " matrices of floats", matrices.empty() ? "" : ": ",
              fmt::format("{}", fmt::join(matrices, ", ")),
              matrices.empty() ? "" : "; name one, FILE:NAME");
}

bool is_file(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

FileArray open_array(const std::string& where) {
  constexpr std::string_view kSuffix = ".safetensors", kNamed = ".safetensors:";
  if (where.ends_with(kSuffix)) return open_safetensors(where, "");
  const size_t found = where.rfind(kNamed);
  if (found != std::string::npos && !is_file(where))
    return open_safetensors(where.substr(0, found + kSuffix.size()),
                            where.substr(found + kNamed.size()));
  return read_npy(fs::path(where));
}

}  // namespace

FloatTable FloatTable::open(const std::string& where) { return FloatTable(open_array(where)); }

FloatTable::FloatTable(FileArray array) : array_(std::move(array)) {
  if (array_.shape.size() != 2)
    input_error(array_.name, " has the shape ", array_.shape_text(),
                " where a table (rows, columns) belongs");
  if (widen_of(array_.dtype) == nullptr)
    input_error(array_.name, " holds ", dtype_name(array_.dtype),
                " where F32, F16, BF16 or F64 belongs");
  if (rows() < 1 || rows() > kMaxTableRows || dim() < 1 || dim() > kMaxDim)
    input_error(array_.name, " has the shape ", array_.shape_text(), ": 1 to ", kMaxTableRows,
                " rows of 1 to ", kMaxDim, " columns can be converted");
}

std::string FloatTable::dtype() const { return dtype_name(array_.dtype); }

void FloatTable::gather(std::span<const int32_t> rows, View<float> out) const {
  MGQE_CHECK(out.rows == static_cast<int64_t>(rows.size()) && out.cols == dim(), "room (", out.rows,
             ", ", out.cols, ") for ", rows.size(), " rows of ", dim());
  const Widen widen_row = widen_of(array_.dtype);
  const int64_t row_bytes = dim() * dtype_bytes(array_.dtype);
  parallel_pieces(out.rows, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      widen_row(array_.bytes.data() + rows[static_cast<size_t>(i)] * row_bytes, dim(), out.row(i));
  });
}

namespace {

bool is_bad(float x) { return !(std::fabs(x) <= kLargest); }

/// The first row of the chunk with a bad value; its number of rows where none has.
int64_t first_bad_row(View<const float> chunk) {
  std::atomic<int64_t> first{chunk.rows};
  parallel_pieces(chunk.rows, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      int bad = 0;
      for (int64_t c = 0; c < chunk.cols; ++c) bad |= is_bad(chunk.row(r)[c]) ? 1 : 0;
      if (bad == 0) continue;
      int64_t known = first.load();
      while (r < known && !first.compare_exchange_weak(known, r)) continue;
      return;
    }
  });
  return first;
}

}  // namespace

void FloatTable::check(const WorkProgress& progress) const {
  std::vector<int32_t> rows(static_cast<size_t>(std::min(kCheckedAtOnce, this->rows())));
  std::vector<float> values(rows.size() * static_cast<size_t>(dim()));
  for (int64_t first = 0; first < this->rows();) {
    const int64_t count = std::min(kCheckedAtOnce, this->rows() - first);
    for (int64_t i = 0; i < count; ++i)
      rows[static_cast<size_t>(i)] = static_cast<int32_t>(first + i);
    const View<float> chunk(values.data(), count, dim());
    gather({rows.data(), static_cast<size_t>(count)}, chunk);
    if (const int64_t bad = first_bad_row(chunk); bad < count) {
      const float* const row = chunk.row(bad);
      const float* const value = std::find_if(row, row + dim(), is_bad);
      input_error(name(), ": row ", first + bad, ", column ", value - row, " is ", *value,
                  std::isfinite(*value) ? fmt::format(", beyond {:g}", kLargest)
                                        : " where a finite number belongs");
    }
    first += count;
    progress("checking", first, this->rows());
  }
}

}  // namespace mgqe
