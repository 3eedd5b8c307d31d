#include <algorithm>
#include <numeric>

#include "host/base/check.hpp"
#include "host/base/parallel.hpp"
#include "host/base/philox.hpp"
#include "host/convert/convert.hpp"
#include "host/convert/edit.hpp"
#include "host/convert/id_files.hpp"
#include "host/packed/decode_row.hpp"
#include "host/packed/packed_scheme.hpp"
#include "models/embeddings/embedding.hpp"

namespace mgqe {

namespace {

constexpr int64_t kGrain = 1024;  // rows a thread takes at least

Tiers ranges_of(const PackedTable& table) {
  Tiers ranges;
  ranges.count = static_cast<int>(table.tiers.size());
  for (int t = 0; t < ranges.count; ++t) {
    ranges.end[t] = table.tiers[t].end;
    ranges.centroids[t] = table.tiers[t].centroids;
  }
  return ranges;
}

/// The table in host memory as it decodes, of its codebooks as floats.
PackedTiers tiers_of(const PackedTable& table, const std::vector<std::vector<float>>& codebooks) {
  PackedTiers packed;
  packed.dim = table.code_dim();
  packed.ranges = ranges_of(table);
  for (int t = 0; t < packed.ranges.count; ++t)
    packed.tiers[t] = {table.arrays.at("codes." + std::to_string(t)).bytes.data(),
                       codebooks[static_cast<size_t>(t)].data(),
                       code_bits(table.tiers[t].centroids), table.code_count(t)};
  return packed;
}

/// `row` of a table of codes of other bits.
void repack(const CodedTier& from, const uint8_t* row, const CodedTier& to, uint8_t* out) {
  std::vector<uint8_t> codes(static_cast<size_t>(from.subspaces));
  for (int j = 0; j < from.subspaces; ++j)
    codes[static_cast<size_t>(j)] = static_cast<uint8_t>(unpack_code(row, j, from.bits));
  for (int64_t b = 0; b < to.row_bytes(); ++b)
    out[b] = packed_byte(codes.data(), to.subspaces, to.bits, b);
}

/// One coded table, whose row at place p is to be row order[p] of what it is.
class TierReorder {
 public:
  TierReorder(Backend& backend, const PackedTable& table, const std::vector<int32_t>& order,
              const Tiers& ends, const WorkProgress& progress)
      : old_(table),
        order_(order),
        progress_(progress),
        space_(table),
        encoder_(backend, table),
        result_(table) {
    for (int t = 0; t < static_cast<int>(old_.tiers.size()); ++t)
      codebooks_.push_back(old_.codebook(t));
    before_ = tiers_of(old_, codebooks_);
    after_ = before_;
    for (int t = 0; t < ends.count; ++t) {
      after_.ranges.end[t] = result_.tiers[t].end = ends.end[t];
      HostArray& codes = result_.arrays.at(codes_name(t));
      codes.shape[0] = after_.ranges.rows(t);
      codes.bytes.assign(static_cast<size_t>(codes.shape[0] * codes.shape[1]), 0);
    }
  }

  PackedTable reorder(Compacted& report) {
    for (int t = 0; t < after_.ranges.count; ++t) {
      keep(t);
      encode(t, report);
      progress_("reordering", after_.ranges.end[t], old_.rows);
    }
    return std::move(result_);
  }

 private:
  static std::string codes_name(int tier) { return "codes." + std::to_string(tier); }

  uint8_t* out_row(int tier, int64_t place) {
    return result_.arrays.at(codes_name(tier)).bytes.data() +
           (place - after_.ranges.begin(tier)) * after_.tiers[tier].row_bytes();
  }

  /// Whether codes of the one tier are codes of the other.
  bool keeps_codes(int from, int to) const {
    return from == to ||
           (!old_.private_codebooks && old_.tiers[to].centroids >= old_.tiers[from].centroids);
  }

  void keep(int tier) {
    uint8_t* const out = out_row(tier, after_.ranges.begin(tier));
    const CodedTier& to = after_.tiers[tier];
    parallel_pieces(after_.ranges.rows(tier), kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t row = order_[static_cast<size_t>(after_.ranges.begin(tier) + i)];
        const int from = before_.ranges.tier_of(row);
        if (!keeps_codes(from, tier)) continue;
        uint8_t* const packed = out + i * to.row_bytes();
        if (before_.tiers[from].bits == to.bits)
          std::copy_n(before_.row(from, row), to.row_bytes(), packed);
        else
          repack(before_.tiers[from], before_.row(from, row), to, packed);
      }
    });
  }

  void encode(int tier, Compacted& report) {
    std::vector<int64_t> places;
    for (int64_t p = after_.ranges.begin(tier); p < after_.ranges.end[tier]; ++p) {
      const int from = before_.ranges.tier_of(order_[static_cast<size_t>(p)]);
      report.moved += from != tier ? 1 : 0;
      if (!keeps_codes(from, tier)) places.push_back(p);
    }
    report.encoded += static_cast<int64_t>(places.size());
    const auto chunk = static_cast<size_t>(RowEncoder::max_rows(old_.dim));
    const auto bytes = static_cast<size_t>(after_.tiers[tier].row_bytes());
    std::vector<float> rows(std::min(chunk, places.size()) * static_cast<size_t>(old_.dim));
    std::vector<uint8_t> packed(std::min(chunk, places.size()) * bytes);
    std::vector<float> stages(static_cast<size_t>(before_.dim));
    for (size_t first = 0; first < places.size(); first += chunk) {
      const size_t count = std::min(chunk, places.size() - first);
      const View<float> values(rows.data(), static_cast<int64_t>(count), old_.dim);
      for (size_t i = 0; i < count; ++i) {
        const int64_t row = order_[static_cast<size_t>(places[first + i])];
        const int from = before_.ranges.tier_of(row);
        decode_any_row(packed_row(before_, from, row), before_.tiers[from].codebook, before_.dim,
                       stages.data());
        space_.row_of(stages.data(), values.row(static_cast<int64_t>(i)));
      }
      report.errors.add(encoder_.encode(tier, values, packed.data()));
      for (size_t i = 0; i < count; ++i)
        std::copy_n(packed.data() + i * bytes, bytes, out_row(tier, places[first + i]));
    }
  }

  const PackedTable& old_;
  const std::vector<int32_t>& order_;
  const WorkProgress& progress_;
  std::vector<std::vector<float>> codebooks_;  // a tier
  CodeSpace space_;
  RowEncoder encoder_;
  PackedTable result_;
  PackedTiers before_, after_;
};

/// Whether rows lie in arrays by their numbers, so that they can lie in another order.
bool has_rows(const PackedTable& table) {
  const std::vector<ArraySpec> specs = expected_arrays(table);
  return std::any_of(specs.begin(), specs.end(),
                     [](const ArraySpec& spec) { return spec.first_row != ArraySpec::kShared; });
}

/// Arrays that have a row for every row of the table.
PackedTable reorder_rows(const PackedTable& table, const std::vector<int32_t>& order) {
  PackedTable reordered = table;
  for (const ArraySpec& spec : expected_arrays(table)) {
    if (spec.first_row == ArraySpec::kShared) continue;
    const HostArray& from = table.arrays.at(spec.name);
    HostArray& to = reordered.arrays.at(spec.name);
    const size_t bytes = from.bytes.size() / order.size();
    for (size_t p = 0; p < order.size(); ++p)
      std::copy_n(from.bytes.data() + static_cast<size_t>(order[p]) * bytes, bytes,
                  to.bytes.data() + p * bytes);
  }
  return reordered;
}

/// Where tiers are to end.
Tiers new_tiers(const std::string& file, const std::string& name, const PackedTable& table,
                const std::vector<double>& cuts) {
  if (cuts.empty()) return ranges_of(table);
  if (cuts.size() + 1 != table.tiers.size())
    input_error("--tiers has ", cuts.size(), " cuts: table ", name, " of ", file, " has ",
                table.tiers.size(), " tiers, one more than cuts");
  for (size_t i = 0; i < cuts.size(); ++i)
    if (!(cuts[i] > (i > 0 ? cuts[i - 1] : 0.0) && cuts[i] < 1.0))
      input_error("--tiers ", cuts[i],
                  ": cuts are cumulative fractions, ascending, between 0 and 1");
  EmbeddingConfig config;
  config.tiers = cuts;
  config.centroids.assign(table.tiers.size(), 1);
  return make_tiers(config, table.rows);
}

/// Rows are others now: what was made for the old ones must not be taken for theirs.
uint64_t mix_order(uint64_t fingerprint, const std::vector<int32_t>& order) {
  for (size_t p = 0; p < order.size(); ++p)
    if (order[p] != static_cast<int32_t>(p))
      fingerprint = random_u64(fingerprint, p, static_cast<uint64_t>(order[p]));
  return fingerprint;
}

}  // namespace

Compacted compact_rows(Backend& backend, const std::string& file, Artifact& artifact,
                       const std::string& name, const std::vector<double>& counts,
                       const std::vector<double>& cuts, const WorkProgress& progress) {
  const std::string entity = entity_of(name);
  OriginalIds& ids = artifact.ids.at(entity);
  MGQE_CHECK(counts.empty() || static_cast<int64_t>(counts.size()) == ids.size(), counts.size(),
             " counts for ", ids.size(), " rows");
  std::vector<int32_t> order(static_cast<size_t>(ids.size()));
  std::iota(order.begin(), order.end(), 0);
  if (!counts.empty()) order = order_by_count(counts);
  const uint64_t fingerprint = mix_order(artifact.data_fingerprint, order);
  const bool same_rows = fingerprint == artifact.data_fingerprint;
  Compacted report;
  for (auto& [other, table] : artifact.model.tables) {
    if (entity_of(other) != entity) continue;
    if (table.has_codes()) {
      const Tiers ends = new_tiers(file, other, table, cuts);
      table = TierReorder(backend, table, order, ends, progress).reorder(report);
      for (int t = 0; t < ends.count && other == name; ++t)
        report.tier_rows.push_back(ends.rows(t));
      continue;
    }
    if (!cuts.empty())
      input_error("--tiers: table ", other, " of ", file, " is ", table.scheme,
                  ", which has no tiers");
    if (!same_rows && !has_rows(table))
      input_error(file, ": table ", other, " is ", table.scheme,
                  ": its rows follow from their numbers and cannot be put in another order");
    table = reorder_rows(table, order);
  }
  artifact.data_fingerprint = fingerprint;
  if (!same_rows) artifact.fields = nullptr;  // which say where rows lay
  ids = in_order(std::move(ids), order);
  if (!same_rows || report.moved > 0)
    add_edit(artifact, "compact",
             {{"table", name},
              {"reordered", !same_rows},
              {"moved", report.moved},
              {"encoded", report.encoded},
              {"error", report.errors.relative()}});
  return report;
}

}  // namespace mgqe
