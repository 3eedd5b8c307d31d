// The ablations: each varies one thing of the usual mgqe table, and shows that table too.
#include <algorithm>

#include <fmt/format.h>

#include "experiments/grid/grid_points.hpp"
#include "host/base/check.hpp"
#include "models/backbones/model.hpp"

namespace mgqe {
namespace {

class Study {
 public:
  Study(std::vector<GridPoint>& points, const GridChoice& choice, const GridTask& task,
        std::string name)
      : points_(points), choice_(choice), task_(task), name_(std::move(name)) {}

  const GridTask& task() const { return task_; }
  int subspaces() const { return usual_subspaces(task_); }

  template <class Change>
  void add(const std::string& value, const Change& change) {
    add_config(value, [&](Config& config) { change(config.embedding); });
  }
  template <class Change>
  void add_config(const std::string& value, const Change& change) {
    Config config = usual_config(task_, "mgqe");
    change(config);
    points_.push_back(make_point(choice_, task_, name_, value, config));
  }
  /// dpq_vq is mgqe of one tier.
  void add_single_tier(const std::string& value) {
    add(value, [](EmbeddingConfig& embedding) {
      embedding.scheme = "dpq_vq";
      embedding.tiers = {};
      embedding.centroids = {256};
    });
  }

 private:
  std::vector<GridPoint>& points_;
  const GridChoice& choice_;
  const GridTask& task_;
  std::string name_;
};

void as_usual(EmbeddingConfig&) {}

void variants(Study& study) {
  study.add("shared_k", as_usual);
  study.add("private_k",
            [](EmbeddingConfig& embedding) { embedding.variant = Variant::kPrivateK; });
  study.add("private_d", [&](EmbeddingConfig& embedding) {
    embedding.variant = Variant::kPrivateD;
    embedding.subspaces = {study.subspaces(), study.subspaces() / 2};
    embedding.centroids = {256};
  });
}

void tier_counts(Study& study) {
  study.add_single_tier("1");
  study.add("2", as_usual);
  const auto tiers = [&](std::vector<double> cuts, std::vector<int> centroids) {
    study.add(std::to_string(centroids.size()), [&](EmbeddingConfig& embedding) {
      embedding.tiers = cuts;
      embedding.centroids = centroids;
    });
  };
  tiers({0.01, 0.1}, {256, 128, 64});
  tiers({0.01, 0.1, 0.5}, {256, 128, 64, 32});
}

void cuts(Study& study) {
  for (const double cut : {0.01, 0.05, 0.1, 0.2, 0.5})
    study.add(fmt::format("{}", cut), [&](EmbeddingConfig& embedding) { embedding.tiers = {cut}; });
}

void tail_centroids(Study& study) {
  for (const int centroids : {8, 16, 32, 64, 128})
    study.add(std::to_string(centroids), [&](EmbeddingConfig& embedding) {
      embedding.centroids = {256, centroids};
    });
  study.add_single_tier("256");
}

void commitment(Study& study) {
  for (const double weight : {0.0, 0.1, 0.25, 1.0})
    study.add(fmt::format("{}", weight),
              [&](EmbeddingConfig& embedding) { embedding.commitment_weight = weight; });
}

void codebook_weight(Study& study) {
  for (const double weight : {0.25, 1.0, 4.0})
    study.add(fmt::format("{}", weight),
              [&](EmbeddingConfig& embedding) { embedding.codebook_weight = weight; });
}

/// Dense parameters share the codebooks' rate, rows keep theirs.
void codebook_rate(Study& study) {
  study.add("1", as_usual);
  for (const double factor : {0.3, 3.0, 10.0})
    study.add_config(fmt::format("{}", factor), [&](Config& config) {
      config.train.table_lr = config.train.lr;
      config.train.lr *= factor;
    });
}

void kmeans_start(Study& study) {
  for (const int iterations : {0, 10})
    study.add(std::to_string(iterations),
              [&](EmbeddingConfig& embedding) { embedding.kmeans_start = iterations; });
}

void distance_bn(Study& study) {
  for (const DistanceBn kind : {DistanceBn::kNone, DistanceBn::kTf})
    study.add(name_of(kind), [&](EmbeddingConfig& embedding) { embedding.distance_bn = kind; });
}

void tables(Study& study) {
  study.add("both", as_usual);
  // Only where users and items have tables of their own.
  if (tables_of(task_config(study.task()), Entity::kUser).empty()) return;
  for (const SchemeTables which : {SchemeTables::kUsers, SchemeTables::kItems})
    study.add(name_of(which), [&](EmbeddingConfig& embedding) { embedding.tables = which; });
}

void softmax(Study& study) {
  study.add_single_tier("dpq_vq");
  study.add("dpq_sx", [](EmbeddingConfig& embedding) {
    embedding.scheme = "dpq_sx";
    embedding.tiers = {};
    embedding.centroids = {256};
  });
}

/// At the bytes of the usual table or fewer: 16-bit centroids pay for more of them in the tail, or
/// for a table of items that is wider than that of users.
void equal_bytes(Study& study) {
  study.add("f32-256/64", as_usual);
  const auto half = [&](const char* name, std::vector<double> cuts, std::vector<int> centroids) {
    study.add(name, [&](EmbeddingConfig& embedding) {
      embedding.codebook_type = CodebookType::kF16;
      embedding.tiers = cuts;
      embedding.centroids = centroids;
    });
  };
  half("f16-256/64", {0.1}, {256, 64});
  half("f16-256/128", {0.1}, {256, 128});
  half("f16-256/128/64", {0.1, 0.5}, {256, 128, 64});
  half("f16-256", {}, {256});
  if (tables_of(task_config(study.task()), Entity::kUser).empty()) return;
  study.add("f16-items-256-users-256/128", [&](EmbeddingConfig& embedding) {
    embedding.codebook_type = CodebookType::kF16;
    embedding.centroids = {256, 128};
    embedding.item.centroids = {256};
  });
  study.add("f16-users-256-items-256/128", [&](EmbeddingConfig& embedding) {
    embedding.codebook_type = CodebookType::kF16;
    embedding.centroids = {256, 128};
    embedding.user.centroids = {256};
  });
}

/// Tiers by the rule of thumb, and from a budget of the bytes that these take.
void budget(Study& study) {
  if (std::string(study.task().name) != "gmf") return;
  study.add("rule", as_usual);
  study.add("15.1%", [](EmbeddingConfig& embedding) { embedding.budget = "15.1%"; });
}

struct NamedStudy {
  const char* name;
  void (*add)(Study& study);
};

constexpr NamedStudy kStudies[] = {
    {"variant", variants},
    {"tiers", tier_counts},
    {"cut", cuts},
    {"tail-k", tail_centroids},
    {"commitment", commitment},
    {"codebook-weight", codebook_weight},
    {"codebook-rate", codebook_rate},
    {"kmeans-start", kmeans_start},
    {"distance-bn", distance_bn},
    {"tables", tables},
    {"softmax", softmax},
    {"equal-bytes", equal_bytes},
    {"budget", budget},
};

}  // namespace

const std::vector<std::string>& ablation_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list;
    for (const NamedStudy& study : kStudies) list.push_back(study.name);
    return list;
  }();
  return names;
}

std::vector<GridPoint> ablation_points(const GridChoice& choice,
                                       const std::vector<std::string>& studies) {
  for (const std::string& name : studies) {
    const auto& known = ablation_names();
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    std::string names;
    for (const std::string& one : known) names += (names.empty() ? "" : ", ") + one;
    input_error("--studies ", name, " is unknown: choose among ", names);
  }
  std::vector<GridPoint> points;
  for (const GridTask& task : choice.tasks)
    for (const NamedStudy& study : kStudies) {
      if (std::find(studies.begin(), studies.end(), study.name) == studies.end()) continue;
      Study one(points, choice, task, study.name);
      study.add(one);
    }
  return points;
}

}  // namespace mgqe
