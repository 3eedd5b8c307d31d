// Recommender: an opened artifact that answers. Items for users (GMF, NeuMF) or for histories
// (SASRec), items like others, by any backbone's own score; ranked from the codes where that score
// is a dot product with the item's row.
//
// Order: score descending, then row ascending. Scores are those that Evaluator ranks by, to the
// bit, and do not depend on threads, batch or k.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "host/serve/artifact_view.hpp"
#include "host/serve/row_reader.hpp"
#include "host/serve/scan/device_tiers.hpp"
#include "models/scorers/item_scorer.hpp"

namespace mgqe {

struct RecommendOptions {
  TopKOptions top;  // k, threads, filters
  /// Backbones without dot_product(): 0 scores every item. Else so many candidates, at least k, are
  /// taken by vectors() from the codes and then scored: approximate.
  int64_t shortlist = 0;
};

enum class Likeness {
  kModel,   // relevance models: the score of the pair
  kCosine,  // of decoded rows
  kDot,
};

/// Const members may be called from many threads at once.
class Recommender {
 public:
  /// InputError as ArtifactView::open's, and where the backbone cannot be served.
  explicit Recommender(ArtifactView artifact);
  ~Recommender();

  const ArtifactView& artifact() const { return artifact_; }
  /// InputError listing the tables where there is none of that name.
  const RowReader& reader(const std::string& table) const;
  /// Whether it recommends: of the ranking task, with a backbone that answers.
  bool recommends() const { return recommends_; }
  /// What it reads of a question. InputError where it does not recommend: a relevance model.
  ItemScorer::Reads reads() const;
  /// The most items of a history that are read; 0 of users by row.
  int64_t max_length() const;
  bool dot_product() const;
  /// The table that recommendations are rows of, "item" or "gmf.item".
  const std::string& item_table() const { return item_table_; }
  int64_t items() const;
  /// 0 where histories are read.
  int64_t users() const;

  /// Unpacks the item codes for the fastest scan. Before it is shared: no other call may be under
  /// way.
  void prepare(int threads);
  bool prepared() const { return prepared_ != nullptr; }
  /// Searches item codes on a device from now on: top_k() of item_table(), and what is ranked or
  /// taken by it. Of make_coded_top_k(device, reader(item_table()).tiers()); as prepare(), before
  /// it is shared. Everything else, backbones and cosines, stays on the CPU.
  void search_on(std::unique_ptr<CodedTopK> device);
  bool on_device() const { return device_ != nullptr; }

  /// Top-k of each question. InputError on a user or an item that is none, an empty history, and as
  /// top_k(). A history longer than max_length() is read from its end.
  void recommend(std::span<const Question> questions, const RecommendOptions& options,
                 TopKResult result) const;
  /// The vectors (M, dim of item_table()) that recommend() scans by.
  void vectors(std::span<const Question> questions, View<float> out) const;
  /// Scores of all items (n) for one question.
  void score_all(const Question& question, View<float> out) const;

  /// Top-k of a table's rows by queries (M, d).
  void top_k(const std::string& table, View<const float> queries, const TopKOptions& options,
             TopKResult result) const;
  /// Items like each of `items`, which is itself left out. kModel asks for a relevance model.
  void similar(std::span<const int32_t> items, Likeness by, const TopKOptions& options,
               TopKResult result) const;

 private:
  class Sources;  // tables and weights as backbones read them
  struct Worker;  // what is not for several threads at a time
  class Lease;

  /// What a scorer says of itself.
  struct Description {
    ItemScorer::Reads reads = ItemScorer::Reads::kUser;
    int64_t max_length = 0;
    bool dot_product = true;
  };

  const Description& described() const;
  void check(std::span<const Question> questions) const;
  Lease lease() const;
  void rank_shortlists(std::span<const Question> questions, View<float> queries,
                       const RecommendOptions& options, TopKResult result) const;
  void score_pairs(int32_t item, const std::vector<int32_t>* rows, View<float> scores) const;
  void prepare_norms() const;

  ArtifactView artifact_;
  std::unique_ptr<Sources> sources_;
  std::string item_table_;
  std::unique_ptr<PreparedTiers> prepared_;
  std::unique_ptr<DeviceTiers> device_;
  bool recommends_ = false;
  Description described_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Worker>> idle_;
  mutable std::once_flag norms_once_;
  mutable std::vector<float> inverse_norms_;  // (n), for cosines
};

}  // namespace mgqe
