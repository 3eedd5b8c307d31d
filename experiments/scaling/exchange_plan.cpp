#include "experiments/scaling/exchange_plan.hpp"

#include <algorithm>
#include <charconv>
#include <sstream>

#include <fmt/format.h>

#include "experiments/scaling/zipf_pairs.hpp"
#include "host/config/choices.hpp"
#include "host/io/console/table.hpp"
#include "models/embeddings/scheme.hpp"

namespace mgqe::scaling {
namespace {

[[noreturn]] void refuse(const std::string& text, const std::string& what) {
  input_error("--plan ", text, ": ", what,
              "; give for example nodes=8,gpus=8 or nodes=1..8,gpus=8,link=50");
}

template <class T>
T parse_number(const std::string& text, const std::string& value) {
  T number{};
  const char* end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, number);
  if (error != std::errc() || stop != end || !(number > 0))
    refuse(text, "`" + value + "` is not a number above 0");
  return number;
}

/// What one table's rows cost on the wire.
int64_t wire_bytes(const EmbeddingConfig& embedding) {
  const EmbeddingScheme& scheme = find_embedding_scheme(embedding.scheme);
  return scheme.wire_bytes != nullptr ? scheme.wire_bytes(embedding, embedding.dim)
                                      : embedding.dim * static_cast<int64_t>(sizeof(float));
}

nlohmann::ordered_json plan_ranks(int nodes, const ClusterSpec& cluster, const Config& config,
                                  const Catalogue& catalogue) {
  const int ranks = nodes * cluster.gpus;
  const int64_t float_row = config.embedding.dim * static_cast<int64_t>(sizeof(float));
  const int64_t share = config.train.batch / ranks;
  double forward = 0.0, forward_f32 = 0.0, backward = 0.0, codebook = 0.0;
  for (const int64_t rows : {catalogue.users, catalogue.items}) {
    if (rows == 0 || !shards_rows(ranks, config, rows)) continue;
    // Id and count there, the row back; all but what a rank owns itself.
    const double elsewhere =
        static_cast<double>(distinct_ids(rows, 0, share, config.run.seed)) * (ranks - 1) / ranks;
    constexpr double kAsk = 2 * sizeof(int32_t);
    forward += elsewhere * (kAsk + static_cast<double>(wire_bytes(config.embedding)));
    forward_f32 += elsewhere * (kAsk + static_cast<double>(float_row));
    backward +=
        elsewhere * static_cast<double>(config.train.gradient_type == RowType::kBf16 ? float_row / 2
                                                                                     : float_row);
    if (!config.embedding.centroids.empty() && wire_bytes(config.embedding) < float_row)
      codebook += 2.0 * (ranks - 1) / ranks * config.embedding.centroids[0] *
                  static_cast<double>(float_row);
  }
  const MemoryPlan memory = plan_memory(ranks, config, catalogue);
  nlohmann::ordered_json lines = nlohmann::ordered_json::object();
  for (const MemoryPlan::Line& line : memory.lines) lines[line.what] = line.bytes;
  return {{"nodes", nodes},
          {"ranks", ranks},
          {"memory_bytes", memory.total()},
          {"memory", lines},
          {"forward_bytes", static_cast<int64_t>(forward)},
          {"forward_f32_bytes", static_cast<int64_t>(forward_f32)},
          {"backward_bytes", static_cast<int64_t>(backward)},
          {"codebook_bytes", static_cast<int64_t>(codebook)},
          {"exchange_seconds", (forward + backward + codebook) / (1e9 * cluster.link)}};
}

}  // namespace

ClusterSpec ClusterSpec::parse(const std::string& text) {
  ClusterSpec spec;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) {
    const size_t equals = part.find('=');
    if (equals == std::string::npos) refuse(text, "`" + part + "` has no =");
    const std::string key = part.substr(0, equals), value = part.substr(equals + 1);
    if (key == "gpus") {
      spec.gpus = parse_number<int>(text, value);
    } else if (key == "link") {
      spec.link = parse_number<double>(text, value);
    } else if (key == "nodes") {
      const size_t dots = value.find("..");
      const int first = parse_number<int>(text, value.substr(0, dots));
      const int last =
          dots == std::string::npos ? first : parse_number<int>(text, value.substr(dots + 2));
      spec.nodes.clear();
      for (int nodes = first; nodes <= last; nodes *= 2) spec.nodes.push_back(nodes);
      if (spec.nodes.empty()) refuse(text, "nodes run from high to low");
    } else {
      refuse(text, "`" + key + "` is none of nodes, gpus, link");
    }
  }
  return spec;
}

nlohmann::ordered_json plan_exchange(const ClusterSpec& cluster, const Config& config,
                                     const Catalogue& catalogue) {
  nlohmann::ordered_json plan = nlohmann::ordered_json::array();
  for (const int nodes : cluster.nodes)
    plan.push_back(plan_ranks(nodes, cluster, config, catalogue));
  return plan;
}

std::string plan_table(const nlohmann::ordered_json& plan, const Config& config,
                       const Catalogue& catalogue) {
  const auto gib = [](const nlohmann::ordered_json& bytes) {
    return fmt::format("{:.2f}", bytes.get<double>() / (1 << 30));
  };
  const auto mib = [](const nlohmann::ordered_json& bytes) {
    return fmt::format("{:.2f}", bytes.get<double>() / (1 << 20));
  };
  std::vector<TableRow> rows;
  for (const auto& row : plan)
    rows.push_back({std::to_string(row["nodes"].get<int>()),
                    std::to_string(row["ranks"].get<int>()), gib(row["memory_bytes"]),
                    mib(row["forward_bytes"]), mib(row["forward_f32_bytes"]),
                    mib(row["backward_bytes"]), mib(row["codebook_bytes"]),
                    fmt::format("{:.2f}", 1e3 * row["exchange_seconds"].get<double>())});
  return fmt::format("A plan, not a measurement: {} users and {} items, {}, batch {}, {}\n\n",
                     catalogue.users, catalogue.items, scheme_label(config.embedding),
                     config.train.batch, name_of(config.train.optimizer)) +
         format_table({"nodes", "GPUs", "GiB a GPU", "forward MiB", "as f32 rows", "backward MiB",
                       "codebook MiB", "link ms"},
                      rows, {}) +
         "\nMiB a GPU sends in a step; link ms: that over the given GB/s of its link, latency and\n"
         "overlap not counted. Distinct ids are counted on a drawn Zipf batch.\n";
}

}  // namespace mgqe::scaling
