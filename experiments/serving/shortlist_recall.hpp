// How much of the exact lists a shortlist keeps: for models whose scores are no dot products
// (neumf).
#pragma once

#include <nlohmann/json.hpp>

#include "experiments/serving/served_model.hpp"

namespace mgqe {

struct ShortlistRecall {
  int64_t k = 0, shortlist = 0;
  int64_t lists = 0;     // of an item or more
  double recall = 0.0;   // mean over lists of |shortlisted and exact| / |exact|
  double least = 1.0;    // of a list
  int64_t complete = 0;  // lists with all of the exact one
};

/// Each asker's list by wishes.shortlist against the one that scores everything; the other wishes
/// hold for both. InputError where the model's lists are exact whatever the shortlist.
ShortlistRecall measure_recall(const ServedModel& model, std::span<const Asker> askers,
                               const Wishes& wishes);

nlohmann::ordered_json to_json(const ShortlistRecall& recall);
void print(const ShortlistRecall& recall);

}  // namespace mgqe
