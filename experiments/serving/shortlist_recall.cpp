#include "experiments/serving/shortlist_recall.hpp"

#include <algorithm>
#include <iostream>

#include <fmt/format.h>

#include "host/io/console/table.hpp"

namespace mgqe {
namespace {

constexpr size_t kAskersAtOnce = 256;

/// Rows of list m, ascending.
std::vector<int32_t> rows_of(const TopKBuffers& lists, size_t m) {
  const auto first = lists.rows.begin() + static_cast<int64_t>(m) * lists.k;
  return distinct({first, first + lists.counts[m]});
}

}  // namespace

ShortlistRecall measure_recall(const ServedModel& model, std::span<const Asker> askers,
                               const Wishes& wishes) {
  if (model.recommender().dot_product())
    input_error(model.artifact().name(), ": lists of a ", model.artifact().backbone(),
                " model are exact, with --shortlist or without: there is no recall to measure");
  if (wishes.shortlist < 1) input_error("--measure-recall asks for --shortlist N");
  ShortlistRecall report{wishes.k, std::max(wishes.shortlist, wishes.k)};
  Wishes exact = wishes;
  exact.shortlist = 0;
  for (size_t first = 0; first < askers.size(); first += kAskersAtOnce) {
    const auto here = askers.subspan(first, std::min(kAskersAtOnce, askers.size() - first));
    const TopKBuffers found = recommend(model, here, wishes), all = recommend(model, here, exact);
    for (size_t m = 0; m < here.size(); ++m) {
      const std::vector<int32_t> wanted = rows_of(all, m), kept = rows_of(found, m);
      if (wanted.empty()) continue;
      std::vector<int32_t> both;
      std::set_intersection(wanted.begin(), wanted.end(), kept.begin(), kept.end(),
                            std::back_inserter(both));
      const double recall = static_cast<double>(both.size()) / static_cast<double>(wanted.size());
      report.recall += recall;
      report.least = std::min(report.least, recall);
      report.complete += both.size() == wanted.size() ? 1 : 0;
      ++report.lists;
    }
  }
  if (report.lists == 0) input_error("--measure-recall: no list has an item");
  report.recall /= static_cast<double>(report.lists);
  return report;
}

nlohmann::ordered_json to_json(const ShortlistRecall& recall) {
  return {{"k", recall.k},         {"shortlist", recall.shortlist},
          {"lists", recall.lists}, {"recall", recall.recall},
          {"least", recall.least}, {"complete_lists", recall.complete}};
}

void print(const ShortlistRecall& recall) {
  std::cout << format_table(
                   {"shortlist", "k", "lists", "recall", "least", "complete"},
                   {{std::to_string(recall.shortlist), std::to_string(recall.k),
                     std::to_string(recall.lists), fmt::format("{:.4f}", recall.recall),
                     fmt::format("{:.4f}", recall.least), std::to_string(recall.complete)}},
                   std::vector<Align>(6, Align::kRight))
            << std::flush;
}

}  // namespace mgqe
