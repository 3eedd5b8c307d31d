#include "host/convert/convert.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "host/base/check.hpp"
#include "host/base/parallel.hpp"
#include "host/base/sampling.hpp"
#include "host/config/scheme_traits.hpp"
#include "host/packed/packed_scheme.hpp"
#include "models/embeddings/embedding.hpp"

namespace mgqe {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kGrain = 256;  // rows a thread takes at least

double seconds_since(Clock::time_point began) {
  return std::chrono::duration<double>(Clock::now() - began).count();
}

class Converter {
 public:
  Converter(Backend& backend, const FloatTable& source, std::vector<int32_t> order,
            const ConvertOptions& options, const WorkProgress& progress)
      : backend_(backend), source_(source), options_(options), progress_(progress) {
    result_.order = std::move(order);
    tiers_ = make_tiers(options.embedding, source.rows());
    PackedTable& table = result_.table;
    table.scheme = options.stages > 1 || options.rotate ? "prq" : "mgqe";
    table.stages = options.stages;
    table.rotated = options.rotate;
    if (rounds()) table.codebook_type = DType::kF16;
    table.rows = source.rows();
    table.dim = source.dim();
    for (int t = 0; t < tiers_.count; ++t)
      table.tiers.push_back({tiers_.end[t], tiers_.centroids[t], options.embedding.subspaces[0]});
    codebooks_.resize(static_cast<size_t>(options.stages));
    for (std::vector<float>& stage : codebooks_)
      stage.resize(static_cast<size_t>(tiers_.centroids[0] * table.dim));
  }

  Converted convert() {
    const Clock::time_point began = Clock::now();
    learn();
    result_.learn_seconds = seconds_since(began);
    encode();
    result_.encode_seconds = seconds_since(began) - result_.learn_seconds;
    return std::move(result_);
  }

 private:
  int32_t row_at(int64_t place) const {
    return result_.order.empty() ? static_cast<int32_t>(place)
                                 : result_.order[static_cast<size_t>(place)];
  }

  /// From the last tier on: each range of centroids by the rows of the tiers that end with it.
  void learn() {
    if (options_.rotate) learn_rotation();
    int known = 0;
    for (int last = tiers_.count - 1; last >= 0;) {
      int first = last;
      while (first > 0 && tiers_.centroids[first - 1] == tiers_.centroids[last]) --first;
      const CodebookRange range{known, tiers_.centroids[last]};
      learn_range(range, tiers_.begin(first), tiers_.end[last]);
      known = range.last;
      last = first - 1;
    }
    HostArray joined(joined_codebook(), {tiers_.centroids[0], result_.table.code_dim()});
    result_.table.arrays["codebook"] = rounds() ? narrowed_to_half(joined) : std::move(joined);
  }

  /// (K_1, S d): the stages' centroids side by side.
  std::vector<float> joined_codebook() const {
    std::vector<float> joined;
    for (int64_t k = 0; k < tiers_.centroids[0]; ++k)
      for (const std::vector<float>& stage : codebooks_) {
        const float* const centroid = stage.data() + k * source_.dim();
        joined.insert(joined.end(), centroid, centroid + source_.dim());
      }
    return joined;
  }

  /// By the K of the tier that most rows are of.
  void learn_rotation() {
    int tier = 0;
    for (int t = 1; t < tiers_.count; ++t)
      if (tiers_.rows(t) > tiers_.rows(tier)) tier = t;
    const int64_t dim = source_.dim();
    RotationOptions learning{options_.embedding.subspaces[0], tiers_.centroids[tier],
                             options_.iterations, options_.seed};
    const int64_t most = options_.sample > 0
                             ? options_.sample
                             : std::min(kRotationRowsPerCentroid * std::max(learning.centroids, 64),
                                        kSampledComponents / dim);
    const std::vector<float> sample = sample_of(0, source_.rows(), most);
    const View<const float> rows(sample.data(), static_cast<int64_t>(sample.size()) / dim, dim);
    const std::string task = fmt::format("learning a rotation of {} rows", rows.rows);
    learning.iterated = [&](int iteration) { progress_(task, iteration, options_.iterations); };
    result_.rotation = mgqe::learn_rotation(backend_, rows, learning);
    result_.rotation_sample = rows.rows;
    result_.table.arrays["rotation"] = HostArray(result_.rotation->rotation, {dim, dim});
  }

  /// `most` of the rows at places [begin, end), in the order of the file.
  std::vector<float> sample_of(int64_t begin, int64_t end, int64_t most) const {
    const int64_t dim = source_.dim(), population = end - begin, count = std::min(most, population);
    std::vector<int32_t> rows(static_cast<size_t>(count));
    const Permutation choose(static_cast<uint64_t>(population),
                             stream_key(options_.seed, RandomStream::kShuffle));
    for (int64_t i = 0; i < count; ++i) {
      const int64_t chosen =
          count == population ? i : static_cast<int64_t>(choose(static_cast<uint64_t>(i)));
      rows[static_cast<size_t>(i)] = row_at(begin + chosen);
    }
    std::sort(rows.begin(), rows.end());  // a file is read best from its beginning
    std::vector<float> sample(static_cast<size_t>(count * dim));
    source_.gather(rows, {sample.data(), count, dim});
    return sample;
  }

  /// By rows at places [begin, end); where there are none, by all.
  void learn_range(CodebookRange range, int64_t begin, int64_t end) {
    if (begin == end) {
      begin = 0;
      end = source_.rows();
    }
    const int64_t dim = source_.dim(), population = end - begin;
    const int64_t most = options_.sample > 0
                             ? options_.sample
                             : std::min(kRowsPerCentroid * range.last, kSampledComponents / dim);
    std::vector<float> sample = sample_of(begin, end, most);
    const View<float> rows(sample.data(), static_cast<int64_t>(sample.size()) / dim, dim);
    rotate(rows);
    for (int s = 0; s < options_.stages; ++s) {
      LearnOptions learning{options_.embedding.subspaces[0], options_.iterations, options_.seed};
      std::string task =
          fmt::format("learning {} centroids of {} rows", range.last - range.first, rows.rows);
      if (options_.stages > 1) task += fmt::format(", stage {}", s + 1);
      learning.iterated = [&](int iteration) { progress_(task, iteration, options_.iterations); };
      std::vector<float>& codebook = codebooks_[static_cast<size_t>(s)];
      learn_centroids(backend_, rows, range, learning, codebook);
      if (rounds()) round_to_half(codebook);
      if (s + 1 < options_.stages) subtract_decoded(rows, codebook, range.last);
    }
    result_.learnt.push_back({range, rows.rows, population});
  }

  bool rounds() const { return options_.embedding.codebook_type == CodebookType::kF16; }

  /// Before rows are encoded, and what is left of them goes to the next stage.
  static void round_to_half(std::vector<float>& codebook) {
    for (float& value : codebook) {
      const float rounded = to_float(to_half(value));
      if (!std::isfinite(rounded))
        input_error("--codebook-type f16: a centroid has a component of ", value,
                    ", and binary16 ends at 65504: choose f32, or scale the table");
      value = rounded;
    }
  }

  void rotate(View<float> rows) const {
    if (!options_.rotate) return;
    const CodeSpace space(result_.table);
    parallel_pieces(rows.rows, kGrain, [&](int64_t begin, int64_t end) {
      std::vector<float> row(static_cast<size_t>(rows.cols));
      for (int64_t r = begin; r < end; ++r) {
        space.rotate(rows.row(r), row.data());
        std::copy(row.begin(), row.end(), rows.row(r));
      }
    });
  }

  /// What is left to code of rows by the first `limit` centroids of a stage.
  void subtract_decoded(View<float> rows, const std::vector<float>& codebook, int limit) const {
    std::vector<float> decoded(static_cast<size_t>(rows.size()));
    decode_nearest(backend_, rows, codebook, limit, options_.embedding.subspaces[0],
                   {decoded.data(), rows.rows, rows.cols});
    for (int64_t i = 0; i < rows.size(); ++i) rows.data[i] -= decoded[static_cast<size_t>(i)];
  }

  /// In the order of the file; codes go where their rows belong.
  void encode() {
    PackedTable& table = result_.table;
    RowEncoder encoder(backend_, table);
    for (int t = 0; t < tiers_.count; ++t) {
      HostArray& codes = table.arrays["codes." + std::to_string(t)];
      codes.dtype = DType::kU8;
      codes.shape = {tiers_.rows(t), encoder.row_bytes(t)};
      codes.bytes.resize(static_cast<size_t>(codes.size()));
    }
    result_.errors.resize(static_cast<size_t>(tiers_.count));
    std::vector<int32_t> places;
    if (!result_.order.empty()) {
      places.resize(result_.order.size());
      for (size_t p = 0; p < places.size(); ++p)
        places[static_cast<size_t>(result_.order[p])] = static_cast<int32_t>(p);
    }
    const int64_t chunk = std::min(RowEncoder::max_rows(table.dim), table.rows);
    rows_.resize(static_cast<size_t>(chunk * table.dim));
    for (int64_t first = 0; first < table.rows; first += chunk) {
      const int64_t last = std::min(first + chunk, table.rows);
      encode_chunk(encoder, first, last, places);
      progress_("encoding", last, table.rows);
    }
  }

  void encode_chunk(RowEncoder& encoder, int64_t first, int64_t last,
                    const std::vector<int32_t>& places) {
    std::vector<std::vector<int32_t>> rows(static_cast<size_t>(tiers_.count));
    const auto place_of = [&](int64_t row) -> int64_t {
      return places.empty() ? row : places[static_cast<size_t>(row)];
    };
    for (int64_t r = first; r < last; ++r)
      rows[static_cast<size_t>(tiers_.tier_of(place_of(r)))].push_back(static_cast<int32_t>(r));
    for (int t = 0; t < tiers_.count; ++t) {
      const std::vector<int32_t>& chosen = rows[static_cast<size_t>(t)];
      const View<float> values(rows_.data(), static_cast<int64_t>(chosen.size()), source_.dim());
      source_.gather(chosen, values);
      const auto bytes = static_cast<size_t>(encoder.row_bytes(t));
      packed_.resize(chosen.size() * bytes);
      result_.errors[static_cast<size_t>(t)].add(encoder.encode(t, values, packed_.data()));
      uint8_t* const codes = result_.table.arrays["codes." + std::to_string(t)].bytes.data();
      for (size_t i = 0; i < chosen.size() && bytes > 0; ++i) {
        const auto place = static_cast<size_t>(place_of(chosen[i]) - tiers_.begin(t));
        std::copy_n(packed_.data() + i * bytes, bytes, codes + place * bytes);
      }
    }
  }

  Backend& backend_;
  const FloatTable& source_;
  const ConvertOptions& options_;
  const WorkProgress& progress_;
  Tiers tiers_;
  Converted result_;
  std::vector<std::vector<float>> codebooks_;  // (S), each (K_1, d)
  std::vector<float> rows_;                    // (chunk, d)
  std::vector<uint8_t> packed_;
};

}  // namespace

void ConvertOptions::resolve(const FloatTable& table) {
  const SchemeTraits& mgqe = traits_of_scheme("mgqe");
  embedding.scheme = mgqe.name;
  embedding.dim = static_cast<int>(table.dim());
  mgqe.resolve(embedding);
  mgqe.validate(embedding);
  mgqe.validate_dim(embedding, table.dim(), "the table's dimension");
  if (iterations < 1) input_error("--iterations ", iterations, " must be 1 or more");
  if (stages < 1 || stages > kMaxStages)
    input_error("--stages ", stages, " is out of range: 1 to ", kMaxStages);
  if (sample < 0) input_error("--sample ", sample, " must be 0 or more rows");
}

std::vector<int32_t> order_by_count(const std::vector<double>& counts) {
  std::vector<int32_t> order(counts.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return counts[static_cast<size_t>(a)] > counts[static_cast<size_t>(b)];
  });
  return order;
}

Converted convert_table(Backend& backend, const FloatTable& source, std::vector<int32_t> order,
                        const ConvertOptions& options, const WorkProgress& progress) {
  MGQE_CHECK(order.empty() || static_cast<int64_t>(order.size()) == source.rows(), order.size(),
             " places for ", source.rows(), " rows");
  return Converter(backend, source, std::move(order), options, progress).convert();
}

}  // namespace mgqe
