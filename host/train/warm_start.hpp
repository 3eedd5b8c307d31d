// --warm-start: a run that begins at the tables and weights of another, whose tables are full.
#pragma once

#include <string>

#include "host/config/config.hpp"
#include "host/engine/backend.hpp"
#include "host/train/task.hpp"

namespace mgqe {

/// Refuses what cannot begin so, and files that are no artifact of such a run, before data is read;
/// not those of a run that goes on from a checkpoint.
void check_warm_start(const Config& config, bool resume = false);

/// Refuses an artifact of another model or of other data, by its header alone.
void check_warm_start(const Config& config, const Task& task);

/// Sets every row of the model to that of the same id in the artifact that config.train.warm_start
/// names, and its other weights to those of the same name. Codebooks are made of the rows by
/// k-means, from rows drawn by the seed; steps of lsq are those that Esser et al. (2020) begin
/// with. What an optimizer keeps stays as it is: nothing. InputError where the artifact is of
/// another backbone, task or data, or of other sizes, or where its tables are not full. Among ranks
/// each sets the rows that it has.
void warm_start(Backend& backend, const Config& config, const Task& task, Model& model);

}  // namespace mgqe
