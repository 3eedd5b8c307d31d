// Where the rows of many categorical features lie: which features share a table, and the row of
// each id in it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "host/config/config.hpp"

namespace mgqe {

struct FeatureSpec {
  std::string name;
  int64_t rows = 0;             // ids are 0 .. rows - 1, the most frequent in training first
  std::vector<int64_t> counts;  // (rows) of each id in training
  bool bag = false;             // whether a row has any number of its ids; bags come last
};

/// Features whose rows lie in one table of one scheme. Its rows are those of the first tier,
/// feature by feature, then of the second, and so on: a tier is a range of rows, as it is of one
/// feature, and as ids are ranks of popularity, what each feature has in it is a range of its ids.
/// So nothing is stored of an id.
class FeatureGroup {
 public:
  /// Of specs, those numbered. Tiers are cut where popularity over all of them together falls, ties
  /// by feature and id.
  FeatureGroup(std::string table, std::vector<int> features, const std::vector<FeatureSpec>& specs,
               const EmbeddingConfig& embedding);

  const std::string& table() const { return table_; }
  const EmbeddingConfig& embedding() const { return embedding_; }
  /// Those of one id a row, then bags.
  const std::vector<int>& features() const { return features_; }
  int64_t count() const { return static_cast<int64_t>(features_.size()); }
  /// The number of its k-th feature among all: where a row has its vector.
  int64_t place(int64_t k) const { return features_[static_cast<size_t>(k)]; }
  /// S, of one id a row.
  int64_t singles() const { return count() - bags(); }
  int64_t bags() const { return bags_; }
  std::vector<int32_t> single_features() const {
    return {features_.begin(), features_.begin() + singles()};
  }
  std::vector<int32_t> bag_features() const {
    return {features_.begin() + singles(), features_.end()};
  }
  /// Look-ups of a row of a batch: of a bag at most --bag-length.
  int64_t most_lookups() const { return singles() + bags() * embedding_.bag_length; }
  int64_t rows() const { return rows_; }
  /// From ids to rows, a run of ids a tier: those below ends[t] and not below ends[t - 1] are
  /// the rows shifts[t] behind.
  struct Runs {
    std::vector<int32_t> ends, shifts;
  };
  /// Of the k-th feature.
  const Runs& runs(int64_t k) const { return runs_[static_cast<size_t>(k)]; }
  /// How often training has each id of the k-th feature.
  const std::vector<int64_t>& counts(int64_t k) const { return counts_[static_cast<size_t>(k)]; }

  /// The row of an id of the k-th feature.
  int32_t row(int64_t k, int32_t id) const {
    const Runs& runs = runs_[static_cast<size_t>(k)];
    size_t t = 0;
    while (id >= runs.ends[t]) ++t;
    return id + runs.shifts[t];
  }

 private:
  std::string table_;
  std::vector<int> features_;
  EmbeddingConfig embedding_;
  int64_t rows_ = 0, bags_ = 0;
  std::vector<Runs> runs_;
  std::vector<std::vector<int64_t>> counts_;
};

/// Every feature of a run, each in one group. A row of a batch is the vectors of the features in
/// their order, whatever tables they are in; a bag has the mean or sum of its ids'.
struct FeatureLayout {
  std::vector<FeatureGroup> groups;
  int64_t features = 0;
  int64_t dense = 0;  // numbers beside the features
};

/// Embeddings by feature that --field-sizes gives over that of all, resolved and valid. It reads
/// "NAME:KEY=VALUE,KEY=VALUE;NAME:...": KEY is scheme, codebook_type or a size of a scheme, as the
/// section "embedding" of a configuration has it, and lists are parted by /. InputError that says
/// what is wrong.
std::map<std::string, EmbeddingConfig> field_embeddings(const EmbeddingConfig& embedding);

/// Groups as --codebook says; features that --field-sizes names have a table of their own, and
/// those of --full-rows rows or fewer are full, in another. InputError where a group has more rows
/// than ids can number, and where a name is of no feature.
FeatureLayout arrange_features(const EmbeddingConfig& embedding,
                               const std::vector<FeatureSpec>& specs, int64_t dense);

}  // namespace mgqe
