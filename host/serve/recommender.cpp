#include "host/serve/recommender.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <new>
#include <utility>

#include <fmt/format.h>

#include "host/config/choices.hpp"
#include "host/io/artifact.hpp"
#include "host/serve/decoded_top_k.hpp"
#include "models/backbones/model.hpp"

namespace mgqe {

/// Of host/cpu. Not make_backend("cpu"), with which libmgqe_serve would hold every other back end.
std::unique_ptr<Backend> make_cpu_backend();

/// Tables and weights where the file holds them; weights are copied, for backbones take them so.
class Recommender::Sources final : public RowSources {
 public:
  explicit Sources(const ArtifactView& artifact) : artifact_(artifact) {
    for (const std::string& name : artifact.table_names())
      readers_.emplace(name, RowReader(artifact.table(name)));
    for (const auto& [name, view] : artifact.dense()) {
      HostArray& array = dense_[name];
      array.dtype = view.dtype;
      array.shape = view.shape;
      array.bytes.assign(view.bytes.begin(), view.bytes.end());
    }
  }

  const RowReader& reader(const std::string& name) const {
    const auto found = readers_.find(name);
    if (found == readers_.end()) artifact_.table(name);  // throws, and lists them
    return found->second;
  }
  const RowSource& table(const std::string& name) const override { return reader(name); }
  const ArrayMap& dense() const override { return dense_; }

 private:
  const ArtifactView& artifact_;
  std::map<std::string, RowReader> readers_;
  ArrayMap dense_;
};

/// A CPU of its own, with a backbone's scratch memory upon it.
struct Recommender::Worker {
  std::unique_ptr<Backend> backend = make_cpu_backend();
  std::unique_ptr<ItemScorer> scorer;  // of ranking models
  std::unique_ptr<PairScorer> pairs;   // of relevance models
};

/// A worker that nobody else uses meanwhile.
class Recommender::Lease {
 public:
  Lease(const Recommender& owner, std::unique_ptr<Worker> worker)
      : owner_(owner), worker_(std::move(worker)) {}
  ~Lease() {
    const std::lock_guard lock(owner_.mutex_);
    try {
      owner_.idle_.push_back(std::move(worker_));
    } catch (const std::bad_alloc&) {  // the next call makes one of its own
    }
  }
  Lease(const Lease&) = delete;
  Worker* operator->() const { return worker_.get(); }

 private:
  const Recommender& owner_;
  std::unique_ptr<Worker> worker_;
};

namespace {

/// The model as RelevanceScorer uploads it: it looks rows up in any order, and scores all pairs.
PackedModel whole_model(const ArtifactView& artifact) {
  PackedModel model;
  model.backbone = artifact.backbone();
  model.task = artifact.task();
  const auto copy = [](const ArrayView& view) {
    HostArray array;
    array.dtype = view.dtype;
    array.shape = view.shape;
    array.bytes.assign(view.bytes.begin(), view.bytes.end());
    return array;
  };
  for (const std::string& name : artifact.table_names()) {
    PackedTable& table = model.tables[name] = artifact.table(name).form();
    for (const auto& [array, view] : artifact.table(name).arrays())
      table.arrays[array] = copy(view);
  }
  for (const auto& [name, view] : artifact.dense()) model.dense[name] = copy(view);
  return model;
}

bool is_ranking(const ArtifactView& artifact) {
  return artifact.task() == name_of(TaskKind::kRanking);
}

bool is_ctr(const ArtifactView& artifact) { return artifact.task() == name_of(TaskKind::kCtr); }

bool is_relevance(const ArtifactView& artifact) {
  return artifact.task() == name_of(TaskKind::kRelevance);
}

}  // namespace

Recommender::Recommender(ArtifactView artifact)
    : artifact_(std::move(artifact)), sources_(std::make_unique<Sources>(artifact_)) {
  if (!is_ranking(artifact_)) {
    item_table_ = artifact_.table_names().front();
    return;
  }
  const Backbone& backbone = find_backbone(artifact_.backbone());
  if (backbone.make_item_scorer == nullptr)
    input_error(artifact_.name(), ": a ", backbone.name, " model cannot be served");
  auto first = std::make_unique<Worker>();
  first->scorer = backbone.make_item_scorer(*first->backend, *sources_);
  item_table_ = first->scorer->table();
  described_ = {first->scorer->reads(), first->scorer->max_length(), first->scorer->dot_product()};
  recommends_ = true;
  idle_.push_back(std::move(first));
}

Recommender::~Recommender() = default;

Recommender::Lease Recommender::lease() const {
  std::unique_ptr<Worker> worker;
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      worker = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (worker == nullptr) {
    worker = std::make_unique<Worker>();
    if (recommends_)
      worker->scorer =
          find_backbone(artifact_.backbone()).make_item_scorer(*worker->backend, *sources_);
  }
  if (!recommends_ && is_relevance(artifact_) && worker->pairs == nullptr)
    worker->pairs = make_pair_scorer(*worker->backend, whole_model(artifact_));
  return Lease(*this, std::move(worker));
}

const RowReader& Recommender::reader(const std::string& table) const {
  return sources_->reader(table);
}

const Recommender::Description& Recommender::described() const {
  if (!recommends_)
    input_error(artifact_.name(), " is of the task ", artifact_.task(),
                ": it does not recommend; ask for similar items, or look rows up");
  return described_;
}

ItemScorer::Reads Recommender::reads() const { return described().reads; }
int64_t Recommender::max_length() const { return described().max_length; }
bool Recommender::dot_product() const { return described().dot_product; }
int64_t Recommender::items() const { return reader(item_table_).rows(); }

int64_t Recommender::users() const {
  if (!recommends_ || described_.reads != ItemScorer::Reads::kUser) return 0;
  for (const std::string& name : artifact_.table_names())
    if (entity_of(name) == "user") return artifact_.table(name).rows();
  return 0;
}

void Recommender::prepare(int threads) {
  const RowReader& items = reader(item_table_);
  if (items.table().form().has_codes())
    prepared_ = std::make_unique<PreparedTiers>(items.tiers(), threads);
}

void Recommender::search_on(std::unique_ptr<CodedTopK> device) {
  device_ = std::make_unique<DeviceTiers>(reader(item_table_).tiers(), std::move(device));
}

void Recommender::check(std::span<const Question> questions) const {
  const bool histories = reads() == ItemScorer::Reads::kHistory;
  const int64_t most = histories ? items() : users();
  for (size_t m = 0; m < questions.size(); ++m) {
    const Question& question = questions[m];
    if (!histories) {
      if (question.user < 0 || question.user >= most)
        input_error("question ", m, " is of user row ", question.user, ": the model has rows 0 to ",
                    most - 1);
      continue;
    }
    if (question.history.empty())
      input_error("question ", m, " has no history, which a ", artifact_.backbone(),
                  " model answers by");
    for (const int32_t item : question.history)
      if (item < 0 || item >= most)
        input_error("question ", m, " has item row ", item,
                    " in its history: the model has rows 0 to ", most - 1);
  }
}

void Recommender::vectors(std::span<const Question> questions, View<float> out) const {
  check(questions);
  lease()->scorer->vectors(questions, out);
}

void Recommender::score_all(const Question& question, View<float> out) const {
  check({&question, 1});
  MGQE_CHECK(out.size() == items(), "room for ", out.size(), " scores of ", items(), " items");
  const Lease worker = lease();
  if (!described_.dot_product) return worker->scorer->score_all(question, out);
  const RowReader& rows = reader(item_table_);
  std::vector<float> vector(static_cast<size_t>(rows.dim()));
  worker->scorer->vectors({&question, 1}, {vector.data(), 1, rows.dim()});
  decoded_scores(rows, {vector.data(), 1, rows.dim()}, out);
}

void Recommender::top_k(const std::string& table, View<const float> queries,
                        const TopKOptions& options, TopKResult result) const {
  const RowReader& rows = reader(table);
  if (queries.cols != rows.dim())
    input_error("queries of ", queries.cols, " columns for table ", table, " of dimension ",
                rows.dim());
  if (!rows.table().form().has_codes()) return decoded_top_k(rows, queries, options, result);
  std::vector<float> own;
  View<const float> scored = queries;
  if (!rows.scored_plainly()) {
    check_top_k(rows.rows(), queries, options, result);  // names the column that is not finite
    own = rows.queries_of(queries);
    scored = {own.data(), queries.rows, rows.scored_dim()};
  }
  if (device_ != nullptr && table == item_table_)
    return mgqe::top_k(*device_, scored, options, result);
  if (prepared_ != nullptr && table == item_table_)
    return mgqe::top_k(*prepared_, scored, options, result);
  mgqe::top_k(rows.tiers(), scored, options, result);
}

void Recommender::recommend(std::span<const Question> questions, const RecommendOptions& options,
                            TopKResult result) const {
  const int64_t d = reader(item_table_).dim();
  std::vector<float> vectors(questions.size() * static_cast<size_t>(d));
  const View<float> queries(vectors.data(), static_cast<int64_t>(questions.size()), d);
  if (dot_product()) {
    this->vectors(questions, queries);
    return top_k(item_table_, queries, options.top, result);
  }
  check(questions);
  check_top_k(items(), {nullptr, queries.rows, 0}, options.top, result);
  const auto few = options.top.few_allowed(items());
  if (options.shortlist > 0 && !few) return rank_shortlists(questions, queries, options, result);
  std::vector<float> scores(few ? few->size() : static_cast<size_t>(items()));
  const Lease worker = lease();
  for (int64_t m = 0; m < queries.rows; ++m) {
    if (few) {
      worker->scorer->score(questions[static_cast<size_t>(m)], *few,
                            {scores.data(), static_cast<int64_t>(few->size())});
      top_k_of_rows(*few, scores, of_query(options.top, m), of_query(result, m));
      continue;
    }
    worker->scorer->score_all(questions[static_cast<size_t>(m)], {scores.data(), items()});
    top_k_of_scores(scores, of_query(options.top, m), of_query(result, m));
  }
}

void Recommender::rank_shortlists(std::span<const Question> questions, View<float> queries,
                                  const RecommendOptions& options, TopKResult result) const {
  const Lease worker = lease();
  worker->scorer->vectors(questions, queries);
  TopKOptions wide = options.top;
  wide.k = std::min(std::max(options.shortlist, options.top.k), kMaxTopK);
  TopKBuffers lists(queries.rows, wide.k);
  top_k(item_table_, queries, wide, lists.result());
  std::vector<float> scores(static_cast<size_t>(wide.k));
  for (int64_t m = 0; m < queries.rows; ++m) {
    const auto count = static_cast<size_t>(lists.counts[static_cast<size_t>(m)]);
    const std::span<const int32_t> rows(lists.rows.data() + m * wide.k, count);
    const View<float> scored(scores.data(), static_cast<int64_t>(count));
    worker->scorer->score(questions[static_cast<size_t>(m)], rows, scored);
    top_k_of_rows(rows, {scores.data(), count}, of_query(options.top, m), of_query(result, m));
  }
}

// ---- items like others --------------------------------------------------------------------------

void Recommender::similar(std::span<const int32_t> items, Likeness by, const TopKOptions& options,
                          TopKResult result) const {
  if (is_ctr(artifact_))
    input_error(artifact_.name(),
                " is of the task ctr: its rows are values of many fields, not items; "
                "`mgqe evaluate --predictions` scores rows of a cache");
  const RowReader& rows = reader(item_table_);
  for (const int32_t item : items)
    if (item < 0 || item >= rows.rows())
      input_error("item row ", item, " is not in table ", item_table_, ", which has rows 0 to ",
                  rows.rows() - 1);
  if (by == Likeness::kModel && !is_relevance(artifact_))
    input_error(artifact_.name(), " is of the task ", artifact_.task(),
                ": only a relevance model scores pairs of items; ask by cosine or dot");
  check_top_k(rows.rows(), {nullptr, static_cast<int64_t>(items.size()), 0}, options, result);
  if (by == Likeness::kCosine) prepare_norms();
  const int64_t n = rows.rows(), d = rows.dim();
  const auto few = options.few_allowed(n);
  std::vector<int64_t> wanted;
  if (few) wanted.assign(few->begin(), few->end());
  std::vector<float> query(static_cast<size_t>(d)), scores;
  for (int64_t m = 0; m < static_cast<int64_t>(items.size()); ++m) {
    const int32_t item = items[static_cast<size_t>(m)];
    const TopKOptions own = of_query(options, m);
    const WithoutRow others(own, item, n);
    const View<float> vector(query.data(), 1, d);
    rows.fetch({&item, 1}, vector);
    if (by == Likeness::kDot) {
      top_k(item_table_, vector, others.options(), of_query(result, m));
      continue;
    }
    scores.resize(few ? few->size() : static_cast<size_t>(n));
    const View<float> out(scores.data(), static_cast<int64_t>(scores.size()));
    if (by == Likeness::kModel) {
      score_pairs(item, few ? &*few : nullptr, out);
    } else {
      if (few)
        decoded_scores(rows, vector, wanted, out);
      else
        decoded_scores(rows, vector, out);
      const float own_norm = inverse_norms_[static_cast<size_t>(item)];
      for (int64_t i = 0; i < out.size(); ++i)
        out.data[i] = out.data[i] * own_norm *
                      inverse_norms_[static_cast<size_t>(few ? wanted[static_cast<size_t>(i)] : i)];
    }
    if (few)
      top_k_of_rows(*few, scores, others.options(), of_query(result, m));
    else
      top_k_of_scores(scores, others.options(), of_query(result, m));
  }
}

/// Of the item with those rows, or with all.
void Recommender::score_pairs(int32_t item, const std::vector<int32_t>* rows,
                              View<float> scores) const {
  const auto n = static_cast<size_t>(scores.size());
  const std::vector<int32_t> left(n, item);
  std::vector<int32_t> right(n);
  if (rows != nullptr)
    right = *rows;
  else
    for (size_t r = 0; r < n; ++r) right[r] = static_cast<int32_t>(r);
  const auto view = [](const std::vector<int32_t>& ids) {
    return View<const int32_t>(ids.data(), static_cast<int64_t>(ids.size()));
  };
  lease()->pairs->score(view(left), view(right), scores);
}

/// 1 / |row|, 0 of a row of zeros: such a row is like none.
void Recommender::prepare_norms() const {
  std::call_once(norms_once_, [this] {
    const RowReader& rows = reader(item_table_);
    inverse_norms_.resize(static_cast<size_t>(rows.rows()));
    for_each_decoded(rows, 0, rows.rows(), [&](int64_t first, View<const float> chunk) {
      for (int64_t r = 0; r < chunk.rows; ++r) {
        const float squared = ranking_score(chunk.row(r), chunk.row(r), chunk.cols);
        inverse_norms_[first + r] = squared > 0.0f ? 1.0f / std::sqrt(squared) : 0.0f;
      }
    });
  });
}

}  // namespace mgqe
