#include "experiments/report/codebook_use.hpp"

#include "host/io/artifact_description.hpp"
#include "models/embeddings/embedding.hpp"

namespace mgqe {
namespace {

using Json = nlohmann::ordered_json;

struct Sum {
  int64_t rows = 0;
  int centroids = 0;
  BySeed perplexity, unused_share;
};

/// D of a tier: private_d has a list of them.
int subspaces_of(const EmbeddingConfig& common, const std::string& table, size_t tier) {
  const EmbeddingConfig embedding =
      side_config(common, entity_of(table) == "user" ? Entity::kUser : Entity::kItem);
  return embedding.subspaces.at(std::min(tier, embedding.subspaces.size() - 1));
}

}  // namespace

CodebookUse codebook_use(const PointRuns& point) {
  CodebookUse use;
  std::map<std::pair<std::string, size_t>, Sum> sums;
  for (const auto& [seed, run] : point.runs) {
    if (!run.contains("quantizer")) continue;
    ++use.runs;
    bool collapsed = false;
    for (const auto& [table, tiers] : run.at("quantizer").items())
      for (size_t tier = 0; tier < tiers.size(); ++tier) {
        const Json& told = tiers.at(tier);
        if (told.at("perplexity").is_null()) continue;  // a tier without rows
        const TierReport report{told.at("rows").get<int64_t>(), told.at("centroids").get<int>(),
                                told.at("perplexity").get<double>(),
                                told.at("unused_centroids").get<int64_t>(), 0.0};
        collapsed = collapsed || report.collapsed();
        Sum& sum = sums[{table, tier}];
        sum.rows = report.rows;
        sum.centroids = report.centroids;
        sum.perplexity[seed] = report.perplexity;
        sum.unused_share[seed] =
            static_cast<double>(report.unused_centroids) /
            (report.centroids * subspaces_of(point.config.embedding, table, tier));
      }
    use.collapsed += collapsed ? 1 : 0;
  }
  for (const auto& [place, sum] : sums)
    use.tiers.push_back({place.first, place.second, sum.rows, sum.centroids,
                         estimate(sum.unused_share)->mean, *estimate(sum.perplexity)});
  return use;
}

}  // namespace mgqe
