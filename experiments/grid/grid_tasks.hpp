// The tasks that grids are made over: a data set and a backbone each.
#pragma once

#include <string>
#include <vector>

#include "host/config/config.hpp"

namespace mgqe {

/// Which rows of the table of schemes a task has.
enum class SchemeRows {
  kNone,
  kEvery,
  kFull,
  kMain,          // full, and mgqe at its usual size
  kBesidesMain,   // the others
  kUsual,         // every scheme but dpq_sx, at its usual size
  kNeumfAnchors,  // full tables as the NCF authors have them
};

struct GridTask {
  const char* name;   // of --tasks
  const char* title;  // for people
  const char* data;
  const char* model;
  TaskKind task;
  int64_t dim;  // d; sizes are measured against the full table of this dimension
  /// Whether figure 2 has every scheme at every size here, or only full, dpq_vq and mgqe at their
  /// usual one: the larger catalogues, which are there for head and tail.
  bool every_size;
  /// Roughly what a run with a full table takes on one CPU thread: for order and budget until some
  /// run has been measured.
  double full_seconds;
  SchemeRows rows;
  /// How many times its epochs a run that has not stopped improving is trained for at most
  /// (training_length.hpp).
  int longest = 1;
  /// What differs from the backbone's own settings. Null: nothing.
  void (*change)(Config& config) = nullptr;
  /// L2 penalties, of which validation chooses one for each point. Empty: that of the config.
  std::vector<double> l2 = {};
  /// Further ones, for points whose ids share rows or a basis, so that a penalty on those of a
  /// batch weighs more, or are chosen by products, which a penalty brings to nothing.
  std::vector<double> smaller_l2 = {};

  bool is_relevance() const { return task == TaskKind::kRelevance; }
  bool is_ctr() const { return task == TaskKind::kCtr; }
};

/// Those of the report: figures, claims and ablations.
const std::vector<GridTask>& grid_tasks();
/// Those of the table of schemes: every backbone, and the NCF authors' split as an outside anchor.
const std::vector<GridTask>& scheme_tasks();

/// Those of rows with many features.
const std::vector<GridTask>& feature_tasks();

/// By a list of names, of any kind; InputError that names --tasks and the known ones.
std::vector<GridTask> find_tasks(const std::vector<std::string>& names);

/// The defaults of the task's backbone on its data, with a full table of its dimension.
Config task_config(const GridTask& task);

/// Roughly the seconds of this run on one CPU thread.
double rough_seconds(const GridTask& task, const Config& config);

}  // namespace mgqe
