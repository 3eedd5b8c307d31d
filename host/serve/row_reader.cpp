#include "host/serve/row_reader.hpp"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <vector>

#include "host/packed/code_space.hpp"
#include "host/packed/decode_row.hpp"
#include "host/serve/pieces.hpp"

namespace mgqe {
namespace {

constexpr int64_t kGrain = 1024;   // rows that are worth a thread
constexpr int64_t kTogether = 32;  // rows whose stages are decoded at a time

/// Rounds to the type asked for.
inline void put(float value, float& out) { out = value; }
inline void put(float value, Half& out) { out = to_half(value); }
inline void put(float value, Bfloat16& out) { out = to_bfloat16(value); }

template <class Id>
int64_t row_of(const Id* ids, int64_t first, int64_t i) {
  return ids == nullptr ? first + i : static_cast<int64_t>(ids[i]);
}

void check_range(int64_t first, int64_t count, int64_t rows) {
  MGQE_CHECK(first >= 0 && first + count <= rows, "rows ", first, " to ", first + count, " of ",
             rows);
}

}  // namespace

/// Codebooks filled up to 2^bits rows, and the same rounded to 16 bits once somebody asks for it.
struct RowReader::Codebooks {
  explicit Codebooks(const TableView& table)
      : tiers(table.packed_tiers()),
        space(table.form(),
              table.form().rotated ? table.as<float>("rotation") : std::span<const float>()) {
    for (int t = 0; t < tiers.ranges.count; ++t) fill_up(t);
  }

  /// A codebook that tiers share is as large as the largest asks for, the first.
  void fill_up(int t) {
    CodedTier& tier = tiers.tiers[t];
    const int64_t rows = int64_t{1} << tier.bits;
    if (t > 0 && tier.codebook == first_codebook) {
      tier.codebook = tiers.tiers[0].codebook;
      return;
    }
    if (t == 0) first_codebook = tier.codebook;
    const int64_t known = tiers.ranges.centroids[t];
    std::vector<float>& filled = floats[t];
    filled.assign(static_cast<size_t>(rows * tiers.dim), 0.0f);
    std::copy_n(tier.codebook, known * tiers.dim, filled.data());
    tier.codebook = filled.data();
  }

  template <class T>
  struct Rounded {
    std::once_flag once;
    std::vector<T> values[kMaxTiers];
    const T* of[kMaxTiers] = {};
  };

  template <class T>
  const T* const* round(Rounded<T>& rounded) {
    std::call_once(rounded.once, [&] {
      for (int t = 0; t < tiers.ranges.count; ++t) {
        rounded.of[t] = rounded.of[0];
        if (floats[t].empty()) continue;
        for (const float value : floats[t]) {
          rounded.values[t].emplace_back();
          put(value, rounded.values[t].back());
        }
        rounded.of[t] = rounded.values[t].data();
      }
    });
    return rounded.of;
  }

  const float* codebook(int t, float*) const { return tiers.tiers[t].codebook; }
  const Half* codebook(int t, Half*) { return round(halves)[t]; }
  const Bfloat16* codebook(int t, Bfloat16*) { return round(bfloats)[t]; }

  PackedTiers tiers;
  CodeSpace space;
  const float* first_codebook = nullptr;
  std::vector<float> floats[kMaxTiers];
  Rounded<Half> halves;
  Rounded<Bfloat16> bfloats;
};

RowReader::RowReader(TableView table) : table_(std::move(table)) {
  if (table_.form().has_codes()) codebooks_ = std::make_unique<Codebooks>(table_);
}
RowReader::RowReader(RowReader&&) noexcept = default;
RowReader::~RowReader() = default;

const PackedTiers& RowReader::tiers() const {
  MGQE_CHECK(codebooks_ != nullptr, "table ", table_.name(), " has no codes");
  return codebooks_->tiers;
}

namespace {

/// Rows of the schemes without codes, one at a time into floats.
class PlainRows {
 public:
  explicit PlainRows(const TableView& table) : form_(table.form()) {
    const std::string& scheme = form_.scheme;
    const auto floats = [&](const std::string& name) { return table.as<float>(name).data(); };
    if (scheme == "full") {
      values_ = floats("table");
      read_ = &PlainRows::copy;
    } else if (scheme == "hashed" || scheme == "multiplexed") {
      values_ = floats("table");
      read_ = &PlainRows::copy_bucket;
    } else if (scheme == "low_rank") {
      values_ = floats("factor");
      others_ = floats("basis");
      read_ = &PlainRows::multiply_factor;
    } else if (scheme == "scalar_quantized" || scheme == "lsq") {
      cells_ = table.as<uint8_t>("cells").data();
      low_ = floats("low");
      high_ = floats("high");
      read_ = &PlainRows::dequantize;
    } else if (scheme == "quotient_remainder") {
      values_ = floats("quotients");
      others_ = floats("remainders");
      read_ = &PlainRows::multiply_parts;
    } else if (scheme == "memcom") {
      values_ = floats("table");
      others_ = floats("factors");
      read_ = &PlainRows::scale_bucket;
    } else if (scheme == "mixed_dim") {
      for (size_t i = 0; i < form_.blocks.size(); ++i) {
        const bool projected = form_.blocks[i].width < form_.dim;
        blocks_[i] = floats("table." + std::to_string(i));
        projections_[i] = projected ? floats("projection." + std::to_string(i)) : nullptr;
      }
      read_ = &PlainRows::project_block;
    } else {
      input_error("table ", table.name(), ": rows of the scheme ", scheme, " cannot be served");
    }
  }

  void read(int64_t row, float* out) const { (this->*read_)(row, out); }

 private:
  const float* value_row(int64_t row) const { return values_ + row * form_.dim; }

  void copy(int64_t row, float* out) const { std::copy_n(value_row(row), form_.dim, out); }
  void copy_bucket(int64_t row, float* out) const { copy(hash_bucket(row, form_.buckets), out); }

  void multiply_factor(int64_t row, float* out) const {
    multiply(values_ + row * form_.rank, form_.rank, others_, out);
  }
  /// In the order of the matrix product that training decodes by: one fma chain over the width.
  void multiply(const float* narrow, int64_t width, const float* basis, float* out) const {
    const int64_t d = form_.dim;
    std::fill_n(out, d, 0.0f);
    for (int64_t k = 0; k < width; ++k)
      for (int64_t c = 0; c < d; ++c) out[c] = std::fma(narrow[k], basis[k * d + c], out[c]);
  }

  void multiply_parts(int64_t row, float* out) const {
    const float* const quotient = value_row(row / form_.buckets);
    const float* const remainder = others_ + row % form_.buckets * form_.dim;
    for (int64_t c = 0; c < form_.dim; ++c) out[c] = quotient[c] * remainder[c];
  }

  void scale_bucket(int64_t row, float* out) const {
    const float* const shared = value_row(row % form_.buckets);
    for (int64_t c = 0; c < form_.dim; ++c) out[c] = shared[c] * others_[row];
  }

  void project_block(int64_t row, float* out) const {
    size_t i = 0;
    while (row >= form_.blocks[i].end) ++i;
    const int64_t width = form_.blocks[i].width;
    const float* const narrow = blocks_[i] + (row - form_.block_begin(i)) * width;
    if (projections_[i] == nullptr)
      std::copy_n(narrow, width, out);
    else
      multiply(narrow, width, projections_[i], out);
  }

  void dequantize(int64_t row, float* out) const {
    const int bits = static_cast<int>(form_.bits);
    const uint8_t* packed = cells_ + row * packed_row_bytes(static_cast<int>(form_.dim), bits);
    for (int64_t c = 0; c < form_.dim; ++c)
      out[c] = scalar_value(unpack_cell(packed, c, bits), low_[c], high_[c], bits);
  }

  const PackedTable& form_;
  void (PlainRows::*read_)(int64_t, float*) const = nullptr;
  const float *values_ = nullptr, *others_ = nullptr, *low_ = nullptr, *high_ = nullptr;
  const uint8_t* cells_ = nullptr;
  const float *blocks_[kMaxTiers] = {}, *projections_[kMaxTiers] = {};
};

}  // namespace

template <class T, class Id>
void RowReader::decode(const Id* ids, int64_t first, int64_t count, T* out, int64_t stride) const {
  if (codebooks_ == nullptr) {
    const PlainRows plain(table_);
    std::vector<float> row(static_cast<size_t>(dim()));
    for (int64_t i = 0; i < count; ++i) {
      plain.read(row_of(ids, first, i), row.data());
      for (int64_t c = 0; c < dim(); ++c) put(row[c], out[i * stride + c]);
    }
    return;
  }
  if (codebooks_->space.plain()) return decode_codes(ids, first, count, out, stride);
  decode_stages(ids, first, count, out, stride);
}

template <class T, class Id>
void RowReader::decode_codes(const Id* ids, int64_t first, int64_t count, T* out,
                             int64_t stride) const {
  const PackedTiers& tiers = codebooks_->tiers;
  const T* of[kMaxTiers];
  for (int t = 0; t < tiers.ranges.count; ++t)
    of[t] = codebooks_->codebook(t, static_cast<T*>(nullptr));
  for (int64_t i = 0; i < count; ++i) {
    if (ids != nullptr && i + kRowsAhead < count) {
      const int64_t ahead = static_cast<int64_t>(ids[i + kRowsAhead]);
      __builtin_prefetch(tiers.row(tiers.ranges.tier_of(ahead), ahead));
    }
    const int64_t id = row_of(ids, first, i);
    const int t = tiers.ranges.tier_of(id);
    decode_any_row(packed_row(tiers, t, id), of[t], tiers.dim, out + i * stride);
  }
}

/// In floats, rounded at the end.
template <class T, class Id>
void RowReader::decode_stages(const Id* ids, int64_t first, int64_t count, T* out,
                              int64_t stride) const {
  const CodeSpace& space = codebooks_->space;
  std::vector<float> stages(static_cast<size_t>(kTogether * space.code_dim()));
  std::vector<float> row(static_cast<size_t>(dim()));
  for (int64_t begin = 0; begin < count; begin += kTogether) {
    const int64_t here = std::min(kTogether, count - begin);
    decode_codes(ids == nullptr ? ids : ids + begin, first + begin, here, stages.data(),
                 space.code_dim());
    for (int64_t i = 0; i < here; ++i) {
      space.row_of(stages.data() + i * space.code_dim(), row.data());
      for (int64_t c = 0; c < dim(); ++c) put(row[c], out[(begin + i) * stride + c]);
    }
  }
}

bool RowReader::scored_plainly() const {
  return codebooks_ == nullptr || codebooks_->space.plain();
}

std::vector<float> RowReader::queries_of(View<const float> queries) const {
  std::vector<float> scored(static_cast<size_t>(queries.rows * scored_dim()));
  for (int64_t m = 0; m < queries.rows; ++m) {
    float* const out = scored.data() + m * scored_dim();
    if (codebooks_ == nullptr)
      std::copy_n(queries.row(m), dim(), out);
    else
      codebooks_->space.query_of(queries.row(m), out);
  }
  return scored;
}

void RowReader::scored_range(int64_t first, View<float> out) const {
  if (codebooks_ == nullptr) return range(first, out);
  check_range(first, out.rows, rows());
  decode_codes(static_cast<const int32_t*>(nullptr), first, out.rows, out.data, out.cols);
}

void RowReader::scored_look_up(std::span<const int64_t> ids, View<float> out) const {
  if (codebooks_ == nullptr) return look_up(ids, out.data, out.cols);
  check(ids);
  decode_codes(ids.data(), 0, out.rows, out.data, out.cols);
}

void RowReader::fetch(std::span<const int32_t> ids, View<float> out) const {
  decode(ids.data(), 0, static_cast<int64_t>(ids.size()), out.data, out.cols);
}

void RowReader::range(int64_t first, View<float> out) const {
  check_range(first, out.rows, rows());
  decode(static_cast<const int32_t*>(nullptr), first, out.rows, out.data, out.cols);
}

void RowReader::check(std::span<const int64_t> ids) const {
  for (size_t i = 0; i < ids.size(); ++i)
    if (ids[i] < 0 || ids[i] >= rows())
      input_error("row ", ids[i], " (number ", i, " of those asked for) is not in table ",
                  table_.name(), ", which has rows 0 to ", rows() - 1);
}

template <class T>
void RowReader::look_up(std::span<const int64_t> ids, T* out, int64_t stride, int threads) const {
  check(ids);
  in_pieces(static_cast<int64_t>(ids.size()), kGrain, threads, [&](int64_t begin, int64_t end) {
    decode(ids.data() + begin, 0, end - begin, out + begin * stride, stride);
  });
}

template void RowReader::look_up(std::span<const int64_t>, float*, int64_t, int) const;
template void RowReader::look_up(std::span<const int64_t>, Half*, int64_t, int) const;
template void RowReader::look_up(std::span<const int64_t>, Bfloat16*, int64_t, int) const;

}  // namespace mgqe
