#include "host/convert/convert.hpp"

#include <algorithm>
#include <chrono>
#include <numeric>

#include <fmt/format.h>

#include "host/base/check.hpp"
#include "host/base/sampling.hpp"
#include "host/config/scheme_traits.hpp"
#include "host/packed/packed_scheme.hpp"
#include "models/embeddings/embedding.hpp"

namespace mgqe {

namespace {

using Clock = std::chrono::steady_clock;

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
    table.scheme = "mgqe";
    table.rows = source.rows();
    table.dim = source.dim();
    for (int t = 0; t < tiers_.count; ++t)
      table.tiers.push_back({tiers_.end[t], tiers_.centroids[t], options.embedding.subspaces[0]});
    codebook_.resize(static_cast<size_t>(tiers_.centroids[0] * table.dim));
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
    int known = 0;
    for (int last = tiers_.count - 1; last >= 0;) {
      int first = last;
      while (first > 0 && tiers_.centroids[first - 1] == tiers_.centroids[last]) --first;
      const CodebookRange range{known, tiers_.centroids[last]};
      learn_range(range, tiers_.begin(first), tiers_.end[last]);
      known = range.last;
      last = first - 1;
    }
    result_.table.arrays["codebook"] =
        HostArray(codebook_, {tiers_.centroids[0], result_.table.dim});
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
    const int64_t count = std::min(most, population);
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
    LearnOptions learning{options_.embedding.subspaces[0], options_.iterations, options_.seed};
    const std::string task =
        fmt::format("learning {} centroids of {} rows", range.last - range.first, count);
    learning.iterated = [&](int iteration) { progress_(task, iteration, options_.iterations); };
    learn_centroids(backend_, {sample.data(), count, dim}, range, learning, codebook_);
    result_.learnt.push_back({range, count, population});
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
  std::vector<float> codebook_;  // (K_1, d)
  std::vector<float> rows_;      // (chunk, d)
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
