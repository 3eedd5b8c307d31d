// What the tests of several ranks share: the ranks themselves, a case by its options, and exchanges
// that come as late as they may.
#pragma once

#include <deque>
#include <set>
#include <string>
#include <vector>

#include "host/comm/launch.hpp"
#include "host/train/training_loop.hpp"
#include "models/optim/sparse_all_to_all.hpp"

namespace mgqe {

extern Launch* launch;
extern Backend* among_ranks;  // the one back end that is joined to the ranks

inline Communicator& ranks() { return among_ranks->communicator(); }

struct Case {
  std::string model, scheme;
  Shard shard = Shard::kAuto;
  TaskKind task = TaskKind::kRanking;
  Variant variant = Variant::kSharedK;
  Optimizer optimizer = Optimizer::kSparseAdam;
  double commitment = 0.0;
  DistanceBn distance_bn = DistanceBn::kNone;
  Grouping grouping = Grouping::kTier;
  int kmeans_start = 0;
  RowType row_type = RowType::kF32, gradient_type = RowType::kF32;
  CodebookType codebook_type = CodebookType::kF32;

  std::string label() const {
    std::string text = model + "_" + scheme + "_" + name_of(shard);
    const auto add = [&]<class Enum>(Enum option, const char* what = "") {
      if (option != Enum{}) text += std::string("_") + what + name_of(option);
    };
    add(task);
    add(variant);
    add(optimizer);
    add(distance_bn);
    add(grouping);
    if (commitment > 0.0) text += "_commitment";
    if (kmeans_start > 0) text += "_kmeans";
    add(row_type, "rows_");
    add(gradient_type, "gradients_");
    add(codebook_type, "codebooks_");
    return text;
  }
};

inline Config config_of(const Case& c) {
  Config config = default_config(c.model, c.task);
  config.data.name = c.task == TaskKind::kRelevance ? "relevance-synthetic" : "synthetic";
  config.data.synthetic_users = 93;  // an epoch of sequences ends with a batch of 3
  config.data.synthetic_items = 150;
  config.data.synthetic_actions = 20;
  config.data.synthetic_pair_items = 200;
  config.data.synthetic_pairs = 4000;
  config.embedding.scheme = c.scheme;
  config.embedding.variant = c.variant;
  config.embedding.dim = 16;
  config.embedding.rank = 4;
  config.embedding.buckets = 40;
  config.embedding.subspaces = {8};
  if (c.variant == Variant::kPrivateD) config.embedding.subspaces = {8, 4};
  config.embedding.centroids = c.scheme == "mgqe" && c.variant != Variant::kPrivateD
                                   ? std::vector<int>{16, 4}
                                   : std::vector<int>{16};
  if (c.scheme == "mgqe") config.embedding.tiers = {0.2};
  config.embedding.commitment_weight = c.commitment;
  config.embedding.distance_bn = c.distance_bn;
  config.embedding.grouping = c.grouping;
  config.embedding.kmeans_start = c.kmeans_start;
  config.embedding.codebook_type = c.codebook_type;
  config.train.optimizer = c.optimizer;
  config.train.row_type = c.row_type;
  config.train.gradient_type = c.gradient_type;
  if (c.row_type != RowType::kF32)
    config.train.table_lr = 1.0;  // so that rounding shows in a hundred steps
  config.train.l2 = 1e-4;
  config.train.batch = c.model == "sasrec" ? 10 : 96;
  config.model.max_length = 12;
  config.run.shard = c.shard;
  config.run.device = "cpu";
  resolve(config);
  validate(config);
  return config;
}

/// Exchanges as late as they may be: nothing has come until they are finished, and what is sent is
/// read only then.
class Late final : public Communicator {
 public:
  /// Of a back end beside the one that the ranks' communicator knows, in whose stream alone what
  /// the communicator brings stands.
  Late(Backend& backend, Communicator& ranks) : backend_(backend), ranks_(ranks) {}
  std::string name() const override { return "late"; }
  int rank() const override { return ranks_.rank(); }
  int size() const override { return ranks_.size(); }
  void barrier() override { ranks_.barrier(); }
  [[noreturn]] void abort(const std::string& why) override {
    ranks_.abort(why);
    throw Error(why);  // not reached
  }

 protected:
  void do_all_reduce(View<float> x) override {
    backend_.synchronize();
    ranks_.all_reduce(Traffic::kDense, x);
    backend_.wait_for(*among_ranks);
  }
  void do_all_reduce(View<double> x) override {
    backend_.synchronize();
    ranks_.all_reduce(Traffic::kDense, x);
    backend_.wait_for(*among_ranks);
  }
  void do_begin_all_to_all(Backend& on, std::span<const Exchange> exchanges) override {
    std::vector<Begun>& together = begun_.emplace_back();
    for (const auto& [send, receive] : exchanges) {
      together.push_back({send.data,
                          receive.data,
                          {send.bytes.begin(), send.bytes.end()},
                          {receive.bytes.begin(), receive.bytes.end()}});
      const std::vector<uint8_t> nan(static_cast<size_t>(receive.total()), 0xff);
      if (!nan.empty()) on.upload(receive.data.data, nan.data(), nan.size());
    }
  }
  void do_finish_all_to_all(Backend& on) override {
    for (const Begun& one : begun_.front())
      ranks_.all_to_all(Traffic::kForward, on, {one.send, one.to}, {one.receive, one.from});
    begun_.pop_front();
  }
  void do_all_gather(View<const uint8_t> mine, Segments receive) override {
    backend_.synchronize();
    ranks_.all_gather(Traffic::kForward, mine, receive);
    backend_.wait_for(*among_ranks);
  }
  void do_exchange(std::span<const int64_t> to, std::span<int64_t> from) override {
    ranks_.exchange(Traffic::kForward, to, from);
  }
  void do_collect(std::span<const uint8_t> mine, std::span<const int64_t> sizes,
                  const TakePiece& take) override {
    ranks_.collect(mine, sizes, [&](int rank, int64_t first, std::span<const uint8_t> piece) {
      if (rank > 0) take(rank, first, piece);
    });
  }
  std::vector<std::string> do_gather(const std::string& mine) override {
    return ranks_.gather(mine);
  }

 private:
  struct Begun {
    View<uint8_t> send, receive;
    std::vector<int64_t> to, from;
  };
  Backend& backend_;
  Communicator& ranks_;
  std::deque<std::vector<Begun>> begun_;
};

}  // namespace mgqe
